"""Leases and states of cameras, on the frames Redis beside their frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from shared.adapters.redis.servers import FrameServers
from shared.domain.errors import PartlyAway
from shared.wire.keys import Keys

STATE_EXPIRY_SECONDS = 600

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
    """Implements the ports `CameraLeases` and `CameraStates`."""

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
        arguments = dict.fromkeys(camera_ids, (owner, round(ttl_s * 1000)))
        return {camera_id: bool(won) for camera_id, won in self._each(_ACQUIRE, keys, arguments)}

    def _each(
        self, script: str, keys: Mapping[str, str], arguments: Mapping[str, Sequence[str | float]]
    ) -> Iterator[tuple[str, Any]]:
        """Run a script for each camera, one round trip a server.

        Yields the answers of the servers, of several, that answer.
        """
        for group in self._servers.together(keys):
            with suppress(PartlyAway), self._servers.talking(keys[group[0]]) as server:
                pipe, call = server.pipeline(transaction=False), server.register_script(script)
                for camera_id in group:
                    call(keys=[keys[camera_id]], args=list(arguments[camera_id]), client=pipe)
                yield from zip(group, pipe.execute(), strict=True)

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
        fields = [part for pair in state.items() for part in pair]
        with self._servers.talking(key) as server:
            server.register_script(_REPORT)(keys=[key], args=[STATE_EXPIRY_SECONDS, *fields])

    def report_all(self, states: Mapping[str, Mapping[str, str | int | float]]) -> None:
        keys = {camera_id: self._keys.camera(camera_id) for camera_id in states}
        arguments: dict[str, Sequence[str | float]] = {
            camera_id: [STATE_EXPIRY_SECONDS, *(part for pair in fields.items() for part in pair)]
            for camera_id, fields in states.items()
        }
        for _ in self._each(_REPORT, keys, arguments):
            continue

    def state(self, camera_id: str) -> dict[str, str]:
        key = self._keys.camera(camera_id)
        with self._servers.talking(key) as server:
            found: Any = server.hgetall(key)
        return {name.decode(): value.decode("utf-8", "replace") for name, value in found.items()}

    def look_at(self, camera_id: str, for_s: float) -> None:
        key = self._keys.looked_at(camera_id)
        with self._servers.talking(key) as server:
            server.set(key, 1, px=round(for_s * 1000))

    def looked_at(self, camera_ids: Sequence[str]) -> set[str]:
        keys = {camera_id: self._keys.looked_at(camera_id) for camera_id in camera_ids}
        found: set[str] = set()
        for group in self._servers.together(keys):
            with suppress(PartlyAway), self._servers.talking(keys[group[0]]) as server:
                pipe = server.pipeline(transaction=False)
                for camera_id in group:
                    pipe.exists(keys[camera_id])
                found |= {c for c, there in zip(group, pipe.execute(), strict=True) if there}
        return found
