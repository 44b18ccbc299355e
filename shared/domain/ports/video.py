"""Pictures to packets, packets to clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from shared.domain.media import Frame
from shared.domain.parts import ClipForm, EncodedPart, Fragment, Joined, Piece
from shared.domain.policy import RecordingPolicy


class PartEncoding(Protocol):
    """One part being encoded."""

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Encode one frame; BadInput when it cannot be decoded, and the part goes on without it.

        Retryable when a hardware encoder failed: the next run finds another.
        """

    def finish(self) -> EncodedPart:
        """The part's packets and index."""


class PartCopying(Protocol):
    """One part being made of a camera's own packets."""

    def add(self, frame: Frame) -> None:
        """Take one packet, in decoding order; the first is a keyframe, at or before the part's start."""

    def finish(self) -> EncodedPart:
        """The part's packets and index; those from before the part's start lead to the others."""


class Video(Protocol):
    """Pictures to packets, packets to clips."""

    def copied_form(self, keyframe: Frame) -> ClipForm:
        """Size and codec of a clip of this camera's own packets; BadInput when the keyframe cannot be decoded."""

    def copier(self, base_ms: int, picture_ms: int | None = None) -> PartCopying:
        """For one part that starts at base_ms; with picture_ms, its thumbnail is of the picture shown then."""

    def form(self, jpeg: bytes, policy: RecordingPolicy) -> ClipForm:
        """Size and encoder of a clip for a camera that sends this picture, as this host would make it."""

    def encoder(
        self, policy: RecordingPolicy, form: ClipForm, base_ms: int, picture_ms: int | None = None
    ) -> PartEncoding:
        """An encoder for one part that starts at base_ms; with picture_ms, its thumbnail is of the nearest picture.

        Where the form's encoder does not work on this host, another one of the same codec.
        """

    def reencode(
        self,
        pieces: Sequence[Piece],
        policy: RecordingPolicy,
        form: ClipForm,
        folder: Path,
        progress: Callable[[], None] = lambda: None,
    ) -> tuple[list[Piece], RecordingPolicy, ClipForm]:
        """Parts that share their parameters, from parts that do not; with what they are to be joined by.

        Their packets are files in `folder`, one a part; `progress` is called with each.
        """

    def streamable(self, policy: RecordingPolicy, form: ClipForm | None) -> bool:
        """Whether players can take clips like this in fragments."""

    def fragment(self, piece: Piece, end_ms: int, base_ms: int, policy: RecordingPolicy, form: ClipForm) -> Fragment:
        """A part that ends at `end_ms` as a fragment with times since `base_ms`."""

    def cut(self, source: BinaryIO, span_ms: tuple[int, int], shift_ms: int) -> Fragment:
        """What a clip shows in a span of its own time, as a fragment with times later by `shift_ms`."""

    def count_frames(self, path: Path, progress: Callable[[], None] = lambda: None) -> int:
        """Frames of a clip, decoded one by one; Permanent where decoding fails. `progress` is called with each."""

    def join(
        self,
        path: Path,
        pieces: Sequence[Piece],
        span_ms: tuple[int, int],
        policy: RecordingPolicy,
        form: ClipForm,
        progress: Callable[[], None] = lambda: None,
    ) -> Joined:
        """Write the MP4 of the pieces, copying packets; the same pieces give the same bytes.

        Its first picture is the first at or after the span's start, whatever is needed before to decode it. `progress`
        is called with each piece.
        """
