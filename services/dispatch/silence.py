"""Which cameras deliver no more frames: their recordings end where their footage does.

Time that nobody observed is no silence: a frames Redis that did not answer, or a pacer that was
stopped, says nothing about a camera.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from shared.domain.camera import CameraState
from shared.domain.ports import BoundsByCamera, CameraStates, Clock, FrameBuffer, LiveSegment

# Longest stretch between two looks that counts as silence of a camera.
LOOK_SECONDS = 0.5
SILENT_MARGIN_SECONDS = 2.0
SILENT_FRAMES = 2.5  # a camera of a frame in ten seconds is not silent between them
# Capture's word is asked for only when nothing has come for so long, and again after a moment.
ASKED_AFTER_SECONDS, ASKED_EVERY_SECONDS = 1.0, 0.3


@dataclass(slots=True)
class _Watch:
    """How long a camera's newest frame was seen not to move, while the frames Redis answered."""

    newest_ms: int
    still_s: float = 0.0
    pace_s: float | None = None  # between its last two frames, once somebody asked
    over: bool = False  # capture said that it has ended
    ask_at: float = 0.0


@dataclass(slots=True)
class Silence:
    """Watches cameras from one look to the next."""

    frames: FrameBuffer
    states: CameraStates
    clock: Clock
    _watches: dict[str, _Watch] = field(default_factory=dict)
    _looked_at: float = 0.0

    def look(self, cameras: Iterable[str], bounds: BoundsByCamera) -> None:
        """Note which cameras stand still.

        A round that fails before this adds nothing, a late one half a second. A camera whose server
        does not answer does not stand still, because nobody looked.
        """
        now = self.clock.monotonic()
        passed, self._looked_at = min(now - self._looked_at, LOOK_SECONDS), now
        watches: dict[str, _Watch] = {}
        for camera_id in cameras:
            newest_ms = bounds[camera_id].newest_ms if camera_id in bounds else -1
            before = self._watches.get(camera_id)
            if camera_id in bounds.away:
                watches |= {} if before is None else {camera_id: before}
                continue
            if before is None or before.newest_ms != newest_ms:
                watches[camera_id] = _Watch(newest_ms)
            else:
                before.still_s += passed
                watches[camera_id] = before
        self._watches = watches

    def still_ms(self, camera_id: str) -> int:
        """Returns how long a camera's newest frame has not moved."""
        watch = self._watches.get(camera_id)
        return 0 if watch is None else round(watch.still_s * 1000)

    def of(self, segment: LiveSegment) -> bool:
        """Returns whether nothing more will come: the newest frame has not moved for long, or
        capture says disconnected.
        """
        watch = self._watches.get(segment.camera_id)
        if watch is None or watch.still_s < ASKED_AFTER_SECONDS:
            return False
        long = watch.still_s > segment.policy.buffer_seconds + SILENT_MARGIN_SECONDS
        if long and watch.still_s > SILENT_FRAMES * self._pace_s(segment, watch):
            return True
        if self.clock.monotonic() >= watch.ask_at:
            watch.ask_at = self.clock.monotonic() + ASKED_EVERY_SECONDS
            state = self.states.state(segment.camera_id)
            watch.over = (
                state.get("state") == CameraState.DISCONNECTED and state.get("outbox") == "0"
            )
        return watch.over

    def _pace_s(self, segment: LiveSegment, watch: _Watch) -> float:
        """Returns the seconds between two frames of a camera: the distance of its last two, at
        least what its settings say.
        """
        if watch.pace_s is None:
            known = watch.newest_ms >= 0
            before = self.frames.mark_before(segment.camera_id, watch.newest_ms) if known else None
            watch.pace_s = 0.0 if before is None else (watch.newest_ms - before.captured_ms) / 1000
        return max(
            1 / segment.policy.capture_fps, min(watch.pace_s, segment.policy.hold_cap_seconds)
        )
