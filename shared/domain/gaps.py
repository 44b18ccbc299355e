"""What a finished part says of the frames it holds, and which frames a window lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from shared.domain.media import FrameMark
from shared.domain.parts import Packet
from shared.domain.strips import Sheet
from shared.domain.timing import from_ms

FREEZE_MS = 2_000


class GapCause(StrEnum):
    """Why frames are missing (docs/reliability.md has them for operators)."""

    # lost between camera and buffer; the frame counter has a hole, so the count is exact
    DROPPED = "dropped"
    # capture or the camera began anew; counted by the clock
    CAPTURE_INTERRUPTED = "capture_interrupted"
    CAMERA_SILENT = "camera_silent"  # the camera delivered nothing; no frame counts as lost
    # the camera delivered nothing before; no frame counts as lost
    CAMERA_STARTED = "camera_started"
    BUFFER_EXPIRED = "buffer_expired"  # the frames had left the buffer before a writer read them
    BAD_FRAME = "bad_frame"  # a picture that does not decode
    WRITER_FAILED = "writer_failed"  # all attempts at a part failed
    PART_LOST = "part_lost"  # the store lost a part before it was joined
    ABANDONED = "abandoned"  # a check ended a recording that nobody went on with
    NO_KEYFRAME = "no_keyframe"  # copied packets that no keyframe leads to

    @classmethod
    def _missing_(cls, value: object) -> GapCause | None:
        """A word of a newer version keeps its name, so that its row can be read like any other."""
        if not isinstance(value, str):
            return None
        other = str.__new__(cls, value)
        other._name_, other._value_ = value.upper(), value
        return other


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that should be in a stretch and are not; `estimated` when they could only be counted
    by the clock.

    detail: what the camera's capture said of it, where that is known.
    """

    from_ms: int
    to_ms: int
    frames: int
    cause: GapCause
    estimated: bool = False
    detail: str = ""

    @property
    def from_time(self) -> datetime:
        """`from_ms` as a time in UTC."""
        return from_ms(self.from_ms)

    @property
    def to_time(self) -> datetime:
        """`to_ms` as a time in UTC."""
        return from_ms(self.to_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFacts:
    """What is known of a finished part. index: its packets in decode order.

    first, last: the marks of the first and last frame that were read from the buffer; before,
    after: of the frames around them, None where there was none. gaps: missing frames inside.
    size_bytes: of its object: the packets, and behind them the JPEG of its sheet, where it has one.
    silence: for a part without frames of a camera that had delivered none: what capture said of the
    camera; otherwise None.
    """

    index: tuple[Packet, ...]
    before: FrameMark | None
    first: FrameMark | None
    last: FrameMark | None
    gaps: tuple[Gap, ...]
    size_bytes: int
    parameters_sha256: str
    thumbnail: bytes | None = None
    after: FrameMark | None = None
    silence: str | None = None
    sheet: Sheet | None = None

    @property
    def packets_bytes(self) -> int:
        """How many bytes of its object the packets are."""
        return self.size_bytes - (0 if self.sheet is None else self.sheet.size_bytes)

    @property
    def trimmed(self) -> bool:
        """Whether frames before the first one had left the buffer before they were read."""
        if self.before is not None or self.silence is not None:
            return False
        return self.first is None or self.first.counter > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPart:
    """A part as finalise sees it. `object_key` and `facts` are None for a part that was given up;
    `error` says why.
    """

    part_id: UUID
    number: int
    start_ms: int
    end_ms: int
    object_key: str | None
    facts: PartFacts | None
    error: GapCause | None = None


def never_delivered(after: FrameMark | None, state: Mapping[str, str], start_ms: int) -> bool:
    """Returns whether a camera had delivered no frame since a part's start.

    The buffer has nothing of the part's time. after: the buffer's first frame; a run that begins
    with it has lost none. state: what capture says of the camera; `last_ms` is the newest frame
    that it ever captured.
    """
    if after is not None:
        return after.counter == 0
    if "last_ms" in state:
        return int(state["last_ms"]) < start_ms
    return int(state.get("frames", 0)) == 0


def follows(before: FrameMark, after: FrameMark) -> bool:
    """Returns whether no frame is missing between two."""
    return before.run_id == after.run_id and after.counter == before.counter + 1


def gap_between(before: FrameMark, after: FrameMark, fps: float) -> Gap | None:
    """Returns what was lost between two neighbours in the buffer; None where nothing was.

    Within a run the counter is exact; between runs the clock estimates. A long silence without a
    hole in the counter is a camera that delivered nothing: no frame was lost, but a viewer should
    know.
    """
    silence_ms = after.captured_ms - before.captured_ms
    if before.run_id == after.run_id:
        lost = after.counter - before.counter - 1
        if lost > 0:
            return Gap(before.captured_ms, after.captured_ms, lost, GapCause.DROPPED)
        if silence_ms > FREEZE_MS:
            return Gap(before.captured_ms, after.captured_ms, 0, GapCause.CAMERA_SILENT)
        return None
    lost = max(0, round(silence_ms * fps / 1000) - 1)
    if lost == 0:
        return None
    return Gap(
        before.captured_ms, after.captured_ms, lost, GapCause.CAPTURE_INTERRUPTED, estimated=True
    )


def gaps_of(
    parts: Sequence[StoredPart], start_ms: int, deadline_ms: int, fps: float
) -> tuple[Gap, ...]:
    """Returns everything that a window lacks: inside its parts, between them, before the first
    frame, after the last.
    """
    gaps: list[Gap] = []
    previous: FrameMark | None = None
    cause: GapCause | None = None
    for part in parts:
        facts = part.facts
        if facts is None:
            cause = part.error or GapCause.WRITER_FAILED
        elif facts.first is None or facts.last is None:
            gaps += facts.gaps
            cause = cause or (GapCause.BUFFER_EXPIRED if facts.trimmed else None)
        else:
            between = (
                _head(facts, start_ms, fps, cause)
                if previous is None
                else gap_between(previous, facts.first, fps)
            )
            if between is not None:
                told = cause or (
                    GapCause.BUFFER_EXPIRED if facts.trimmed and previous is not None else None
                )
                gaps.append(between if told is None else replace(between, cause=told))
            gaps += facts.gaps
            previous, cause = facts.last, None
    return (
        *gaps,
        *_tail(
            parts=parts,
            previous=previous,
            cause=cause,
            start_ms=start_ms,
            deadline_ms=deadline_ms,
            fps=fps,
        ),
    )


def _head(facts: PartFacts, start_ms: int, fps: float, cause: GapCause | None) -> Gap | None:
    """Returns what is missing between a window's start and its first frame; cause: why earlier
    parts have no frames.
    """
    first, before = facts.first, facts.before
    if first is None:
        return None
    missing = int((first.captured_ms - start_ms) * fps / 1000)
    if cause is not None:
        return Gap(start_ms, first.captured_ms, missing, cause, estimated=True)
    if before is not None:
        between = gap_between(before, first, fps)
        if between is None:
            return None
        if before.captured_ms >= start_ms - round(1000 / fps):
            return between
        if not between.frames:  # the camera was silent: of what it did not send nothing is missing
            return Gap(start_ms, first.captured_ms, 0, between.cause)
        return Gap(start_ms, first.captured_ms, missing, between.cause, estimated=True)
    if missing == 0:
        return None
    if facts.trimmed:
        return Gap(start_ms, first.captured_ms, missing, GapCause.BUFFER_EXPIRED, estimated=True)
    return Gap(start_ms, first.captured_ms, 0, GapCause.CAMERA_STARTED)


def _tail(
    parts: Sequence[StoredPart],
    previous: FrameMark | None,
    cause: GapCause | None,
    start_ms: int,
    deadline_ms: int,
    fps: float,
) -> list[Gap]:
    """Returns what is missing after a window's last frame, or in all of it.

    The first frame after the window decides.
    """
    since = start_ms if previous is None else previous.captured_ms
    if cause is not None:
        return [Gap(since, deadline_ms, _estimate(since, deadline_ms, fps), cause, estimated=True)]
    outside = (parts[0].facts, parts[-1].facts) if parts else (None, None)
    before = previous if previous is not None or outside[0] is None else outside[0].before
    after = None if outside[1] is None else outside[1].after
    between = None if before is None or after is None else gap_between(before, after, fps)
    if between is None or between.frames == 0:
        silent = previous is None or deadline_ms - since > FREEZE_MS
        told = next(
            (part.facts.silence for part in reversed(parts) if part.facts and part.facts.silence),
            "",
        )
        return [Gap(since, deadline_ms, 0, GapCause.CAMERA_SILENT, detail=told)] if silent else []
    if previous is not None and between.to_ms - deadline_ms <= 1000 / fps:
        return [replace(between, to_ms=deadline_ms)]
    frames = min(between.frames, _estimate(since, deadline_ms, fps))
    return [Gap(since, deadline_ms, frames, between.cause, estimated=True)] if frames else []


def _estimate(from_ms: int, to_ms: int, fps: float) -> int:
    """Returns how many frames fit strictly between two moments."""
    return max(0, round((to_ms - from_ms) * fps / 1000) - 1)
