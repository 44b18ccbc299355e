"""The window machine: which stretches of a camera's time are recorded, and as which segments.

A window is [start, end). `step` takes the camera's live windows and one input and returns the
windows after it and the effects that make it so. Invariants, for any order of inputs: windows never
overlap, none is longer than the maximum, at most one is growing, and a detection whose footage the
buffer still has is covered from pre-roll to post-roll. Detections come late. If a window's latest
detection came 18 s late, the window closes 18 s after its end. So a slow reader gets the same
windows as a fast one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from shared.domain.gaps import GapCause
from shared.domain.windows import CameraWindows, Window

SLIVER_MS = 1_000
LONGEST_MISSED_MS = 3_600_000  # a segment of detections that came too late is no longer


@dataclass(frozen=True, slots=True)
class Detected:
    """An accepted detection. oldest_ms: the oldest frame in the buffer, None when it is empty.

    late_ms: how much newer the buffer's newest frame was when the detection came (see `lateness`).
    border_ms: when the camera's clips began to be made of something else; no window crosses it.
    """

    captured_ms: int
    buffer_ms: int
    post_event_ms: int
    max_segment_ms: int
    oldest_ms: int | None = None
    late_ms: int = 0
    border_ms: int | None = None

    @property
    def wanted(self) -> tuple[int, int]:
        """The footage that the detection asks for."""
        return self.captured_ms - self.buffer_ms, self.captured_ms + self.post_event_ms


@dataclass(frozen=True, slots=True)
class Reached:
    """The buffer holds everything before watermark_ms, or (silent) will get nothing more.

    still_ms: how long the watermark has not moved, as far as anybody looked. behind_ms: how late a
    detection may still come that was sent on time, because its readers are behind.
    """

    watermark_ms: int
    silent: bool = False
    still_ms: int = 0
    behind_ms: int = 0

    def ends(self, end_ms: int, late_ms: int) -> bool:
        """Returns whether a growing window is over: its footage has ended, and late detections have
        had their time.
        """
        footage_end_ms = min(end_ms, self.watermark_ms) if self.silent else end_ms
        passed_ms = self.watermark_ms + (self.still_ms if self.silent else 0) - footage_end_ms
        return passed_ms >= late_ms + self.behind_ms


@dataclass(frozen=True, slots=True)
class Stopped:
    """Somebody ends the open recording at now_ms."""

    now_ms: int


@dataclass(frozen=True, slots=True)
class Switched:
    """From border_ms on the camera's clips are made of something else."""

    border_ms: int


Input = Detected | Reached | Stopped | Switched


@dataclass(frozen=True, slots=True)
class Opened:
    """A new segment; born `finalizing` when its window is not growing."""

    window: Window
    trigger_ms: int
    continues: UUID | None


@dataclass(frozen=True, slots=True)
class Extended:
    """A growing segment's deadline moved."""

    segment_id: UUID
    end_ms: int


@dataclass(frozen=True, slots=True)
class Late:
    """A growing segment got a detection that came with more delay than those before."""

    segment_id: UUID
    late_ms: int


@dataclass(frozen=True, slots=True)
class Lengthened:
    """A fillable segment's window ends later; its new stretch can be planned at once."""

    segment_id: UUID
    end_ms: int
    late_ms: int


@dataclass(frozen=True, slots=True)
class Closed:
    """A segment's window is final; the rest of its parts can be planned. early: why it ends before
    its deadline.
    """

    segment_id: UUID
    end_ms: int
    early: GapCause | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """The detection's footage had left the buffer before the detection arrived, and no segment
    covers it.
    """

    start_ms: int
    end_ms: int


Effect = Opened | Extended | Late | Lengthened | Closed | Missed
Mint = Callable[[], UUID]


def step(
    state: CameraWindows, given: Input, mint: Mint
) -> tuple[CameraWindows, tuple[Effect, ...]]:
    """Apply one input; `mint` makes segment ids. Pure: the same arguments give the same answer."""
    match given:
        case Detected():
            return _detected(state, given, mint)
        case Reached():
            growing = state.growing
            if growing is None or not given.ends(growing.end_ms, growing.late_ms):
                return state, ()
            if growing.start_ms <= given.watermark_ms < growing.end_ms:
                # The footage ends here: a detection after the camera's return must not count as
                # covered.
                return _close(state, growing, given.watermark_ms + 1, GapCause.CAMERA_SILENT)
            return _close(state, growing, growing.end_ms)
        case Stopped(now_ms):
            growing = state.growing
            if growing is None:
                return state, ()
            return _close(state, growing, max(growing.start_ms + 1, min(growing.end_ms, now_ms)))
        case Switched(border_ms):
            return _split(state, border_ms, mint)


def lateness(captured_ms: int, newest_ms: int | None, most_ms: int) -> int:
    """Returns by how much (ms) the camera's newest frame is newer than the detection's, at most
    `most_ms`. Both times are the camera's, so no two clocks are compared. Frames that wait for late
    detections are held in the buffer, which is why there is a limit.
    """
    return 0 if newest_ms is None else max(0, min(newest_ms - captured_ms, most_ms))


def stretches_of(moments: Sequence[int], longest_ms: int) -> list[list[int]]:
    """Returns moments in as few groups as possible, in order of time; each group spans at most
    `longest_ms`.
    """
    groups: list[list[int]] = []
    for moment in sorted(moments):
        if not groups or moment - groups[-1][0] > longest_ms:
            groups.append([])
        groups[-1].append(moment)
    return groups


def _close(
    state: CameraWindows, window: Window, end_ms: int, early: GapCause | None = None
) -> tuple[CameraWindows, tuple[Effect, ...]]:
    closed = replace(window, end_ms=end_ms, growing=False)
    return state.with_(closed), (Closed(window.segment_id, end_ms, early),)


def _split(
    state: CameraWindows, border_ms: int, mint: Mint
) -> tuple[CameraWindows, tuple[Effect, ...]]:
    """End the growing window at the border, and go on with a new one."""
    growing = state.growing
    if growing is None or not growing.start_ms < border_ms < growing.end_ms:
        return state, ()
    state, effects = _close(state, growing, border_ms)
    rest = replace(growing, segment_id=mint(), start_ms=border_ms)
    if rest.end_ms - rest.start_ms < SLIVER_MS:
        return state, effects
    return state.with_(rest), (*effects, Opened(rest, border_ms, growing.segment_id))


def _detected(
    state: CameraWindows, given: Detected, mint: Mint
) -> tuple[CameraWindows, tuple[Effect, ...]]:
    start_ms, end_ms = given.wanted
    missing = list(state.uncovered(start_ms, end_ms))
    held = [(a, b) for a, b in missing if given.oldest_ms is None or b > given.oldest_ms]
    if missing and not held and not state.meeting(given.captured_ms, given.captured_ms + 1):
        return state, (Missed(start_ms, end_ms),)
    effects: list[Effect] = []
    for stretch in _at_border(held, given.border_ms):
        state, more = _record(state, stretch, given, mint)
        effects += more
    growing = state.growing
    if (
        growing is not None
        and growing.start_ms < end_ms
        and start_ms < growing.end_ms
        and growing.late_ms < given.late_ms
    ):
        state = state.with_(replace(growing, late_ms=given.late_ms))
        effects.append(Late(growing.segment_id, given.late_ms))
    return state, tuple(effects)


def _at_border(
    stretches: Iterable[tuple[int, int]], border_ms: int | None
) -> Iterator[tuple[int, int]]:
    """Yields the stretches, those that cross the border in two."""
    for start_ms, end_ms in stretches:
        if border_ms is not None and start_ms < border_ms < end_ms:
            yield start_ms, border_ms
            yield border_ms, end_ms
        else:
            yield start_ms, end_ms


def _record(
    state: CameraWindows, stretch: tuple[int, int], given: Detected, mint: Mint
) -> tuple[CameraWindows, list[Effect]]:
    """Cover one uncovered stretch: extend the growing window, or open segments of at most the
    maximum length.
    """
    start_ms, end_ms = stretch
    effects: list[Effect] = []
    growing = state.growing
    in_the_past = any(w.start_ms >= end_ms for w in state.windows)
    if growing is not None and not in_the_past:
        if growing.end_ms == start_ms != given.border_ms:
            reach = max(growing.end_ms, min(end_ms, growing.start_ms + given.max_segment_ms))
            if reach > growing.end_ms:
                growing = replace(growing, end_ms=reach)
                state = state.with_(growing)
                effects.append(Extended(growing.segment_id, reach))
            start_ms = reach
        if start_ms == end_ms or _is_sliver(state, start_ms, end_ms, given.captured_ms):
            return state, effects
        state, closed = _close(state, growing, growing.end_ms)
        effects += closed
    elif _is_sliver(state, start_ms, end_ms, given.captured_ms):
        return state, effects
    elif in_the_past:
        state, lengthened = _lengthen(state, stretch, given)
        effects += lengthened
        start_ms = lengthened[0].end_ms if lengthened else start_ms
    while start_ms < end_ms:
        stop_ms = min(end_ms, start_ms + given.max_segment_ms)
        last = stop_ms == end_ms
        window = Window(
            mint(),
            start_ms,
            stop_ms,
            growing=last and not in_the_past,
            late_ms=given.late_ms,
            fillable=last and in_the_past and given.late_ms > 0,
        )
        before = next((w.segment_id for w in state.windows if w.end_ms == start_ms), None)
        state = state.with_(window)
        effects.append(Opened(window, given.captured_ms, before))
        start_ms = stop_ms
    return state, effects


def _lengthen(
    state: CameraWindows, stretch: tuple[int, int], given: Detected
) -> tuple[CameraWindows, list[Lengthened]]:
    """Give a stretch to the fillable window before it, as far as the maximum allows, and never
    over the border.
    """
    start_ms, end_ms = stretch
    if start_ms == given.border_ms:
        return state, []
    window = next((w for w in state.windows if w.end_ms == start_ms and w.fillable), None)
    if window is None:
        return state, []
    reach_ms = min(end_ms, window.start_ms + given.max_segment_ms)
    if reach_ms <= start_ms:
        return state, []
    late_ms = max(window.late_ms, given.late_ms)
    state = state.with_(replace(window, end_ms=reach_ms, late_ms=late_ms))
    return state, [Lengthened(window.segment_id, reach_ms, late_ms)]


def _is_sliver(state: CameraWindows, start_ms: int, end_ms: int, captured_ms: int) -> bool:
    """Returns whether a stretch is not worth a clip: under a second, beside other footage, without
    the detection's own moment. Without this rule, detections out of order would open segments of a
    few milliseconds with one frame or none.
    """
    touches = any(
        start_ms == window.end_ms or window.start_ms == end_ms for window in state.windows
    )
    return touches and end_ms - start_ms < SLIVER_MS and not start_ms <= captured_ms < end_ms
