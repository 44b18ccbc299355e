"""The port `Video` on PyAV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import av.error
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from shared.adapters.video.encoder import PartEncoder, picture_size
from shared.adapters.video.join import frame_times_ms, join
from shared.adapters.video.jpeg import thumbnail
from shared.domain.errors import Permanent
from shared.domain.parts import Joined, Piece
from shared.domain.policy import RecordingPolicy
from shared.wire.frames import check_jpeg

_DECODERS = {"h264": "h264", "mp4v": "mpeg4"}


class AvVideo:
    """Implements the port `Video`."""

    def picture_size(self, jpeg: bytes, scale: str | None) -> tuple[int, int]:
        """See the port."""
        info = check_jpeg(jpeg)
        return picture_size(info.width, info.height, scale)

    def encoder(self, policy: RecordingPolicy, width: int, height: int, base_ms: int) -> PartEncoder:
        """See the port."""
        return PartEncoder(policy, width, height, base_ms)

    def thumbnail(self, jpeg: bytes) -> bytes:
        """See the port."""
        return thumbnail(jpeg)

    def reencode(self, pieces: Sequence[Piece], policy: RecordingPolicy, width: int, height: int) -> list[Piece]:
        """See the port. Parts differ when an upgrade changed the encoder in the middle of a recording."""
        made = []
        for piece in pieces:
            encoder = PartEncoder(policy, width, height, piece.start_ms)
            order = sorted(packet.pts_ms for packet in piece.index)
            for pts_ms, frame in zip(order, _pictures(piece, policy.codec), strict=False):
                encoder.add_picture(frame, piece.start_ms + pts_ms)
            part = encoder.finish()
            made.append(Piece(piece.start_ms, part.data, part.index))
        return made

    def count_frames(self, path: Path) -> int:
        """See the port."""
        return len(frame_times_ms(path))

    def join(
        self, path: Path, pieces: Sequence[Piece], end_ms: int, policy: RecordingPolicy, width: int, height: int
    ) -> Joined:
        """See the port."""
        return join(path, pieces, end_ms, policy.codec, width, height, policy.fps)


def _pictures(piece: Piece, codec: str) -> Iterator[VideoFrame]:
    """A part's pictures in order of presentation."""
    decoder = av.CodecContext.create(_DECODERS[codec], "r")
    if not isinstance(decoder, VideoCodecContext):
        raise Permanent(f"{codec} is not a video codec")
    try:
        at = 0
        for entry in piece.index:
            yield from decoder.decode(av.Packet(piece.data[at : at + entry.size]))
            at += entry.size
        yield from decoder.decode(None)
    except av.error.FFmpegError as error:
        raise Permanent("a part that does not decode") from error
