"""Leases and states of cameras, on the frames Redis beside their frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import redis

from shared.adapters.redis_client import kinds
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
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
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

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys
        self._acquire = client.register_script(_ACQUIRE)
        self._release = client.register_script(_RELEASE)
        self._enrol = client.register_script(_ENROL)
        self._report = client.register_script(_REPORT)

    def acquire(self, camera_id: str, owner: str, ttl_s: float) -> bool:
        """See the port."""
        with kinds("frames"):
            return bool(self._acquire(keys=[self._keys.lease(camera_id)], args=[owner, round(ttl_s * 1000)]))

    def release(self, camera_id: str, owner: str) -> None:
        """See the port."""
        with kinds("frames"):
            self._release(keys=[self._keys.lease(camera_id)], args=[owner])

    def enrol(self, owner: str, ttl_s: float) -> int:
        """See the port."""
        with kinds("frames"):
            return int(self._enrol(keys=[self._keys.captures], args=[owner, round(ttl_s * 1000)]))

    def resign(self, owner: str) -> None:
        """See the port."""
        with kinds("frames"):
            self._redis.zrem(self._keys.captures, owner)

    def report(self, camera_id: str, state: Mapping[str, str | int | float]) -> None:
        """See the port."""
        key = self._keys.camera(camera_id)
        with kinds("frames"):
            self._report(keys=[key], args=[STATE_EXPIRY_SECONDS, *(part for pair in state.items() for part in pair)])

    def state(self, camera_id: str) -> dict[str, str]:
        """See the port."""
        with kinds("frames"):
            found: Any = self._redis.hgetall(self._keys.camera(camera_id))
        return {name.decode(): value.decode("utf-8", "replace") for name, value in found.items()}
