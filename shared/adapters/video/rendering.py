"""Encodes changed copies of a clip: decoded once, drawn on, and encoded in parts, so that a long
clip needs no more memory than a short one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import av.error
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from shared.adapters.video.codecs import MAKING
from shared.adapters.video.drawing import Canvas
from shared.adapters.video.encoder import PartEncoder
from shared.adapters.video.encoders import Encoders
from shared.adapters.video.join import join
from shared.adapters.video.pixels import BT601, FULL, Pixels
from shared.domain.codec import Codec
from shared.domain.errors import Conflict, Permanent
from shared.domain.parts import ClipForm, Piece
from shared.domain.policy import RecordingPolicy
from shared.domain.rendition import Rendition

PART_MS, QUALITY = 4_000, 20
_BT709 = 1


def render(source: BinaryIO, wanted: Sequence[Rendition], folder: Path) -> None:
    """See the port. Only the pictures change: frames keep their times, to the millisecond."""
    try:
        with av.open(source, "r") as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            films: list[_Film] = []
            for frame, at_ms in _frames(container.decode(stream), stream):
                films = films or [_Film(each, frame, stream, folder) for each in wanted]
                for film in films:
                    film.add(frame, at_ms)
            if not films:
                raise Conflict("the clip shows nothing")
            for film in films:
                film.finish(_duration_ms(stream))
    except (av.error.FFmpegError, IndexError) as error:
        raise Conflict("the clip does not decode") from error


def _frames(frames: Iterator[VideoFrame], stream: VideoStream) -> Iterator[tuple[VideoFrame, int]]:
    for frame in frames:
        if frame.pts is None or stream.time_base is None:
            raise Conflict("the clip has pictures without a time")
        yield frame, round(frame.pts * stream.time_base * 1000)


def _duration_ms(stream: VideoStream) -> int:
    return round((stream.duration or 0) * (stream.time_base or 0) * 1000)


class _Film:
    """One copy: its pictures go into part after part, and these into one file."""

    def __init__(
        self, wanted: Rendition, first: VideoFrame, stream: VideoStream, folder: Path
    ) -> None:
        full = first.format.name.startswith("yuvj") or int(first.color_range) == FULL
        self._wanted, self._folder = wanted, folder
        self._policy = RecordingPolicy(
            codec=Codec.H264,
            encoder="software",
            quality=QUALITY,
            color_range="full" if full else "limited",
            fps=float(stream.average_rate or 15),
        )
        size = (max(2, first.width & ~1), max(2, first.height & ~1))
        aspect = (stream.sample_aspect_ratio or Fraction(1)).as_integer_ratio()
        self._form = ClipForm(*size, MAKING[Codec.H264].software, aspect)
        self._pixels = Pixels(*size, "yuvj420p" if full else "yuv420p", full)
        self._reformatter = VideoReformatter()
        self._encoders = Encoders()
        self._encoder: PartEncoder | None = None
        self._pieces: list[Piece] = []
        self._began_ms = 0

    def add(self, frame: VideoFrame, at_ms: int) -> None:
        """Draw on a frame, and encode it."""
        if self._encoder is None or at_ms - self._began_ms >= PART_MS:
            self._end_part()
            self._began_ms = at_ms
            self._encoder = PartEncoder(
                encoders=self._encoders,
                name=self._form.encoder,
                policy=self._policy,
                form=self._form,
                base_ms=at_ms,
            )
        picture = self._own(frame)
        canvas = Canvas(picture, full=self._pixels.full)
        for each in self._wanted.hidden:
            box = each.hidden_at(at_ms)
            if box is not None:
                canvas.hide(box)
        for each in self._wanted.marked:
            box = each.marked_at(at_ms)
            if box is not None:
                canvas.mark(box, each.label)
        if self._wanted.time is not None:
            canvas.write(self._wanted.time.lines(at_ms))
        self._encoder.add_picture(picture, at_ms)

    def _own(self, frame: VideoFrame) -> VideoFrame:
        """Returns a picture to draw on: the decoder still needs its own for those that follow."""
        if int(frame.colorspace) == _BT709:
            frame = self._reformatter.reformat(frame, src_colorspace=_BT709, dst_colorspace=BT601)
        fitted = self._pixels.fit(frame)
        made = VideoFrame(fitted.width, fitted.height, self._pixels.pix_fmt)
        for source, target in zip(fitted.planes, made.planes, strict=True):
            lines = np.frombuffer(memoryview(source), np.uint8).reshape(source.height, -1)
            into = np.frombuffer(memoryview(target), np.uint8).reshape(target.height, -1)
            into[:, : target.width] = lines[:, : source.width]
        return made

    def _end_part(self) -> None:
        if self._encoder is None:
            return
        part = self._encoder.finish()
        path = self._folder / f"{self._wanted.name}-{len(self._pieces):05d}"
        path.write_bytes(part.data)
        self._pieces.append(Piece(self._began_ms, path, part.index))

    def finish(self, duration_ms: int) -> None:
        """Put the parts together, and delete them."""
        self._end_part()
        try:
            join(
                path=self._folder / self._wanted.name,
                pieces=self._pieces,
                span_ms=(0, duration_ms),
                policy=self._policy,
                form=self._form,
            )
        except Permanent as error:
            raise Conflict("no copy can be made of the clip") from error
        for piece in self._pieces:
            if isinstance(piece.data, Path):
                piece.data.unlink()
