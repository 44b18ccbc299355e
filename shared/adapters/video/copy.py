"""Parts of a copied camera: its own packets, none of them encoded again."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import av
import av.error
import structlog
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from shared.adapters.video.codecs import MAKING
from shared.adapters.video.jpeg import jpeg_of_frame, thumbnail_of
from shared.adapters.video.strips import FAULTS, Tiles
from shared.domain.codec import COPYABLE, Codec
from shared.domain.errors import BadInput, Permanent
from shared.domain.media import Frame, PacketMark
from shared.domain.parts import ClipForm, EncodedPart, Packet
from shared.domain.strips import TILE_MS, Sheet

COPIED = "copy:"
PICTURE_QUALITY = 85

_log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


def copied_codec(form: ClipForm) -> Codec | None:
    """Returns the codec of a copied clip, None for one that is encoded.

    Raises Permanent for a codec that cannot be copied.
    """
    return _known(form.encoder.removeprefix(COPIED)) if form.encoder.startswith(COPIED) else None


def _known(name: str) -> Codec:
    if name not in COPYABLE:
        raise Permanent(f"packets of an unknown codec: {name}")
    return Codec(name)


def form_of(keyframe: Frame) -> ClipForm:
    """Returns size and codec of a clip that begins with this packet; raises BadInput when it cannot
    be decoded.
    """
    picture, aspect = _decode([keyframe])
    if picture is None or keyframe.packet is None:
        raise BadInput("frame", "a keyframe that cannot be decoded")
    codec = keyframe.packet.parameters.partition(":")[0]
    return ClipForm(picture.width, picture.height, f"{COPIED}{codec}", aspect)


def picture_of(keyframe: Frame) -> bytes:
    """Returns a keyframe as a JPEG of the camera's size; raises BadInput when it cannot be
    decoded.
    """
    picture, aspect = _decode([keyframe])
    if picture is None:
        raise BadInput("frame", "a keyframe that cannot be decoded")
    return jpeg_of_frame(picture, PICTURE_QUALITY, aspect)


class CopiedPackets:
    """One part. It begins with a keyframe; packets from before its start are there for decoding."""

    def __init__(self, base_ms: int, picture_ms: int | None = None, *, sheet: bool = False) -> None:
        self._base_ms = base_ms
        self._picture_ms = picture_ms
        self._wants_sheet = sheet
        self._frames: list[tuple[Frame, PacketMark]] = []

    def add(self, frame: Frame) -> None:
        """Take one packet, in decoding order."""
        if frame.packet is None:
            raise BadInput("frame", "a picture among packets")
        self._frames.append((frame, frame.packet))

    def finish(self) -> EncodedPart:
        """Returns the part's packets and index."""
        index = tuple(
            Packet(
                mark.shown_ms - self._base_ms,
                len(frame.data),
                mark.keyframe,
                frame.captured_ms < self._base_ms,
            )
            for frame, mark in self._frames
        )
        parameters = " ".join(sorted({mark.parameters for _, mark in self._frames}))
        data = b"".join(frame.data for frame, _ in self._frames)
        return EncodedPart(
            data,
            index,
            sha256(parameters.encode()).hexdigest(),
            self._thumbnail(),
            self._sheet() if self._wants_sheet else None,
        )

    def _sheet(self) -> tuple[Sheet, bytes] | None:
        """Returns a sheet of the part's own keyframes: only they can be decoded alone."""
        tiles: Tiles | None = None
        due_ms = self._base_ms
        for frame, mark in self._frames:
            if not mark.keyframe or frame.captured_ms < self._base_ms or mark.shown_ms < due_ms:
                continue
            due_ms = mark.shown_ms + TILE_MS
            try:
                picture, aspect = _decode([frame], rough=True)
            except FAULTS as error:
                _log.warning("tile_not_made", error=str(error))
                continue
            if picture is not None:
                tiles = tiles or Tiles((picture.width, picture.height), aspect, self._base_ms)
                tiles.add(picture, mark.shown_ms)
        return None if tiles is None else tiles.sheet()

    def _thumbnail(self) -> bytes | None:
        """Returns the picture shown at the wanted time, decoded from the keyframe before it."""
        if self._picture_ms is None:
            return None
        wanted: list[Frame] = []
        for frame, mark in self._frames:
            if frame.captured_ms > self._picture_ms and wanted:
                break
            if mark.keyframe:
                wanted.clear()
            wanted.append(frame)
        picture, aspect = _decode(wanted)
        return None if picture is None else thumbnail_of(picture, aspect)


def _decode(
    frames: Sequence[Frame], *, rough: bool = False
) -> tuple[VideoFrame | None, tuple[int, int]]:
    """Returns the last picture of packets that begin with a keyframe (None where there is none),
    and the shape of its pixels. rough: without the filter over block edges, a quarter of the work,
    which a small picture does not show.
    """
    if not frames or frames[0].packet is None:
        return None, (1, 1)
    codec = _known(frames[0].packet.parameters.partition(":")[0])
    decoder = av.CodecContext.create(MAKING[codec].decoder, "r")
    if not isinstance(decoder, VideoCodecContext):
        raise Permanent(f"{codec} is not a video codec")
    decoder.thread_count = 1
    if rough:
        decoder.options = {"skip_loop_filter": "all"}
    last: VideoFrame | None = None
    try:
        for frame in frames:
            last = next(reversed(decoder.decode(av.Packet(frame.data))), last)
        last = next(reversed(decoder.decode(None)), last)
    except av.error.FFmpegError:
        pass  # what was decoded until then is shown
    ratio = decoder.sample_aspect_ratio
    return last, (ratio.numerator, ratio.denominator) if ratio else (1, 1)
