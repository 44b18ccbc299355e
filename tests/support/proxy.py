"""A TCP proxy that misbehaves on command: refuses, falls silent, is slow, cuts replies in half."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.waiting import WAIT_SECONDS

PIECE = 65_536


@dataclass(eq=False)
class _Link:
    """One connection through the proxy; a `dead` one carries nothing any more, and nobody is
    told.
    """

    writers: list[asyncio.StreamWriter]
    dead: bool = False


@dataclass
class Proxy:
    """One proxy before one server. Methods may be called from any thread."""

    target: tuple[str, int]
    port: int = 0
    latency_s: float = 0.0
    bytes_per_s: float = 0.0
    host: str = "127.0.0.1"
    cuts: int = 0
    _links: set[_Link] = field(default_factory=set)
    _server: asyncio.Server | None = None
    # Bound to the port and never listening, so that nobody else gets it while this refuses.
    _place: socket.socket = field(default_factory=socket.socket)

    def __post_init__(self) -> None:
        self._place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._place.bind((self.host, self.port))
        self.port = self._place.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self.heal()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_SECONDS)

    # Faults.

    def refuse(self) -> None:
        """Nobody listens any more, and open connections are reset."""
        self._do(self._refuse())

    def reset(self) -> None:
        """Open connections are reset; new ones work."""
        self._do(self._reset())

    def blackhole(self) -> None:
        """Everything stands still: no byte, no FIN, and connecting works only as far as the
        kernel's backlog.
        """
        self._do(self._set(shut=True))

    def blackhole_old(self) -> None:
        """The connections of now are dead and nobody is told; new ones work (a firewall that forgot
        its table).
        """
        self._do(self._bury())

    def slow(self, latency_s: float = 0.0, bytes_per_s: float = 0.0) -> None:
        """Every piece waits."""
        self.latency_s, self.bytes_per_s = latency_s, bytes_per_s

    def cut(self, replies: int) -> None:
        """The next replies are cut in half: the request has run, its caller cannot know."""
        self.cuts = replies

    def heal(self) -> None:
        """Behave again."""
        self.latency_s = self.bytes_per_s = 0.0
        self.cuts = 0
        self._do(self._heal())

    def close(self) -> None:
        """End."""
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(WAIT_SECONDS)
        self._loop.close()

    # What the loop does.

    async def _heal(self) -> None:
        for link in [link for link in self._links if link.dead]:
            self._abort(link)
        if self._server is None:
            self._server = await asyncio.start_server(
                self._accept, self.host, self.port, reuse_address=True
            )
        self._open.set()

    async def _set(self, *, shut: bool) -> None:
        if shut:
            self._open.clear()

    async def _bury(self) -> None:
        for link in self._links:
            link.dead = True

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _end(self) -> None:
        await self._refuse()
        self._place.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _reset(self) -> None:
        for link in list(self._links):
            self._abort(link)
        await asyncio.sleep(0)

    def _abort(self, link: _Link) -> None:
        self._links.discard(link)
        for writer in link.writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link([writer])
        self._links.add(link)
        try:
            await self._open.wait()
            there, back = await asyncio.open_connection(*self.target)
        except OSError:
            self._abort(link)
            return
        link.writers.append(back)
        pumps = [
            asyncio.create_task(self._pump(link, reader, back, reply=False)),
            asyncio.create_task(self._pump(link, there, writer, reply=True)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)
        self._abort(link)

    async def _pump(
        self, link: _Link, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, reply: bool
    ) -> None:
        with suppress(OSError):
            while piece := await source.read(PIECE):
                if self.latency_s:
                    await asyncio.sleep(self.latency_s)
                if self.bytes_per_s:
                    await asyncio.sleep(len(piece) / self.bytes_per_s)
                await self._open.wait()
                if link.dead:
                    await asyncio.Event().wait()
                if reply and self.cuts > 0:
                    self.cuts -= 1
                    sink.write(piece[: len(piece) // 2])
                    await sink.drain()
                    return
                sink.write(piece)
                await sink.drain()
