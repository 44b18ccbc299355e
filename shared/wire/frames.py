"""A frame as the fields of a stream entry, and the checks every JPEG passes before it enters the
buffer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

from shared.domain.errors import BadInput
from shared.domain.media import Frame, FrameMark, PacketMark

MAX_JPEG_BYTES = 16 * 1024 * 1024
MAX_SIDE = 8192
MOST_ASPECT = 8
_SOI, _EOI = b"\xff\xd8\xff", b"\xff\xd9"
_LEAD_BYTES, _HEADERS = 1024, 8192
_FILL = b"\0\xff\r\n\t "  # none of them ends a JPEG
_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_START_OF_FRAME = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}


def entry_id(captured_ms: int) -> str:
    """Returns a frame's stream id."""
    return f"{captured_ms}-0"


def encode_frame(frame: Frame) -> dict[str, bytes | int | str]:
    """Returns the fields of a frame's stream entry."""
    return {"j": frame.data, "s": frame.counter, "r": frame.run_id}


def decode_mark(identifier: bytes, fields: Mapping[bytes, bytes]) -> FrameMark:
    """Returns time and number of a stream entry."""
    return FrameMark(
        int(identifier.split(b"-")[0]), int(fields.get(b"s", b"0")), fields.get(b"r", b"").decode()
    )


def decode_frame(camera_id: str, identifier: bytes, fields: Mapping[bytes, bytes]) -> Frame:
    """Returns the frame in a stream entry."""
    mark = decode_mark(identifier, fields)
    return Frame(
        camera_id=camera_id,
        captured_ms=mark.captured_ms,
        data=fields[b"j"],
        counter=mark.counter,
        run_id=mark.run_id,
    )


def encode_packet(frame: Frame) -> dict[str, bytes | int | str]:
    """Returns the fields of a packet's stream entry."""
    mark = frame.packet or PacketMark(keyframe=False, shown_ms=frame.captured_ms, parameters="")
    return {
        "p": frame.data, "k": int(mark.keyframe), "pts": mark.shown_ms, "dts": frame.captured_ms, "x": mark.parameters,
        "s": frame.counter, "r": frame.run_id,
    }  # fmt: skip


def decode_packet(camera_id: str, identifier: bytes, fields: Mapping[bytes, bytes]) -> Frame:
    """Returns the packet in a stream entry."""
    mark = decode_mark(identifier, fields)
    packet = PacketMark(fields[b"k"] == b"1", int(fields[b"pts"]), fields[b"x"].decode())
    return Frame(
        camera_id=camera_id,
        captured_ms=mark.captured_ms,
        data=fields[b"p"],
        counter=mark.counter,
        run_id=mark.run_id,
        packet=packet,
    )


@dataclass(frozen=True, slots=True)
class JpegInfo:
    """Picture size in pixels and number of colour components."""

    width: int
    height: int
    components: int


def starts_like_jpeg(data: bytes) -> bool:
    """Returns whether a JPEG begins within the first bytes."""
    return data.find(_SOI, 0, _LEAD_BYTES + len(_SOI)) >= 0


def is_whole(data: bytes) -> bool:
    """Returns whether `data` holds a JPEG from its start marker to its end marker."""
    try:
        whole_jpeg(data)
    except BadInput:
        return False
    return True


def whole_jpeg(data: bytes) -> bytes:
    """Returns a JPEG without bytes before its start marker or after its end marker.

    Cameras fill up to a block with zeros or whatever their memory held. Decoders stop at the end
    marker, so a second picture behind the first does no harm and is not searched for: that would
    cost more than all other checks together. Raises BadInput when there is no JPEG, or it is cut
    off.
    """
    data = _begun(data)
    return data if data.endswith(_EOI) else data[: _end_of(data)]


def _begun(data: bytes) -> bytes:
    """Returns the bytes from the start marker on, without common fill at the end."""
    start = data.find(_SOI, 0, _LEAD_BYTES + len(_SOI))
    if start < 0:
        raise BadInput("frame", "not a JPEG: the start marker is missing", size=len(data))
    if start:
        data = data[start:]
    return data.rstrip(_FILL) if data[-1] in _FILL else data


def jpegs_in(data: bytes) -> list[bytes]:
    """Returns the JPEGs in `data` that have the first one's size, in order; raises BadInput where
    there is none. Of a multi-picture file (CIPA DC-007) only the first: the others show the same
    moment.
    """
    data = _begun(data)
    if data.endswith(_EOI) and data.find(_SOI, 2) < 0:
        return [data]
    found = [data[: _end_of(data)]]
    size, at = check_jpeg(found[0]), len(found[0])
    while b"MPF\0" not in found[0][:_HEADERS] and starts_like_jpeg(
        data[at : at + _LEAD_BYTES + len(_SOI)]
    ):
        try:
            rest = _begun(data[at:])
            jpeg = rest[: _end_of(rest)]
            if check_jpeg(jpeg) != size:
                break
        except BadInput:
            break
        found.append(jpeg)
        at = data.find(_SOI, at) + len(jpeg)
    return found


def _end_of(data: bytes) -> int:
    """Returns where the JPEG at the start of `data` ends (ITU T.81: within a scan 0xFF is followed
    by 0 or a restart).
    """
    scan = at = _scan_of(data)[1]
    while True:
        found = _MARKER.search(data, at)
        if found is None:
            break
        if found[0] == _EOI:
            return found.end()
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    # a damaged scan holds what looks like markers; decoders make of it what they can
    last = data.rfind(_EOI, scan)
    if last < 0:
        raise BadInput("frame", "a truncated JPEG: the end marker is missing", size=len(data))
    return last + 2


def check_jpeg(data: bytes) -> JpegInfo:
    """Returns the size of a complete JPEG, read from its header without decoding (ITU T.81, annex
    B). Raises BadInput when it is not a JPEG, is cut off, is too large, or has no or absurd
    dimensions: decoders accept many of those, and an absurd size makes them allocate gigabytes.
    """
    if len(data) > MAX_JPEG_BYTES:
        raise BadInput(
            "frame", f"a JPEG of {len(data)} bytes is over the limit of {MAX_JPEG_BYTES}"
        )
    info, _ = _scan_of(whole_jpeg(data))
    return info


def _scan_of(data: bytes) -> tuple[JpegInfo, int]:
    """Returns what the frame header says, and where the first scan's data begins."""
    at, info = 2, None
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            raise BadInput("frame", f"a damaged JPEG: no marker at byte {at}")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in _START_OF_FRAME and info is None:
            info = _frame_header(data[at + 4 : at + 2 + length])
        if length < 2:
            break
        at += 2 + length
        if marker == 0xDA and info is not None:
            return info, at
    if info is None:
        raise BadInput("frame", "a damaged JPEG: no frame header before the picture data")
    raise BadInput("frame", "a truncated JPEG: it has no picture data")


def pixel_aspect(jpeg: bytes) -> tuple[int, int]:
    """Returns a pixel's width to its height by the JFIF header (ITU T.871); (1, 1) where it says
    none.
    """
    if not _has_jfif(jpeg) or jpeg[13] != 0:  # with a unit it is a density for printers
        return 1, 1
    across, down = int.from_bytes(jpeg[14:16], "big"), int.from_bytes(jpeg[16:18], "big")
    if not across or not down or max(across, down) > MOST_ASPECT * min(across, down):
        return 1, 1
    return across // gcd(across, down), down // gcd(across, down)


def with_pixel_aspect(jpeg: bytes, aspect: tuple[int, int]) -> bytes:
    """Returns the same JPEG with this pixel aspect in its JFIF header; unchanged where it has it
    already.
    """
    if aspect[0] == aspect[1] or max(aspect) >= 1 << 16:
        return jpeg
    density = b"\0" + aspect[0].to_bytes(2, "big") + aspect[1].to_bytes(2, "big")
    if _has_jfif(jpeg):
        return jpeg[:13] + density + jpeg[18:]
    return jpeg[:2] + b"\xff\xe0\x00\x10JFIF\0\x01\x01" + density + b"\0\0" + jpeg[2:]


def _has_jfif(jpeg: bytes) -> bool:
    return jpeg[2:4] == b"\xff\xe0" and jpeg[6:11] == b"JFIF\0" and len(jpeg) > 18


def _frame_header(header: bytes) -> JpegInfo:
    if len(header) < 6:
        raise BadInput("frame", "a damaged JPEG: its frame header is cut off")
    height, width = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
    if not (2 <= width <= MAX_SIDE and 2 <= height <= MAX_SIDE):
        raise BadInput(
            "frame", f"a picture of {width}x{height} is outside 2x2 to {MAX_SIDE}x{MAX_SIDE}"
        )
    return JpegInfo(width, height, header[5])
