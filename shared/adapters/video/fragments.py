"""Pieces of a clip as fragmented MP4, each playable after one shared header, as HLS needs them."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any, BinaryIO

import av
import av.error
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from shared.adapters.video.copy import copied_codec
from shared.adapters.video.join import MEDIA_CLOCK, add_stream, decodable, distinct
from shared.domain.codec import CODECS
from shared.domain.errors import Permanent
from shared.domain.parts import ClipForm, Fragment, Piece
from shared.domain.policy import RecordingPolicy

TICKS = MEDIA_CLOCK.denominator // 1000
BOX_HEAD = 8  # size and kind
HALF_A_MILLISECOND = Fraction(1, 2)
# Absolute times, and composition offsets below zero instead of an edit list: players lose frames
# otherwise.
_OPTIONS = {"movflags": "cmaf+frag_discont", "use_editlist": "0", "fflags": "+bitexact"}
_HEADER, _MEDIA = (b"ftyp", b"moov"), (b"styp", b"moof", b"mdat")


def streamable(policy: RecordingPolicy, form: ClipForm | None) -> bool:
    """Returns whether players can play clips of this codec in fragments."""
    row = CODECS.get((form and copied_codec(form)) or policy.codec)
    return row is not None and row.streamable


def fragment_of(
    piece: Piece, end_ms: int, base_ms: int, policy: RecordingPolicy, form: ClipForm
) -> Fragment:
    """Returns a part that ends at `end_ms` as a fragment whose times count from `base_ms`; raises
    Permanent where it is empty.
    """
    before = [] if piece.start_ms == base_ms else [Piece(base_ms, b"", ())]
    found = [each for each in decodable([*before, piece]) if each.index]
    if not found:
        raise Permanent("the part holds no pictures")
    piece = found[-1]
    packets = []
    data, at = piece.packets(), 0
    for entry in piece.index:
        packet = Packet(data[at : at + entry.size])
        at += entry.size
        packet.is_keyframe = entry.keyframe
        packet.pts = (piece.start_ms + entry.pts_ms - base_ms) * TICKS
        packets.append(packet)
    out = io.BytesIO()
    try:
        with av.open(out, "w", format="mp4", options=_OPTIONS) as container:
            stream = add_stream(container, [piece], policy, form)
            _mux(container, stream, packets, (end_ms - base_ms) * TICKS)
    except av.error.FFmpegError as error:
        raise Permanent(f"the part could not be made a fragment: {error.strerror}") from error
    return _split(out.getvalue())


def cut(source: BinaryIO, span_ms: tuple[int, int], shift_ms: int) -> Fragment:
    """Returns what a clip shows in a span of its own time, as a fragment with times later by
    `shift_ms`.
    """
    out = io.BytesIO()
    try:
        with (
            _opened(source) as container,
            av.open(out, "w", format="mp4", options=_OPTIONS) as made,
        ):
            stream = container.streams.video[0]
            packets = list(_between(container, stream, span_ms))
            if not packets:
                raise Permanent("the clip shows nothing in that time")
            clock = MEDIA_CLOCK / (stream.time_base or MEDIA_CLOCK)
            for packet in packets:
                packet.pts = round((packet.pts or 0) / clock) + shift_ms * TICKS
            copy = made.add_stream_from_template(stream, opaque=True)
            _mux(made, copy, packets, (span_ms[1] + shift_ms) * TICKS)
    except av.error.FFmpegError as error:
        raise Permanent(f"the clip could not be cut: {error.strerror}") from error
    return _split(out.getvalue())


def _mux(
    container: OutputContainer, stream: VideoStream, packets: Sequence[Packet[Any]], end: int
) -> None:
    """Write packets in their order; their pts are ticks of the media clock.

    The last picture lasts until `end`. Decode times are presentation times in order, later by the
    decoder's delay. Before the first there are only ticks, so that a composition offset below zero
    is too short to see.
    """
    stream.time_base = MEDIA_CLOCK
    for packet, shown in zip(
        packets, distinct([packet.pts or 0 for packet in packets]), strict=True
    ):
        packet.pts = shown
    order = sorted(packet.pts or 0 for packet in packets)
    rank = {shown: at for at, shown in enumerate(order)}
    delay = max(number - rank[packet.pts or 0] for number, packet in enumerate(packets))
    lasts = dict(pairwise([*order, max(end, order[-1] + 1)]))
    for number, packet in enumerate(packets):
        shown, behind = packet.pts or 0, number - delay
        packet.stream, packet.time_base = stream, MEDIA_CLOCK
        packet.dts = order[behind] if behind >= 0 else order[0] + behind
        packet.duration = lasts[shown] - shown
        container.mux(packet)


def _between(
    container: InputContainer, stream: VideoStream, span_ms: tuple[int, int]
) -> Iterator[Packet[Any]]:
    """Returns packets of pictures that are shown in the span, and what a copied clip has before its
    first picture.
    """
    if stream.time_base is None:
        raise Permanent("the clip has no clock")
    millisecond = 1 / (1000 * stream.time_base)
    start, stop = ((ms - HALF_A_MILLISECOND) * millisecond for ms in span_ms)
    container.seek(max(0, round(start + millisecond)), stream=stream)
    for packet in container.demux(stream):
        if packet.pts is None or packet.dts is None:
            continue
        if packet.dts >= stop:
            return
        if packet.pts < stop and (span_ms[0] <= 0 or packet.pts >= start):
            yield packet


def _opened(source: BinaryIO) -> InputContainer:
    try:
        return av.open(source, "r", format="mp4")
    except av.error.FFmpegError as error:
        raise Permanent("the clip cannot be opened") from error


def _split(data: bytes) -> Fragment:
    """Returns the header that all fragments share, and this fragment's own media."""
    header, media, at = [], [], 0
    while at + BOX_HEAD <= len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + BOX_HEAD]
        if size < BOX_HEAD:
            raise Permanent("a fragment with a box of no size")
        if kind in _HEADER:
            header.append(data[at : at + size])
        elif kind in _MEDIA:
            media.append(data[at : at + size])
        at += size
    return Fragment(b"".join(header), b"".join(media))
