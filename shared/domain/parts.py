"""How a window is cut into parts, and what a part is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.domain.strips import Sheet

MIN_PART_MS = 1_000


def next_part_end(covered_to_ms: int, deadline_ms: int, part_ms: int) -> int | None:
    """Returns the end of a growing window's next part; None while only a tail of about a second is
    left. The tail waits because the deadline may still move; the transaction that closes the window
    plans it.
    """
    end = min(covered_to_ms + part_ms, deadline_ms - MIN_PART_MS)
    return end if end - covered_to_ms >= MIN_PART_MS else None


def parts_passed(
    covered_to_ms: int, deadline_ms: int, part_ms: int, watermark_ms: int, late_ms: int = 0
) -> Iterator[tuple[int, int]]:
    """Yields the parts of a growing window that the buffer has passed, in order.

    A part that is not full ends where the window ends now. It waits until late detections have had
    time to move that end; otherwise each detection that moved it by a second would make a part of a
    second.
    """
    start = covered_to_ms
    while (end := next_part_end(start, deadline_ms, part_ms)) is not None:
        if end > watermark_ms - (late_ms if end - start < part_ms else 0):
            return
        yield start, end
        start = end


def closing_parts(covered_to_ms: int, deadline_ms: int, part_ms: int) -> Iterator[tuple[int, int]]:
    """Yields all parts that a closed window still lacks.

    No last part is shorter than a second beside a full one.
    """
    start = covered_to_ms
    while start < deadline_ms:
        end = min(start + part_ms, deadline_ms)
        if 0 < deadline_ms - end < MIN_PART_MS:
            end = deadline_ms
        yield start, end
        start = end


@dataclass(frozen=True, slots=True)
class Packet:
    """One encoded picture of a part: presentation time (ms after the part's start), bytes, keyframe
    or not. lead: the packet was copied from before the part's start, because the part is decoded
    from it.
    """

    pts_ms: int
    size: int
    keyframe: bool
    lead: bool = False


@dataclass(frozen=True, slots=True)
class ClipForm:
    """What all parts of a clip share, fixed by its first part: size in pixels and the encoder's
    name. aspect: a pixel's width to its height; (2, 1) is shown twice as wide as it is coded.
    """

    width: int
    height: int
    encoder: str
    aspect: tuple[int, int] = (1, 1)


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """Packets in decode order, their index, and a hash of the parameters that all parts of a clip
    share. thumbnail: a small JPEG, where one was asked for. sheet: likewise, with its JPEG.
    """

    data: bytes
    index: tuple[Packet, ...]
    parameters_sha256: str
    thumbnail: bytes | None = None
    sheet: tuple[Sheet, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """One part to join: its start (ms since 1970), its packets or the file with them, and their
    index. What stands behind the packets is no part of them. continues: whether the piece before
    ends where this one starts, with no packet lost. skipped_bytes: how many bytes of the packets
    stand before the index's first packet.
    """

    start_ms: int
    data: bytes | Path
    index: tuple[Packet, ...]
    continues: bool = True
    skipped_bytes: int = 0

    def packets(self) -> bytes:
        """Returns the bytes of the index's packets.

        A file is read anew, so that nobody holds a whole clip.
        """
        size = sum(packet.size for packet in self.index)
        if isinstance(self.data, bytes):
            return self.data[self.skipped_bytes : self.skipped_bytes + size]
        with self.data.open("rb") as file:
            file.seek(self.skipped_bytes)
            return file.read(size)


@dataclass(frozen=True, slots=True)
class Fragment:
    """A stretch of a clip for a player: the header that all its fragments share, and its own
    media.
    """

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
    """Returns how much footage there is before the trigger, at most what was asked for.

    A neighbour that this segment continues counts too.
    """
    earliest = (
        first_frame_ms if continues_from_ms is None else min(first_frame_ms, continues_from_ms)
    )
    return max(0, min(requested_ms, trigger_ms - earliest))
