"""Joins parts into an MP4 by copying packets. The same parts give the same bytes, whoever joins
them.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import OutputContainer
from av.video.stream import VideoStream

from shared.adapters.video.codecs import MAKING, is_full_range
from shared.adapters.video.copy import copied_codec
from shared.adapters.video.jpeg import MILLISECOND
from shared.adapters.video.pixels import tag_colours
from shared.domain.errors import Permanent, Retryable
from shared.domain.parts import ClipForm, Joined, Piece
from shared.domain.policy import RecordingPolicy

# Full, broken, over its quota or its limit.
_OF_THE_DISK = {errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG}
MEDIA_CLOCK = Fraction(1, 90_000)


def join(
    path: Path,
    pieces: Sequence[Piece],
    span_ms: tuple[int, int],
    policy: RecordingPolicy,
    form: ClipForm,
    progress: Callable[[], None] = lambda: None,
) -> Joined:
    """Write the clip of `pieces` (in order of time, at least one packet) to `path`; moov comes
    first.

    A frame lasts until the next one, the last until the span's end, but no longer than the one
    before it lasted. Frames before the span's start, which a copied clip needs to decode the
    others, are hidden by an edit list.
    """
    pieces = decodable(pieces)
    times = distinct([piece.start_ms + packet.pts_ms for piece in pieces for packet in piece.index])
    order = sorted(times)
    shown = [ms for ms in order if ms >= span_ms[0]]
    if not shown:
        raise Permanent("the parts show nothing of their clip")
    first_ms, last_ms = shown[0], shown[-1]
    usual_ms = shown[-1] - shown[-2] if len(shown) > 1 else round(1000 / policy.fps)
    stop_ms = last_ms + max(1, min(usual_ms, span_ms[1] - last_ms))
    lasts = dict(
        zip(
            order,
            (after - at for at, after in zip(order, [*order[1:], stop_ms], strict=True)),
            strict=True,
        )
    )
    delay = _reorder_delay(times, order)
    options = {
        "movflags": "+faststart",
        "fflags": "+bitexact",
        "movie_timescale": str(MEDIA_CLOCK.denominator),
    }
    try:
        with av.open(str(path), "w", format="mp4", options=options) as container:
            stream = add_stream(container, pieces, policy, form)
            stream.time_base = MEDIA_CLOCK
            _copy(
                container=container,
                stream=stream,
                pieces=pieces,
                times=_Times(coded=times, order=order, lasts=lasts, delay=delay, first_ms=first_ms),
                progress=progress,
            )
    except av.error.FFmpegError as error:
        if error.errno in _OF_THE_DISK:
            raise Retryable(f"the work folder refuses: {error.strerror}") from error
        raise Permanent(f"the parts could not be joined: {error.strerror}") from error
    return Joined(first_ms, stop_ms - first_ms, len(shown))


def decodable(pieces: Sequence[Piece]) -> list[Piece]:
    """Returns the pieces without packets that are there twice or that no decoder can use.

    Packets from before a piece's start are only for the first piece; the others go on from the
    piece before. Where that one is missing, a piece begins with its own first keyframe.
    """
    kept = []
    for number, piece in enumerate(pieces):
        skipped = 0
        if number > 0:
            while skipped < len(piece.index) and piece.index[skipped].lead:
                skipped += 1
            if not piece.continues:
                while skipped < len(piece.index) and not piece.index[skipped].keyframe:
                    skipped += 1
        size = sum(packet.size for packet in piece.index[:skipped])
        kept.append(
            replace(piece, skipped_bytes=size, index=piece.index[skipped:]) if skipped else piece
        )
    return [piece for piece in kept if piece.index]


@dataclass(frozen=True, slots=True)
class _Times:
    """Presentation times as coded and in order, how long each is shown, the decoder's delay, the
    first shown time.
    """

    coded: list[int]
    order: list[int]
    lasts: dict[int, int]
    delay: int
    first_ms: int


def distinct(times: Sequence[int]) -> list[int]:
    """Returns the times, each moved by as little as needed that no two are equal: a muxer takes no
    two pictures at once.
    """
    found, last = list(times), -(1 << 62)
    for at in sorted(range(len(found)), key=found.__getitem__):
        found[at] = last = max(found[at], last + 1)
    return found


def _reorder_delay(coded: Sequence[int], order: list[int]) -> int:
    """Returns how many pictures a decoder must hold back: how far a packet is coded before its
    turn, at most.
    """
    rank = {ms: at for at, ms in enumerate(order)}
    return max((number - rank[ms] for number, ms in enumerate(coded)), default=0)


def add_stream(
    container: OutputContainer, pieces: Sequence[Piece], policy: RecordingPolicy, form: ClipForm
) -> VideoStream:
    """Add a stream to the container for packets as these pieces have them."""
    stream: object
    copied = copied_codec(form)
    making = MAKING[copied or policy.codec]
    shaped = form.aspect != (1, 1)
    probe = making.shape_probe if shaped else making.probe
    if probe is None:
        stream = container.add_mux_stream(making.name, width=form.width, height=form.height)
    else:
        # Its header stands outside the packets in MP4; the demuxer of a raw stream finds it in the
        # first of them.
        first = next(piece for piece in pieces if piece.index)
        with av.open(io.BytesIO(first.packets()[: first.index[0].size]), format=probe) as source:
            stream = container.add_stream_from_template(source.streams.video[0])
    if not isinstance(stream, VideoStream):
        raise Permanent("the parts hold no video")
    if probe is not None:
        if shaped:
            stream.codec_context.sample_aspect_ratio = Fraction(*form.aspect)
        if copied is None:
            tag_colours(stream.codec_context, full=is_full_range(policy))
        if making.tag is not None:
            stream.codec_context.codec_tag = making.tag
    return stream


def _copy(
    container: OutputContainer,
    stream: VideoStream,
    pieces: Sequence[Piece],
    times: _Times,
    progress: Callable[[], None],
) -> None:
    """Decode times are the presentation times in order, moved back by the delay, over the whole
    clip.

    Rebuilding them per part would break at some joints. The last packet is decoded at its own time
    and lasts to the clip's end: with B-frames the duration in the file header comes from decode
    times, and would end frames early.
    """
    order, first_ms, number = times.order, times.first_ms, 0
    for piece in pieces:
        progress()
        data, at = piece.packets(), 0
        for entry in piece.index:
            captured = times.coded[number]
            packet = av.Packet(data[at : at + entry.size])
            at += entry.size
            behind = number - times.delay
            packet.stream, packet.time_base, packet.is_keyframe = (
                stream,
                MILLISECOND,
                entry.keyframe,
            )
            packet.pts = captured - first_ms
            packet.dts = (order[behind] if behind >= 0 else order[0] + behind) - first_ms
            packet.duration = times.lasts[captured]
            number += 1
            if number == len(order):
                packet.dts, packet.duration = (
                    packet.pts,
                    order[-1] + times.lasts[order[-1]] - captured,
                )
            container.mux(packet)


def frame_times_ms(path: Path, progress: Callable[[], None] = lambda: None) -> list[int]:
    """Returns the presentation times (ms) of a clip's frames, decoded one by one; raises Permanent
    where decoding fails. progress: called with each; what it raises ends the reading.
    """
    try:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            times = []
            for frame in container.decode(stream):
                progress()
                times.append(round((frame.time or 0.0) * 1000))
            return times
    except (av.error.FFmpegError, IndexError, TypeError) as error:
        raise Permanent("the clip does not decode") from error
