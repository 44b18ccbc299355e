"""Pictures to packets, packets to clips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

from shared.domain.media import Box, Frame
from shared.domain.parts import ClipForm, EncodedPart, Fragment, Joined, Piece
from shared.domain.policy import RecordingPolicy
from shared.domain.rendition import Rendition
from shared.domain.strips import PlacedSheet, Strip


class PartEncoding(Protocol):
    """One part being encoded."""

    def add(self, jpeg: bytes, captured_ms: int) -> None:
        """Encode one frame; BadInput when it cannot be decoded, and the part goes on without it.

        Retryable when a hardware encoder failed: the next run finds another.
        """

    def finish(self) -> EncodedPart:
        """Returns the part's packets and index."""


class PartCopying(Protocol):
    """One part being made of a camera's own packets."""

    def add(self, frame: Frame) -> None:
        """Take one packet, in decoding order.

        The first is a keyframe, at or before the part's start.
        """

    def finish(self) -> EncodedPart:
        """Returns the part's packets and index.

        Packets from before the part's start lead to the others.
        """


class Video(Protocol):
    """Pictures to packets, packets to clips."""

    def copied_form(self, keyframe: Frame) -> ClipForm:
        """Returns size and codec of a clip of this camera's own packets; raises BadInput when the
        keyframe cannot be decoded.
        """

    def picture(self, keyframe: Frame) -> bytes:
        """Returns a keyframe of a copied camera as a JPEG; raises BadInput when it cannot be
        decoded.
        """

    def crop(self, jpeg: bytes, box: Box) -> bytes:
        """Returns a part of a picture with some of what is around it, as a JPEG; raises BadInput
        where the box lies outside, or the picture cannot be decoded.
        """

    def still(self, source: BinaryIO, at_ms: int) -> bytes:
        """Returns what a clip shows at a time after its first frame, as a JPEG; raises Permanent
        where it cannot be decoded.
        """

    def copier(
        self, base_ms: int, picture_ms: int | None = None, *, sheet: bool = False
    ) -> PartCopying:
        """Returns a copier for one part that starts at base_ms; its thumbnail is of the picture
        shown at picture_ms. sheet: with a sheet of its keyframes.
        """

    def form(self, jpeg: bytes, policy: RecordingPolicy) -> ClipForm:
        """Returns size and encoder of a clip of a camera that sends this picture, as this host
        would encode it.
        """

    def encoder(
        self,
        policy: RecordingPolicy,
        form: ClipForm,
        base_ms: int,
        picture_ms: int | None = None,
        *,
        sheet: bool = False,
    ) -> PartEncoding:
        """Returns an encoder for one part that starts at base_ms; its thumbnail is of the picture
        nearest to picture_ms. sheet: with a sheet. Where the form's encoder does not work on this
        host, another encoder of the same codec is taken.
        """

    def reencode(
        self,
        pieces: Sequence[Piece],
        policy: RecordingPolicy,
        form: ClipForm,
        folder: Path,
        progress: Callable[[], None] = lambda: None,
    ) -> tuple[list[Piece], RecordingPolicy, ClipForm]:
        """Encode parts whose parameters differ, so that they share them.

        Returns the pieces, and the policy and form to join them by. Their packets are files in
        `folder`, one a part. `progress` is called with each.
        """

    def streamable(self, policy: RecordingPolicy, form: ClipForm | None) -> bool:
        """Returns whether players can play clips like this in fragments."""

    def fragment(
        self, piece: Piece, end_ms: int, base_ms: int, policy: RecordingPolicy, form: ClipForm
    ) -> Fragment:
        """Returns a part that ends at `end_ms` as a fragment with times since `base_ms`."""

    def cut(self, source: BinaryIO, span_ms: tuple[int, int], shift_ms: int) -> Fragment:
        """Returns what a clip shows in a span of its own time, as a fragment whose times are later
        by `shift_ms`.
        """

    def render(self, source: BinaryIO, wanted: Sequence[Rendition], folder: Path) -> None:
        """Write changed copies of a clip into `folder`: H.264, every frame at its own time.

        Raises Conflict where the clip does not decode.
        """

    def strip(self, sheets: Sequence[PlacedSheet], duration_ms: int) -> tuple[Strip, bytes] | None:
        """Returns the strip of a clip that lasts so long, and its JPEG; None where the sheets show
        nothing of it. A sheet that cannot be read is left out.
        """

    def count_frames(self, path: Path, progress: Callable[[], None] = lambda: None) -> int:
        """Returns how many frames of a clip decode; raises Permanent where decoding fails.

        `progress` is called with each.
        """

    def join(
        self,
        path: Path,
        pieces: Sequence[Piece],
        span_ms: tuple[int, int],
        policy: RecordingPolicy,
        form: ClipForm,
        progress: Callable[[], None] = lambda: None,
    ) -> Joined:
        """Write the MP4 of the pieces by copying packets. The same pieces give the same bytes.

        The first picture is the first at or after the span's start, whatever must be decoded before
        it. `progress` is called with each piece.
        """
