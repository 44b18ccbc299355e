"""Leases and states of cameras, on the frames Redis beside their frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.adapters.redis.servers import FrameServers
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

    def state(self, camera_id: str) -> dict[str, str]:
        key = self._keys.camera(camera_id)
        with self._servers.talking(key) as server:
            found: Any = server.hgetall(key)
        return {name.decode(): value.decode("utf-8", "replace") for name, value in found.items()}
