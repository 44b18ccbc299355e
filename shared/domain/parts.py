"""How a window is cut into parts, and what a part tells about the frames it holds and lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from shared.domain.media import FrameMark

MIN_PART_MS = 1_000
FREEZE_MS = 2_000


def next_part_end(covered_to_ms: int, deadline_ms: int, part_ms: int) -> int | None:
    """End of the next part of a growing window, or None while only its tail of about a second is left.

    The tail is kept back because the deadline may still move; it is planned by the transaction that closes the window.
    """
    end = min(covered_to_ms + part_ms, deadline_ms - MIN_PART_MS)
    return end if end - covered_to_ms >= MIN_PART_MS else None


def parts_passed(
    covered_to_ms: int, deadline_ms: int, part_ms: int, watermark_ms: int, late_ms: int = 0
) -> Iterator[tuple[int, int]]:
    """Parts of a growing window that the buffer has passed, in order.

    A part that is not full ends where the window does now. It waits until late detections have had their time to move
    that end: with each of them a second later, it would be a part a second.
    """
    start = covered_to_ms
    while (end := next_part_end(start, deadline_ms, part_ms)) is not None:
        if end > watermark_ms - (late_ms if end - start < part_ms else 0):
            return
        yield start, end
        start = end


def closing_parts(covered_to_ms: int, deadline_ms: int, part_ms: int) -> Iterator[tuple[int, int]]:
    """All parts that are still missing from a closed window; no last part of under a second beside a full one."""
    start = covered_to_ms
    while start < deadline_ms:
        end = min(start + part_ms, deadline_ms)
        if 0 < deadline_ms - end < MIN_PART_MS:
            end = deadline_ms
        yield start, end
        start = end


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture in a part: presentation time (ms after the part's start), bytes, whether it is a keyframe.

    lead: copied from before the part's start, because what follows is decoded from it.
    """

    pts_ms: int
    size: int
    keyframe: bool
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Frames that should be in a stretch and are not; `estimated` when they could only be counted by the clock.

    detail: what the camera's capture said of it, where that is known.
    """

    from_ms: int
    to_ms: int
    frames: int
    cause: str
    estimated: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ClipForm:
    """What all parts of a clip share, fixed by the first that is written: size in pixels, and the encoder's name.

    aspect: a pixel's width to its height; (2, 1) is shown twice as wide as it is coded.
    """

    width: int
    height: int
    encoder: str
    aspect: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """Packets in decode order, their index, and a hash of the parameters that all parts of a clip must share.

    thumbnail: a small JPEG, where one was asked for.
    """

    data: bytes
    index: tuple[Packet, ...]
    parameters_sha256: str
    thumbnail: bytes | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One part to join: its start (ms since 1970), packets (or the file that holds them) and index.

    continues: whether the piece before it ends where this one starts, with no packet lost in between.
    skipped_bytes: of the packets, what stands before the index's first.
    """

    start_ms: int
    data: bytes | Path
    index: tuple[Packet, ...]
    continues: bool = True
    skipped_bytes: int = 0

    def packets(self) -> bytes:
        """The bytes of the index's packets; of a file they are read anew, so that nobody need hold a whole clip."""
        data = self.data if isinstance(self.data, bytes) else self.data.read_bytes()
        return data[self.skipped_bytes :] if self.skipped_bytes else data


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a clip for a player: the header that all its fragments share, and its own media."""

    header: bytes
    media: bytes


@dataclass(frozen=True, slots=True)
class Joined:
    """First frame's capture time, duration and number of frames of a finished clip."""

    first_frame_ms: int
    duration_ms: int
    frame_count: int


@dataclass(frozen=True, slots=True)
class PartFacts:
    """What a finished part says of itself.

    Its index in decode order, the first and last frame taken from the buffer, the last frame before it, gaps inside,
    and the first frame after it (None when there was none yet, or no more). silence: of a part without a frame in the
    buffer, that the camera had delivered none, with what was said of it; None when it may have.
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

    @property
    def trimmed(self) -> bool:
        """True when frames before the first one had left the buffer before they were read."""
        if self.before is not None or self.silence is not None:
            return False
        return self.first is None or self.first.counter > 0


@dataclass(frozen=True, slots=True)
class StoredPart:
    """A part as finalise sees it; `object_key` and `facts` are None for a part that was given up."""

    part_id: UUID
    number: int
    start_ms: int
    end_ms: int
    object_key: str | None
    facts: PartFacts | None
    error: str | None = None


def never_delivered(after: FrameMark | None, state: Mapping[str, str], start_ms: int) -> bool:
    """Whether a camera of which the buffer has nothing up to a part's end had delivered nothing since its start.

    after: the buffer's first frame; a run that begins with it has lost none before. state: what capture says of the
    camera, `last_ms` being the newest frame it ever captured; a camera of which nothing is said has nobody who captures
    it.
    """
    if after is not None:
        return after.counter == 0
    if "last_ms" in state:
        return int(state["last_ms"]) < start_ms
    return int(state.get("frames", 0)) == 0


def follows(before: FrameMark, after: FrameMark) -> bool:
    """Whether no frame is missing between two."""
    return before.run_id == after.run_id and after.counter == before.counter + 1


def gap_between(before: FrameMark, after: FrameMark, fps: float) -> Gap | None:
    """What was lost between two frames that follow each other in the buffer.

    Within a run the counter tells exactly; between runs the clock estimates it. A long silence without a hole in the
    counter is a camera that delivered nothing: no frame was lost, but a viewer should know.
    """
    silence_ms = after.captured_ms - before.captured_ms
    if before.run_id == after.run_id:
        lost = after.counter - before.counter - 1
        if lost > 0:
            return Gap(before.captured_ms, after.captured_ms, lost, "dropped")
        if silence_ms > FREEZE_MS:
            return Gap(before.captured_ms, after.captured_ms, 0, "camera_silent")
        return None
    lost = max(0, round(silence_ms * fps / 1000) - 1)
    if lost == 0:
        return None
    return Gap(before.captured_ms, after.captured_ms, lost, "capture_interrupted", estimated=True)


def gaps_of(parts: Sequence[StoredPart], start_ms: int, deadline_ms: int, fps: float) -> tuple[Gap, ...]:
    """Everything a window lacks: inside its parts, between them, before the first frame and after the last."""
    gaps: list[Gap] = []
    previous: FrameMark | None = None
    cause: str | None = None
    for part in parts:
        facts = part.facts
        if facts is None:
            cause = part.error or "writer_failed"
        elif facts.first is None or facts.last is None:
            gaps += facts.gaps
            cause = cause or ("buffer_expired" if facts.trimmed else None)
        else:
            between = (
                _head(facts, start_ms, fps, cause) if previous is None else gap_between(previous, facts.first, fps)
            )
            if between is not None:
                told = cause or ("buffer_expired" if facts.trimmed and previous is not None else None)
                gaps.append(between if told is None else replace(between, cause=told))
            gaps += facts.gaps
            previous, cause = facts.last, None
    return (*gaps, *_tail(parts, previous, cause, start_ms, deadline_ms, fps))


def _head(facts: PartFacts, start_ms: int, fps: float, cause: str | None) -> Gap | None:
    """What is missing between a window's start and its first frame; cause: why earlier parts have none, if they do."""
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
        return Gap(start_ms, first.captured_ms, missing, "buffer_expired", estimated=True)
    return Gap(start_ms, first.captured_ms, 0, "camera_started")


def _tail(
    parts: Sequence[StoredPart],
    previous: FrameMark | None,
    cause: str | None,
    start_ms: int,
    deadline_ms: int,
    fps: float,
) -> list[Gap]:
    """What is missing after a window's last frame, or all of it. The first frame after the window tells."""
    since = start_ms if previous is None else previous.captured_ms
    if cause is not None:
        return [Gap(since, deadline_ms, _estimate(since, deadline_ms, fps), cause, estimated=True)]
    outside = (parts[0].facts, parts[-1].facts) if parts else (None, None)
    before = previous if previous is not None or outside[0] is None else outside[0].before
    after = None if outside[1] is None else outside[1].after
    between = None if before is None or after is None else gap_between(before, after, fps)
    if between is None or between.frames == 0:
        silent = previous is None or deadline_ms - since > FREEZE_MS
        told = next((part.facts.silence for part in reversed(parts) if part.facts and part.facts.silence), "")
        return [Gap(since, deadline_ms, 0, "camera_silent", detail=told)] if silent else []
    if previous is not None and between.to_ms - deadline_ms <= 1000 / fps:
        return [replace(between, to_ms=deadline_ms)]
    frames = min(between.frames, _estimate(since, deadline_ms, fps))
    return [Gap(since, deadline_ms, frames, between.cause, estimated=True)] if frames else []


def _estimate(from_ms: int, to_ms: int, fps: float) -> int:
    """Frames that fit strictly between two moments."""
    return max(0, round((to_ms - from_ms) * fps / 1000) - 1)


def pre_roll_delivered_ms(
    trigger_ms: int, requested_ms: int, first_frame_ms: int, continues_from_ms: int | None
) -> int:
    """Footage before the trigger, at most what was asked for; a neighbour that this segment continues counts too."""
    earliest = first_frame_ms if continues_from_ms is None else min(first_frame_ms, continues_from_ms)
    return max(0, min(requested_ms, trigger_ms - earliest))
