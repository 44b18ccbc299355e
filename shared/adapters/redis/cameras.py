"""Leases and states of cameras, on the frames Redis beside their frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import redis

from shared.adapters.redis.client import kinds
from shared.adapters.redis.scripts import run_script
from shared.adapters.redis.servers import FrameServers
from shared.domain.errors import PartlyAway
from shared.domain.made_cameras import MadeCamera
from shared.wire.keys import Keys
from shared.wire.made_cameras import decode_made, encode_made

STATE_EXPIRY_SECONDS = 600
TELL_TRIES = 3

# A server at its memory limit must not take the leases of those who could free some.
_ACQUIRE = """#!lua flags=allow-oom
local owner = redis.call('GET', KEYS[1])
if owner == false or owner == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return 1
end
return 0
"""
_RELEASE = (
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
)
# The server's own clock: no two hosts' clocks are compared.
_ENROL = """#!lua flags=allow-oom
local now = redis.call('TIME')
local ms = now[1] * 1000 + math.floor(now[2] / 1000)
redis.call('ZADD', KEYS[1], ms, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ms - ARGV[2])
return redis.call('ZCARD', KEYS[1])
"""
_REPORT = """#!lua flags=allow-oom
redis.call('HSET', KEYS[1], unpack(ARGV, 2))
return redis.call('EXPIRE', KEYS[1], ARGV[1])
"""


class RedisCameras:
    """Implements the ports `CameraLeases`, `CameraStates` and `MadeCamerasTold`."""

    def __init__(self, servers: FrameServers, keys: Keys) -> None:
        self._servers = servers
        self._keys = keys

    def acquire(self, camera_id: str, owner: str, ttl_s: float) -> bool:
        key = self._keys.lease(camera_id)
        with self._servers.talking(key) as server:
            return bool(
                server.register_script(_ACQUIRE)(keys=[key], args=[owner, round(ttl_s * 1000)])
            )

    def renew(self, camera_ids: Sequence[str], owner: str, ttl_s: float) -> dict[str, bool]:
        keys = {camera_id: self._keys.lease(camera_id) for camera_id in camera_ids}
        arguments: list[str | int | float] = [owner, round(ttl_s * 1000)]
        found = self._each(
            keys,
            lambda server, group: run_script(
                server, _ACQUIRE, [([keys[camera_id]], arguments) for camera_id in group]
            ),
        )
        return {camera_id: bool(won) for camera_id, won in found}

    def release(self, camera_id: str, owner: str) -> None:
        key = self._keys.lease(camera_id)
        with self._servers.talking(key) as server:
            server.register_script(_RELEASE)(keys=[key], args=[owner])

    def enrol(self, owner: str, ttl_s: float) -> int:
        key = self._keys.captures
        with self._servers.talking(key) as server:
            return int(
                server.register_script(_ENROL)(keys=[key], args=[owner, round(ttl_s * 1000)])
            )

    def resign(self, owner: str) -> None:
        with self._servers.talking(self._keys.captures) as server:
            server.zrem(self._keys.captures, owner)

    def report(self, camera_id: str, state: Mapping[str, str | int | float]) -> None:
        key = self._keys.camera(camera_id)
        with self._servers.talking(key) as server:
            server.register_script(_REPORT)(keys=[key], args=[STATE_EXPIRY_SECONDS, *_flat(state)])

    def report_all(self, states: Mapping[str, Mapping[str, str | int | float]]) -> None:
        keys = {camera_id: self._keys.camera(camera_id) for camera_id in states}

        def report(server: redis.Redis, group: Sequence[str]) -> Sequence[Any]:
            calls = [([keys[each]], [STATE_EXPIRY_SECONDS, *_flat(states[each])]) for each in group]
            return run_script(server, _REPORT, calls)

        for _ in self._each(keys, report):
            continue

    def state(self, camera_id: str) -> dict[str, str]:
        key = self._keys.camera(camera_id)
        with self._servers.talking(key) as server:
            found: Any = server.hgetall(key)
        return _readable(found)

    def states_of(self, camera_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        keys = {camera_id: self._keys.camera(camera_id) for camera_id in camera_ids}
        found = self._each(keys, partial(_piped, "HGETALL", keys))
        return {camera_id: _readable(fields) for camera_id, fields in found}

    def look_at(self, camera_id: str, for_s: float) -> None:
        key = self._keys.looked_at(camera_id)
        with self._servers.talking(key) as server:
            server.set(key, 1, px=round(for_s * 1000))

    def looked_at(self, camera_ids: Sequence[str]) -> set[str]:
        keys = {camera_id: self._keys.looked_at(camera_id) for camera_id in camera_ids}
        return {
            camera_id
            for camera_id, there in self._each(keys, partial(_piped, "EXISTS", keys))
            if there
        }

    def tell_made(self, read: Callable[[], Mapping[str, MadeCamera]]) -> None:
        """Writes only what is not there yet: a server that began anew has forgotten it. Where
        others wrote at each try, theirs is as new.
        """
        for _ in range(TELL_TRIES):
            with suppress(redis.WatchError):
                self._tell_made(read)
                return

    def _tell_made(self, read: Callable[[], Mapping[str, MadeCamera]]) -> None:
        """Raises WatchError where another process wrote since before the rows were read: they may
        be older than what it wrote.
        """
        key = self._keys.made_cameras
        with self._servers.talking(key) as server:
            line = server.pipeline()
        with kinds("frames"), line:
            with self._servers.talking(key):
                line.watch(key)  # type: ignore[no-untyped-call]
                told: Any = line.get(key)
            data = encode_made(read())  # a database that is away is not this server's fault
            if told != data:
                with self._servers.talking(key):
                    line.multi()
                    line.set(key, data)
                    line.execute()

    def made(self) -> dict[str, MadeCamera] | None:
        with self._servers.talking(self._keys.made_cameras) as server:
            data: Any = server.get(self._keys.made_cameras)
        return None if data is None else decode_made(data)

    def _each(
        self, keys: Mapping[str, str], ask: Callable[[redis.Redis, list[str]], Sequence[Any]]
    ) -> Iterator[tuple[str, Any]]:
        """Ask each server for its cameras, in one exchange. `ask` returns an answer for each.

        Yields the answers of the servers, of several, that answer.
        """
        for group in self._servers.together(keys):
            with suppress(PartlyAway), self._servers.talking(keys[group[0]]) as server:
                yield from zip(group, ask(server, group), strict=True)


def _piped(
    command: str, keys: Mapping[str, str], server: redis.Redis, group: Sequence[str]
) -> Sequence[Any]:
    line = server.pipeline(transaction=False)
    for camera_id in group:
        line.execute_command(command, keys[camera_id])  # type: ignore[no-untyped-call]
    return list(line.execute())


def _flat(fields: Mapping[str, str | int | float]) -> list[str | int | float]:
    return [part for pair in fields.items() for part in pair]


def _readable(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
