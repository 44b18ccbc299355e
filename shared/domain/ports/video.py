"""Pictures to packets, packets to clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from shared.domain.parts import EncodedPart, Joined, Piece
from shared.domain.policy import RecordingPolicy


class PartEncoding(Protocol):
    """One part being encoded."""

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Encode one frame; Permanent when it cannot be decoded, and the part goes on without it."""

    def finish(self) -> EncodedPart:
        """The part's packets and index."""


class Video(Protocol):
    """Pictures to packets, packets to clips."""

    def picture_size(self, jpeg: bytes, scale: str | None) -> tuple[int, int]:
        """Clip size (width, height) for a camera that sends this picture."""

    def encoder(self, policy: RecordingPolicy, width: int, height: int, base_ms: int) -> PartEncoding:
        """An encoder for one part that starts at base_ms."""

    def thumbnail(self, jpeg: bytes) -> bytes:
        """A small JPEG of a picture."""

    def reencode(self, pieces: Sequence[Piece], policy: RecordingPolicy, width: int, height: int) -> list[Piece]:
        """Parts that share their parameters, from parts that do not."""

    def count_frames(self, path: Path) -> int:
        """Frames of a clip, decoded one by one; Permanent where decoding fails."""

    def join(
        self, path: Path, pieces: Sequence[Piece], end_ms: int, policy: RecordingPolicy, width: int, height: int
    ) -> Joined:
        """Write the MP4 of the pieces, copying packets; the same pieces give the same bytes."""
