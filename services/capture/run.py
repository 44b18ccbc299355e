"""One capture run: from a connection to its loss."""

from __future__ import annotations

from uuid import uuid4

from services.capture.sources.picture import CodedPicture, Picture
from shared.domain.ports import Clock
from shared.domain.timing import (
    STEP_IS_GAP_MS,
    BurstSpread,
    CaptureClock,
    RateLimit,
    SourceTimeline,
)

STEP_IS_GAP_S = STEP_IS_GAP_MS / 1000


class Run:
    """One run's clock, rate and counters; made anew for every connection."""

    def __init__(self, clock: Clock, last_ms: int | None, fps: float) -> None:
        self.run_id = uuid4().hex[:12]
        self.counter = 0
        self.packets = 0
        self.delivered = False  # whether it has given a frame
        self.keyframe_ms = 0
        self._clock, self._fps = clock, fps
        self.timeline = SourceTimeline()
        self._spread = BurstSpread()
        self.anchor(last_ms)

    def anchor(self, last_ms: int | None) -> None:
        """Count from the wall clock again.

        No frame is stamped at or before `last_ms`, the buffer's newest.
        """
        self._capture = CaptureClock(self._clock.now_ms(), self._clock.monotonic(), last_ms)
        self._last_ms = last_ms if last_ms is not None else -1
        self.rate = RateLimit(self._fps)
        # Time by which pictures are thinned: their own where it runs ahead of arrival, so that
        # those of a network that catches up are kept.
        self.rate_ms = 0.0
        self._stamp_ms: int | None = None
        self._source_s: float | None = None

    def thin(self, fps: float) -> None:
        """Thin pictures to this rate from now on."""
        self._fps = fps
        self.rate = RateLimit(fps)

    def now_ms(self) -> int:
        """Returns the time by this run's clock, which follows no step of the wall clock."""
        return self._capture.wall_ms(self._clock.monotonic())

    def behind_ms(self) -> int:
        """Returns by how much the buffer is ahead of this host's clock, where that is more than may
        be smoothed; else 0.
        """
        ahead_ms = self._capture.last_ms - self.now_ms()
        return ahead_ms if ahead_ms > STEP_IS_GAP_MS else 0

    def time_of(self, picture: Picture | CodedPicture) -> int | None:
        """Returns a picture's capture time, newer than any before; None while the buffer is ahead
        of this host's clock.
        """
        if isinstance(picture, Picture) and picture.captured_ms is not None:
            self._last_ms = max(self._last_ms + 1, picture.captured_ms)
            self.rate_ms = float(self._last_ms)
            return self._last_ms
        now = self._clock.monotonic()
        if not self._capture.ready(now):
            return None
        at_s = picture.source_s
        placed_s = self._spread.place(now) if at_s is None else self.timeline.place(now, at_s)
        stamp_ms = self._capture.stamp(placed_s)
        if isinstance(picture, Picture):
            self._count(stamp_ms, at_s)
        return stamp_ms

    def _count(self, stamp_ms: int, source_s: float | None) -> None:
        passed_ms = 0.0 if self._stamp_ms is None else float(stamp_ms - self._stamp_ms)
        if (
            source_s is not None
            and self._source_s is not None
            and 0 < source_s - self._source_s <= STEP_IS_GAP_S
        ):
            passed_ms = max(passed_ms, (source_s - self._source_s) * 1000)
        self._stamp_ms, self._source_s = stamp_ms, source_s
        self.rate_ms += passed_ms
