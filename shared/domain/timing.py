"""Capture time: strictly increasing whatever clocks do, and thinned to a frame rate without drift.

All times are whole milliseconds since 1970 UTC. Clocks are arguments; nothing here reads one.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP_IS_GAP_MS = 2_000
DECAY_MS_PER_SECOND = 10
RUN_OFF_MS = 5_000  # a detection further ahead of now is refused


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime; a naive one is a programming error."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone has no place on the time line")
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """The UTC datetime of `ms`, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=ms)


class CaptureClock:
    """Maps a monotonic clock to capture time; owned by one camera's capture run.

    The wall clock is read once, when the run starts. If the camera's newest frame is ahead of that (the last owner's
    clock ran fast), the run goes on from there and lets the lead decay by at most 10 ms a second; a lead of more than
    2 s is not carried: the caller's frames are refused until the clock has caught up (see `ready`).
    """

    def __init__(self, wall_ms: int, monotonic_s: float, last_id_ms: int | None = None) -> None:
        self._wall_ms = wall_ms
        self._anchor_s = monotonic_s
        lead = 0 if last_id_ms is None else last_id_ms + 1 - wall_ms
        self._lead_ms = max(0, lead)
        self._last_ms = last_id_ms if last_id_ms is not None else -1

    @property
    def last_ms(self) -> int:
        """The newest capture time handed out, or the one the run went on from."""
        return self._last_ms

    def wall_ms(self, monotonic_s: float) -> int:
        """Wall time of a monotonic moment, by this run's anchor."""
        return self._wall_ms + round((monotonic_s - self._anchor_s) * 1000)

    def ready(self, monotonic_s: float) -> bool:
        """False while the newest frame lies further ahead than a step that may be smoothed away."""
        return self._last_ms - self.wall_ms(monotonic_s) <= STEP_IS_GAP_MS

    def stamp(self, monotonic_s: float) -> int:
        """Capture time of a frame seen at `monotonic_s`; always newer than the last one."""
        elapsed = max(0.0, monotonic_s - self._anchor_s)
        lead = max(0, self._lead_ms - int(elapsed * DECAY_MS_PER_SECOND))
        if lead > STEP_IS_GAP_MS:
            lead = 0
        self._last_ms = max(self._last_ms + 1, self.wall_ms(monotonic_s) + lead)
        return self._last_ms


def run_is_wrong(run_ms: float, wall_ms: float, server_ms: float) -> bool:
    """Whether a run's clock should begin anew: the host's and the server's agree with each other, and not with it.

    A run ignores steps of its host's clock. One that began while that clock was wrong would keep the error for as long
    as the camera stays connected; of two clocks that disagree nobody can say which is right.
    """
    return abs(wall_ms - server_ms) <= STEP_IS_GAP_MS and abs(run_ms - server_ms) > RUN_OFF_MS


class SourceTimeline:
    """Places a source's own timestamps on the monotonic clock, so that a late or bursty arrival does not move a frame.

    A frame cannot arrive before it was taken, so the least delay seen so far is the best guess of the source's clock;
    the guess may rise by a thousandth of the time passed, which follows any real clock's drift. A frame later than
    `patience_s` means the source's time has jumped (a restarted encoder): the timeline is anchored anew.
    """

    DRIFT = 0.001

    def __init__(self, patience_s: float = 5.0) -> None:
        self._patience_s = patience_s
        self._offset_s: float | None = None
        self._seen_s = 0.0

    def place(self, arrival_s: float, source_s: float | None) -> float:
        """The monotonic moment at which the frame was captured; arrival where the source has no time."""
        if source_s is None:
            return arrival_s
        offset_s = arrival_s - source_s
        if self._offset_s is not None and offset_s - self._offset_s <= self._patience_s:
            risen = self._offset_s + (arrival_s - self._seen_s) * self.DRIFT
            offset_s = min(offset_s, risen)
        self._offset_s, self._seen_s = offset_s, arrival_s
        return source_s + offset_s


class RateLimit:
    """Thins frames to at most `fps` without dropping any from a camera that already keeps to it."""

    def __init__(self, fps: float) -> None:
        self._interval_ms = 1000 / fps
        self._next_ms: float | None = None

    def take(self, captured_ms: float) -> bool:
        """True when the frame belongs to the thinned stream. Half an interval of jitter is tolerated."""
        if self._next_ms is None or captured_ms - self._next_ms > STEP_IS_GAP_MS:
            self._next_ms = captured_ms + self._interval_ms
            return True
        if captured_ms + self._interval_ms / 2 < self._next_ms:
            return False
        self._next_ms += self._interval_ms
        if self._next_ms < captured_ms:
            self._next_ms = captured_ms + self._interval_ms
        return True
