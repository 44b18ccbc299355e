"""The body of a download: pieces of the store, one ahead of what is sent."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Iterator

import pytest

from services.api.media.range_response import _ahead
from shared.domain.errors import Retryable
from tests.support.waiting import WAIT_SECONDS


class Store:
    """Yields numbered pieces. Notes how many were read, by which threads, and whether it was
    closed.
    """

    def __init__(self, count: int, breaks_at: int | None = None) -> None:
        self.read = 0
        self.threads: set[str] = set()
        self.closed = threading.Event()
        self._count, self._breaks_at = count, breaks_at

    def stream(self) -> Iterator[bytes]:
        try:
            for number in range(self._count):
                if number == self._breaks_at:
                    raise Retryable("the store broke off")
                self.threads.add(threading.current_thread().name)
                self.read += 1
                yield b"%d" % number
        finally:
            self.closed.set()


def test_pieces_come_in_order_and_are_read_by_threads_of_their_own() -> None:
    """Routes run in another pool, so that a store that hangs holds up no other request."""
    store = Store(40)

    async def whole() -> list[bytes]:
        return [piece async for piece in _ahead(b"first", store.stream())]

    assert asyncio.run(whole()) == [b"first", *(b"%d" % number for number in range(40))]
    assert all(name.startswith("download") for name in store.threads)


def test_a_client_that_does_not_read_holds_one_piece_and_a_client_that_goes_ends_it() -> None:
    store = Store(1000)

    async def slow() -> None:
        body = _ahead(b"first", store.stream())
        for taken in range(3):
            await anext(body)
            await asyncio.sleep(0.02)
            assert store.read <= taken + 1
        await body.aclose()  # type: ignore[attr-defined]

    asyncio.run(slow())
    gc.collect()
    assert store.closed.wait(WAIT_SECONDS)
    assert store.read <= 4


def test_a_store_that_breaks_off_ends_the_body_after_what_came() -> None:
    store, found = Store(9, breaks_at=4), list[bytes]()

    async def counted() -> None:
        async for piece in _ahead(b"first", store.stream()):
            found.append(piece)

    with pytest.raises(Retryable, match="broke off"):
        asyncio.run(counted())
    assert found == [b"first", b"0", b"1", b"2", b"3"]
