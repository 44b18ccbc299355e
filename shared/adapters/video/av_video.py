"""The port `Video` on PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from shared.adapters.video.codecs import MAKING
from shared.adapters.video.copy import CopiedPackets, copied_codec, form_of, picture_of
from shared.adapters.video.encoder import CopiedPictures, PartEncoder, picture_form
from shared.adapters.video.encoders import Encoders, one_thread
from shared.adapters.video.fragments import cut, fragment_of, streamable
from shared.adapters.video.join import frame_times_ms, join
from shared.adapters.video.jpeg import cropped_jpeg
from shared.adapters.video.rendering import render
from shared.adapters.video.stills import still
from shared.adapters.video.strips import strip_of
from shared.domain.codec import Codec
from shared.domain.errors import Permanent
from shared.domain.media import Box, Frame
from shared.domain.parts import ClipForm, Fragment, Joined, Piece
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import PartEncoding
from shared.domain.rendition import Rendition
from shared.domain.strips import PlacedSheet, Strip


class AvVideo:
    """Implements the port `Video`. Make it after the fork.

    threads: of a software encoder, asked at every part. patient: whether to wait for trials of
    hardware encoders.
    """

    def __init__(self, threads: Callable[[], int] = one_thread, *, patient: bool = True) -> None:
        self._encoders = Encoders(threads, patient=patient)

    def copied_form(self, keyframe: Frame) -> ClipForm:
        return form_of(keyframe)

    def picture(self, keyframe: Frame) -> bytes:
        return picture_of(keyframe)

    def crop(self, jpeg: bytes, box: Box) -> bytes:
        return cropped_jpeg(jpeg, box)

    def still(self, source: BinaryIO, at_ms: int) -> bytes:
        return still(source, at_ms)

    def copier(
        self, base_ms: int, picture_ms: int | None = None, *, sheet: bool = False
    ) -> CopiedPackets:
        return CopiedPackets(base_ms, picture_ms, sheet=sheet)

    def form(self, jpeg: bytes, policy: RecordingPolicy) -> ClipForm:
        width, height, aspect = picture_form(jpeg, policy)
        return ClipForm(width, height, self._encoders.choose(policy), aspect)

    def encoder(
        self,
        policy: RecordingPolicy,
        form: ClipForm,
        base_ms: int,
        picture_ms: int | None = None,
        *,
        sheet: bool = False,
    ) -> PartEncoding:
        if policy.codec == Codec.MJPEG:
            return CopiedPictures(form, base_ms, picture_ms, sheet=sheet)
        return self._part_encoder(policy, form, base_ms, picture_ms, sheet=sheet)

    def _part_encoder(
        self,
        policy: RecordingPolicy,
        form: ClipForm,
        base_ms: int,
        picture_ms: int | None = None,
        *,
        sheet: bool = False,
    ) -> PartEncoder:
        name = self._encoders.choose(policy, form.encoder or None)
        return PartEncoder(
            encoders=self._encoders,
            name=name,
            policy=policy,
            form=form,
            base_ms=base_ms,
            picture_ms=picture_ms,
            sheet=sheet,
        )

    def reencode(
        self,
        pieces: Sequence[Piece],
        policy: RecordingPolicy,
        form: ClipForm,
        folder: Path,
        progress: Callable[[], None] = lambda: None,
    ) -> tuple[list[Piece], RecordingPolicy, ClipForm]:
        """Parts differ when hosts have different encoders, or a camera changed its settings."""
        decoder = copied_codec(form) or policy.codec
        if policy.copied:
            policy, form = replace(policy, codec=Codec.H264), replace(form, encoder="")
        made = []
        for number, piece in enumerate(pieces):
            encoder = self._part_encoder(policy, form, piece.start_ms)
            order = sorted((packet.pts_ms, packet.lead) for packet in piece.index)
            for (pts_ms, lead), frame in zip(order, _pictures(piece, decoder), strict=False):
                progress()
                if not lead:
                    encoder.add_picture(frame, piece.start_ms + pts_ms)
            part = encoder.finish()
            path = folder / f"again-{number:05d}"
            path.write_bytes(part.data)
            made.append(Piece(piece.start_ms, path, part.index))
        return made, policy, form

    def streamable(self, policy: RecordingPolicy, form: ClipForm | None) -> bool:
        return streamable(policy, form)

    def fragment(
        self, piece: Piece, end_ms: int, base_ms: int, policy: RecordingPolicy, form: ClipForm
    ) -> Fragment:
        return fragment_of(piece=piece, end_ms=end_ms, base_ms=base_ms, policy=policy, form=form)

    def cut(self, source: BinaryIO, span_ms: tuple[int, int], shift_ms: int) -> Fragment:
        return cut(source, span_ms, shift_ms)

    def render(self, source: BinaryIO, wanted: Sequence[Rendition], folder: Path) -> None:
        render(source, wanted, folder)

    def strip(self, sheets: Sequence[PlacedSheet], duration_ms: int) -> tuple[Strip, bytes] | None:
        return strip_of(sheets, duration_ms)

    def count_frames(self, path: Path, progress: Callable[[], None] = lambda: None) -> int:
        return len(frame_times_ms(path, progress))

    def join(
        self,
        path: Path,
        pieces: Sequence[Piece],
        span_ms: tuple[int, int],
        policy: RecordingPolicy,
        form: ClipForm,
        progress: Callable[[], None] = lambda: None,
    ) -> Joined:
        return join(
            path=path, pieces=pieces, span_ms=span_ms, policy=policy, form=form, progress=progress
        )


def _pictures(piece: Piece, codec: Codec) -> Iterator[VideoFrame]:
    """A part's pictures in order of presentation."""
    decoder = av.CodecContext.create(MAKING[codec].decoder, "r")
    if not isinstance(decoder, VideoCodecContext):
        raise Permanent(f"{codec} is not a video codec")
    try:
        data, at = piece.packets(), 0
        for entry in piece.index:
            yield from decoder.decode(av.Packet(data[at : at + entry.size]))
            at += entry.size
        yield from decoder.decode(None)
    except av.error.FFmpegError as error:
        raise Permanent("a part that does not decode") from error
