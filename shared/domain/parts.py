"""How a window is cut into parts, and what a part is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIN_PART_MS = 1_000


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


def pre_roll_delivered_ms(
    trigger_ms: int, requested_ms: int, first_frame_ms: int, continues_from_ms: int | None
) -> int:
    """Footage before the trigger, at most what was asked for; a neighbour that this segment continues counts too."""
    earliest = first_frame_ms if continues_from_ms is None else min(first_frame_ms, continues_from_ms)
    return max(0, min(requested_ms, trigger_ms - earliest))
