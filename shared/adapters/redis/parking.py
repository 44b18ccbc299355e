"""Encoded parts that wait for storage, on the frames Redis.

They are a twentieth of the size of their JPEGs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shared.adapters.redis.servers import FrameServers
from shared.wire.keys import Keys

KEPT_MS = 86_400_000

_PARK = """
local total = #ARGV[2]
for _, other in ipairs(redis.call('HKEYS', KEYS[1])) do
  if other ~= ARGV[1] then total = total + redis.call('HSTRLEN', KEYS[1], other) end
end
if total > tonumber(ARGV[3]) then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""


class RedisParking:
    """Implements the port `Parking`."""

    def __init__(self, servers: FrameServers, keys: Keys) -> None:
        self._servers = servers
        self._keys = keys

    def park(self, camera_id: str, part_id: str, data: bytes, budget_bytes: int) -> bool:
        """What is left a day after the last part came is deleted."""
        key = self._keys.parked(camera_id)
        with self._servers.talking(key) as server:
            return bool(
                server.register_script(_PARK)(
                    keys=[key], args=[part_id, data, budget_bytes, KEPT_MS]
                )
            )

    def parked(self, camera_id: str, part_id: str) -> bytes | None:
        key = self._keys.parked(camera_id)
        with self._servers.talking(key) as server:
            found: Any = server.hget(key, part_id)
        return None if found is None else bytes(found)

    def parked_parts(self, camera_id: str) -> list[str]:
        key = self._keys.parked(camera_id)
        with self._servers.talking(key) as server:
            found: Any = server.hkeys(key)
        return [name.decode() for name in found]

    def unpark(self, camera_id: str, part_ids: Iterable[str]) -> None:
        names, key = list(part_ids), self._keys.parked(camera_id)
        if names:
            with self._servers.talking(key) as server:
                server.hdel(key, *names)
