"""The buffer of copied cameras: their own packets, trimmed so that decoding can always begin."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import FrameServers
from shared.domain.media import Frame
from shared.domain.ports import BufferLimits
from shared.wire.frames import decode_packet, encode_packet, entry_id
from shared.wire.keys import Keys

# Kept before the oldest need while it is not known where its keyframe is: a new owner of the camera
# has not seen it.
UNSEEN_GOP_MS = 10_000

# The last keyframe that is shown at a time or before it, a page at a time. The answer is its id
# alone.
_KEYFRAME = """#!lua flags=no-writes,allow-oom
local to = ARGV[1]
while true do
  local page = redis.call('XREVRANGE', KEYS[1], to, '-', 'COUNT', 64)
  if #page == 0 then return false end
  for _, entry in ipairs(page) do
    local marks = {}
    for at = 1, #entry[2], 2 do
      if entry[2][at] ~= 'p' then marks[entry[2][at]] = entry[2][at + 1] end
    end
    if marks['k'] == '1' and tonumber(marks['pts']) <= tonumber(ARGV[2]) then return entry[1] end
  end
  to = '(' .. page[#page][1]
end
"""


class RedisPackets(RedisFrames):
    """Implements the ports `PacketBuffer` and `Holds`.

    As frames, but a stream never begins inside a GOP.
    """

    def __init__(self, servers: FrameServers, keys: Keys) -> None:
        super().__init__(servers, keys)
        self._keyframes: dict[str, deque[tuple[int, int]]] = {}

    def _key(self, camera_id: str) -> str:
        return self._keys.packets(camera_id)

    def _encode(self, frame: Frame) -> dict[str, bytes | int | str]:
        return encode_packet(frame)

    def _decode(self, camera_id: str, identifier: bytes, fields: Mapping[bytes, bytes]) -> Frame:
        return decode_packet(camera_id, identifier, fields)

    def _oldest_needed(self, frame: Frame, limit: BufferLimits) -> int:
        """Returns the keyframe that the oldest needed frame is decoded from."""
        oldest = super()._oldest_needed(frame, limit)
        seen = self._keyframes.setdefault(frame.camera_id, deque())
        if seen and frame.captured_ms < seen[0][0]:
            seen.clear()
        if frame.packet is not None and frame.packet.keyframe:
            seen.append((frame.captured_ms, frame.packet.shown_ms))
        while len(seen) > 1 and seen[1][1] <= oldest:
            seen.popleft()
        return seen[0][0] if seen and seen[0][1] <= oldest else max(0, oldest - UNSEEN_GOP_MS)

    def keyframe_before(self, camera_id: str, ms: int) -> int | None:
        key = self._key(camera_id)
        with self._servers.talking(key) as server:
            found: bytes | None = server.register_script(_KEYFRAME)(
                keys=[key], args=[entry_id(ms), ms]
            )
        return None if found is None else int(found.split(b"-")[0])
