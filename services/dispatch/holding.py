"""Holds frames that recordings still need, and releases holds that nobody needs any more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from uuid import UUID

from shared.domain.errors import PartlyAway
from shared.domain.ports import Clock, Holds, LiveSegment, PacerRows, Parking

HOLD_EVERY_SECONDS = 1.0
STALE_HOLD_SECONDS = 30.0
# so many looks for stale holds go round all cameras: a site of thousands costs no tick more than
# its share
LOOKS = 10


@dataclass(slots=True)
class Holding:
    """One pacer's holds. It keeps no truth: only what it has set and seen, and when."""

    holds: Holds
    parking: Parking
    rows: PacerRows
    clock: Clock
    cameras: Sequence[str]
    _held: dict[UUID, tuple[int, float]] = field(default_factory=dict)
    _unowned: dict[str, dict[str, float]] = field(default_factory=dict)
    _at: int = 0

    def keep(self, live: Iterable[LiveSegment]) -> None:
        """Hold the frames that are still needed: at once when that changes, and again every
        second.
        """
        now = self.clock.monotonic()
        held: dict[UUID, tuple[int, float]] = {}
        due: dict[str, dict[str, int]] = defaultdict(dict)
        for segment in live:
            if not segment.needs_frames:
                continue
            since_ms, said_at = self._held.get(segment.segment_id, (-1, 0.0))
            if since_ms != segment.hold_ms or now - said_at >= HOLD_EVERY_SECONDS:
                due[segment.camera_id][str(segment.segment_id)] = segment.hold_ms
                said_at = now
            held[segment.segment_id] = (segment.hold_ms, said_at)
        said = self.holds.hold_all(due) if due else set()
        for camera_id in due.keys() - said:  # its server went away just now
            for segment_id in due[camera_id]:
                held.pop(UUID(segment_id))
        self._held = held

    def drop_stale(self, live: Iterable[LiveSegment]) -> None:
        """Release holds that nobody has needed for 30 s, of the cameras whose turn it is.

        Holds of finished segments and of messages that were never handled, and packets of parts
        that nobody waits for.
        """
        owners = {
            (segment.camera_id, str(segment.segment_id)) for segment in live if segment.needs_frames
        }
        waiting = self.rows.parked_parts()
        for camera_id in self._next_cameras():
            try:
                self._drop_of(camera_id, owners, waiting)
            except PartlyAway:
                continue

    def _drop_of(
        self, camera_id: str, owners: set[tuple[str, str]], waiting: set[tuple[str, str]]
    ) -> None:
        now, before = self.clock.monotonic(), self._unowned.get(camera_id, {})
        kept = [h for h in self.holds.holds(camera_id) if (camera_id, h) not in owners]
        kept += [p for p in self.parking.parked_parts(camera_id) if (camera_id, p) not in waiting]
        stale = [h for h in kept if now - before.get(h, now) > STALE_HOLD_SECONDS]
        if stale:
            self.holds.release(camera_id, stale)
            self.parking.unpark(camera_id, stale)
        self._unowned[camera_id] = {h: before.get(h, now) for h in kept if h not in stale}

    def _next_cameras(self) -> list[str]:
        share = ceil(len(self.cameras) / LOOKS)
        chosen = list(self.cameras[self._at : self._at + share])
        self._at = self._at + share if self._at + share < len(self.cameras) else 0
        return chosen
