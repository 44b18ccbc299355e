"""Ends passes: a vehicle is gone when its camera's time is the gap past its last read.

Time is the camera's: that of its newest frame. Only where no frame comes any more, or none ever
did, counts for how long nothing has changed while this process looked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from services.dispatch.policies import Policies
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Bounds, BoundsByCamera, Clock, FrameBuffer, OpenPass, PassRows

# A round that was late adds no more than this to the time in which nothing has changed.
LOOK_SECONDS = 2.0
STILL_MARGIN_SECONDS = 2.0


@dataclass(slots=True)
class _Watch:
    """How long neither a pass nor its camera's newest frame was seen to move."""

    last_ms: int
    newest_ms: int | None
    still_s: float = 0.0


@dataclass(slots=True)
class Closing:
    """Looks at the open passes from time to time."""

    rows: PassRows
    frames: FrameBuffer
    policies: Policies
    clock: Clock
    _watches: dict[UUID, _Watch] = field(default_factory=dict)
    _looked_at: float = 0.0

    def look(self, behind_s: float) -> int:
        """End the passes that are over. Returns how many. behind_s: how far the intake is behind,
        because reads that were sent in time may still come.
        """
        now = self.clock.monotonic()
        passed_s, self._looked_at = min(now - self._looked_at, LOOK_SECONDS), now
        passes = self.rows.open_passes()
        if not passes:
            self._watches = {}
            return 0
        bounds = self.frames.bounds(list(dict.fromkeys(each.camera_id for each in passes)))
        here = [each for each in passes if each.camera_id not in bounds.away]
        over = [each for each in here if self._over(each, bounds, passed_s, behind_s)]
        known = {each.pass_id for each in passes}
        self._watches = {key: each for key, each in self._watches.items() if key in known}
        return self.rows.close_passes(over) if over else 0

    def _over(
        self, each: OpenPass, bounds: BoundsByCamera, passed_s: float, behind_s: float
    ) -> bool:
        seen: Bounds | None = bounds.get(each.camera_id)
        newest_ms = None if seen is None else seen.newest_ms
        watch = self._watches.get(each.pass_id)
        if watch is None or (watch.last_ms, watch.newest_ms) != (each.last_ms, newest_ms):
            self._watches[each.pass_id] = watch = _Watch(each.last_ms, newest_ms)
        else:
            watch.still_s += passed_s
        policy = self.policies.configured.get(each.camera_id, RecordingPolicy())
        open_ms = policy.pass_gap_ms + each.late_ms + round(behind_s * 1000)
        if newest_ms is not None and newest_ms - each.last_ms > open_ms:
            return True
        return watch.still_s > open_ms / 1000 + STILL_MARGIN_SECONDS
