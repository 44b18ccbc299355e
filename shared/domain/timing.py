"""Capture time: strictly increasing whatever clocks do, and thinned to a frame rate without drift.

All times are whole milliseconds since 1970 UTC. Clocks are arguments; nothing here reads one.
"""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime, timedelta
from enum import StrEnum

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STEP_IS_GAP_MS = 2_000
DECAY_MS_PER_SECOND = 10
RUN_OFF_MS = 5_000  # a detection further ahead of now is refused


def to_ms(moment: datetime) -> int:
    """Returns milliseconds since 1970 of an aware datetime. A naive one is a programming error."""
    if moment.tzinfo is None:
        raise ValueError("a datetime needs a time zone")
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_ms(ms: int) -> datetime:
    """Returns the UTC datetime of `ms`, exact to the millisecond."""
    return EPOCH + timedelta(milliseconds=ms)


class CaptureClock:
    """Maps a monotonic clock to capture time; owned by one camera's capture run.

    The wall clock is read once, when the run starts. If the camera's newest frame is ahead of that
    (the last owner's clock ran fast), the run goes on from there and lets the lead decay by at most
    10 ms a second; a lead of more than 2 s is not carried: the caller's frames are refused until
    the clock has caught up (see `ready`).
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
    """Returns whether a run's clock should begin anew: the clocks of host and server agree, and the
    run's differs. A run ignores steps of its host's clock. A run that began while that clock was
    wrong would keep the error as long as the camera stays connected. Of two clocks that disagree
    nobody can say which is right.
    """
    return abs(wall_ms - server_ms) <= STEP_IS_GAP_MS and abs(run_ms - server_ms) > RUN_OFF_MS


class SourceTimeline:
    """Places a source's own timestamps on the monotonic clock, so that a late or bursty arrival
    does not move a frame.

    A frame cannot arrive before it was taken, so the least delay seen so far is the best guess of
    the source's clock; the guess may rise by a thousandth of the time passed, which follows any
    real clock's drift.

    A source's time may step (a sender report, an encoder that stalled or was restarted). A step
    that arrival does not share anchors the timeline anew: one forward at once, for its frame would
    arrive before it was taken; one back at once where the source's own time goes back. Otherwise
    frames that are more than a second late are taken for a network that is behind, until they have
    not caught up for two seconds after a pause, or for half a minute where they have fallen behind
    little by little.
    """

    DRIFT = 0.001
    STEP_S = 1.0
    SETTLE_S, SETTLE_SLOWLY_S, PROGRESS_S = 2.0, 30.0, 0.2

    def __init__(self) -> None:
        self.steps = 0
        self._offset_s: float | None = None
        self._seen_s = self._source_s = self._raw_s = 0.0
        # since when no frame came nearer, and how late that one was
        self._late: tuple[float, float] | None = None
        self._settle_s = self.SETTLE_S

    def place(self, arrival_s: float, source_s: float | None) -> float:
        """The monotonic moment at which the frame was captured; arrival where the source has no
        time.

        Never later than arrival. `steps` counts the anchors that were given up.
        """
        if source_s is None:
            return arrival_s
        raw_s = arrival_s - source_s
        if self._offset_s is not None:
            raw_s = self._judge(
                arrival_s, source_s, self._offset_s + (arrival_s - self._seen_s) * self.DRIFT
            )
        self._offset_s, self._seen_s, self._source_s, self._raw_s = (
            raw_s,
            arrival_s,
            source_s,
            arrival_s - source_s,
        )
        return source_s + raw_s

    def _judge(self, arrival_s: float, source_s: float, least_s: float) -> float:
        """The offset to go by: the least so far, or the frame's own where the source's time has
        stepped.
        """
        raw_s = arrival_s - source_s
        late_s = raw_s - least_s
        if late_s <= self.STEP_S:
            self._late = None
            self.steps += late_s < -self.STEP_S and self._raw_s - raw_s > self.STEP_S
            return min(raw_s, least_s)
        if raw_s - self._raw_s > self.STEP_S:
            self._settle_s = self.SETTLE_S
        elif self._late is None:
            self._settle_s = self.SETTLE_SLOWLY_S
        if source_s > self._source_s and not self._stuck(arrival_s, late_s):
            return least_s
        self._late = None
        self.steps += 1
        return raw_s

    def _stuck(self, arrival_s: float, late_s: float) -> bool:
        """Whether frames stay late, as those behind a stall of the network do not."""
        if self._late is None or late_s < self._late[1] - self.PROGRESS_S:
            self._late = (arrival_s, late_s)
        return arrival_s - self._late[0] > self._settle_s


class FilmTime:
    """When the pictures of a film are due, in seconds from 0 on, whatever its own times begin with
    and jump to.

    step_s: the usual time between two pictures, None where the film does not say.
    """

    JUMP_S, UNUSUAL, UNKNOWN_JUMP_S = 2.0, 3.0, 10.0

    def __init__(self, step_s: float | None) -> None:
        self._step_s = step_s
        self._due_s: float | None = None
        self._source_s: float | None = None

    def place(self, source_s: float | None) -> float | None:
        """When a picture is due; None when neither its own time nor the film's rate tells."""
        passed_s = self._passed(source_s)
        if passed_s is None:
            return None
        self._source_s = source_s
        self._due_s = passed_s if self._due_s is None else self._due_s + passed_s
        return self._due_s

    def again(self) -> None:
        """The film begins anew: its first picture is due a usual step after the last."""
        self._source_s = None

    def _passed(self, source_s: float | None) -> float | None:
        if self._due_s is None:
            return None if source_s is None and self._step_s is None else 0.0
        if source_s is None or self._source_s is None:
            return self._step_s if source_s is None else self._step_s or 0.04
        passed_s = source_s - self._source_s
        longest_s = (
            self.UNKNOWN_JUMP_S
            if self._step_s is None
            else max(self.JUMP_S, self._step_s * self.UNUSUAL)
        )
        if not 0 <= passed_s <= longest_s:
            return self._step_s or 0.04
        if passed_s:
            self._step_s = passed_s
        return passed_s


class BurstSpread:
    """Places pictures without a time of their own that come in bursts, as over Wi-Fi: ten at once,
    once a second.

    From the beginnings of the bursts of the last seconds follows how often the camera takes a
    picture, and a picture is placed that long after the one before it, never later than it arrived.
    Where pictures do not come in bursts, arrival counts as it is.
    """

    WINDOW_S, LONGEST_S = 6.0, 2.0
    BURSTS, PICTURES, PAUSE = 3, 3, 2.5

    def __init__(self) -> None:
        self._number = 0
        self._seen: deque[tuple[int, float]] = deque()
        self._begun: deque[tuple[int, float]] = deque()  # the first pictures of bursts

    def place(self, arrival_s: float) -> float:
        """The monotonic moment at which the picture was taken, as far as can be told."""
        self._number += 1
        for kept in (self._seen, self._begun):
            while kept and arrival_s - kept[0][1] > self.WINDOW_S:
                kept.popleft()
        if len(self._seen) > 1:
            usual_s = (self._seen[-1][1] - self._seen[0][1]) / (len(self._seen) - 1)
            if arrival_s - self._seen[-1][1] > usual_s * self.PAUSE:
                self._begun.append((self._number, arrival_s))
        self._seen.append((self._number, arrival_s))
        bursts = len(self._begun) - 1
        if (
            bursts + 1 < self.BURSTS
            or self._begun[-1][0] - self._begun[0][0] < self.PICTURES * bursts
        ):
            return arrival_s
        since, since_s = self._begun[0]
        usual_s = (self._begun[-1][1] - since_s) / (self._begun[-1][0] - since)
        after = (
            at_s + (self._number - number) * usual_s
            for number, at_s in self._seen
            if number >= since
        )
        return max(min(after), arrival_s - self.LONGEST_S)


class Verdict(StrEnum):
    """What becomes of a frame of a thinned stream."""

    KEPT = "kept"
    THINNED = "thinned"  # the camera sends more than is wanted
    LOST = "lost"  # the camera sends less than is wanted, but at once


class RateLimit:
    """Thins frames to at most `fps` without dropping any from a camera that already keeps to it.

    What a camera did not use in the last two seconds it may use at once: pictures that come in
    bursts are kept. A pause longer than that leaves more in a burst than may be kept; those count
    as lost.
    """

    BUDGET_MS, BURST_MS, LONGEST_PAUSE_MS = 2_000, 250, 10_000

    def __init__(self, fps: float) -> None:
        self._interval_ms = 1000 / fps
        self._next_ms: float | None = None
        self._before_ms = 0.0
        self._unused_ms = self._burst_until_ms = 0.0

    def take(self, captured_ms: float) -> Verdict:
        """Whether the frame belongs to the thinned stream. Half an interval of jitter is
        tolerated.
        """
        earliest_ms = captured_ms - self.BUDGET_MS
        next_ms = earliest_ms if self._next_ms is None else self._next_ms
        if next_ms < earliest_ms:
            self._unused_ms = min(earliest_ms - next_ms, self.LONGEST_PAUSE_MS)
            self._burst_until_ms = captured_ms + self.BURST_MS
            next_ms = earliest_ms
        if captured_ms + self._interval_ms / 2 < next_ms:
            if captured_ms > self._burst_until_ms or self._unused_ms < self._interval_ms:
                return Verdict.THINNED
            self._unused_ms -= self._interval_ms
            return Verdict.LOST
        self._before_ms, self._next_ms = next_ms, next_ms + self._interval_ms
        return Verdict.KEPT

    def give_back(self) -> None:
        """The frame that was kept last is of no use: the next may have its place."""
        self._next_ms = self._before_ms
