"""A camera's newest picture, whether its JPEGs or its own packets are in the buffer.

A copied camera is decoded only while somebody looks: here for a single picture, by capture for a
stream of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from shared.domain.errors import BadInput
from shared.domain.media import Frame
from shared.domain.ports import CameraStates, Clock, FrameBuffer, PacketBuffer, Video

LOOK_SECONDS, LOOK_EVERY_SECONDS = 6.0, 2.0
FRESH_MS = 2_000  # a JPEG that is older than the packets by more is not the newest picture
REMEMBERED = 64


@dataclass(slots=True, kw_only=True)
class CameraPictures:
    """Pictures of one API process.

    copied: whether a camera's packets may be in the buffer. Keyframes that were decoded are
    remembered, so that many who look at once cost no more than one.
    """

    frames: FrameBuffer
    packets: PacketBuffer
    states: CameraStates
    video: Callable[[], Video]
    clock: Clock
    copied: Callable[[str], bool]
    _decoded: OrderedDict[str, Frame] = field(default_factory=OrderedDict)
    _asked_at: dict[str, float] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def newest(self, camera_id: str, *, stream: bool = False) -> Frame | None:
        """Returns the newest picture as a JPEG frame, None where there is none.

        stream: more will be asked for, so capture is asked to decode. Of a copied camera that
        nobody watches it is the last keyframe, which may be some seconds old.
        """
        jpeg = self.frames.newest(camera_id)
        if not self.copied(camera_id):
            return jpeg
        if stream:
            self._look_at(camera_id)
        bounds = self.packets.bounds([camera_id]).get(camera_id)
        if bounds is None or (jpeg is not None and bounds.newest_ms - jpeg.captured_ms < FRESH_MS):
            return jpeg
        keyframe_ms = self.packets.keyframe_before(camera_id, bounds.newest_ms)
        if keyframe_ms is None or (jpeg is not None and keyframe_ms <= jpeg.captured_ms):
            return jpeg
        return self._keyframe(camera_id, keyframe_ms) or jpeg

    def _look_at(self, camera_id: str) -> None:
        """Ask capture to decode this camera, again every two seconds."""
        now = self.clock.monotonic()
        with self._lock:
            due = now - self._asked_at.get(camera_id, float("-inf")) >= LOOK_EVERY_SECONDS
            if due:
                self._asked_at[camera_id] = now
        if due:
            self.states.look_at(camera_id, LOOK_SECONDS)

    def _keyframe(self, camera_id: str, ms: int) -> Frame | None:
        """Returns a keyframe as a JPEG, None where it cannot be decoded or is gone."""
        with self._lock:
            known = self._decoded.get(camera_id)
        if known is not None and known.captured_ms == ms:
            return known
        packet = next(self.packets.read(camera_id, ms, ms + 1), None)
        if packet is None:
            return None
        try:
            jpeg = self.video().picture(packet)
        except BadInput:
            return None
        frame = Frame(camera_id, ms, jpeg, packet.counter, packet.run_id)
        with self._lock:
            self._decoded[camera_id] = frame
            self._decoded.move_to_end(camera_id)
            while len(self._decoded) > REMEMBERED:
                self._decoded.popitem(last=False)
        return frame
