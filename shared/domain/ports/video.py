"""Pictures to packets, packets to clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from shared.domain.parts import ClipForm, EncodedPart, Joined, Piece
from shared.domain.policy import RecordingPolicy


class PartEncoding(Protocol):
    """One part being encoded."""

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Encode one frame; BadInput when it cannot be decoded, and the part goes on without it.

        Retryable when a hardware encoder failed: the next run finds another.
        """

    def finish(self) -> EncodedPart:
        """The part's packets and index."""


class Video(Protocol):
    """Pictures to packets, packets to clips."""

    def form(self, jpeg: bytes, policy: RecordingPolicy) -> ClipForm:
        """Size and encoder of a clip for a camera that sends this picture, as this host would make it."""

    def encoder(
        self, policy: RecordingPolicy, form: ClipForm, base_ms: int, picture_ms: int | None = None
    ) -> PartEncoding:
        """An encoder for one part that starts at base_ms; with picture_ms, its thumbnail is of the nearest picture.

        Where the form's encoder does not work on this host, another one of the same codec.
        """

    def reencode(self, pieces: Sequence[Piece], policy: RecordingPolicy, form: ClipForm) -> list[Piece]:
        """Parts that share their parameters, from parts that do not."""

    def count_frames(self, path: Path) -> int:
        """Frames of a clip, decoded one by one; Permanent where decoding fails."""

    def join(self, path: Path, pieces: Sequence[Piece], end_ms: int, policy: RecordingPolicy, form: ClipForm) -> Joined:
        """Write the MP4 of the pieces, copying packets; the same pieces give the same bytes."""
