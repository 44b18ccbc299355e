"""The parameter sets at the head of a part: what all parts of a clip must share to be joined by
copying.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from shared.domain.codec import Codec

_VOP_START = b"\x00\x00\x01\xb6"
_H264_SETS = {7, 8}
_HEVC_SETS = {32, 33, 34}
_H264_SEI, _RECOVERY_POINT, _MORE = 6, 6, 0xFF
_H264_IDR, _HEVC_IRAP = {5}, set(range(16, 24))
_AV1_SEQUENCE_HEADER = 1


def parameters_sha256(codec: Codec, first_packet: bytes, width: int, height: int) -> str:
    """Returns a hash of a part's parameters, from its first packet.

    ITU-T H.264 and H.265, annex B: the parameter set units. AV1 (section 5.5): the sequence header.
    MPEG-4 part 2: everything before the first picture. Motion JPEG: every picture has its own
    tables, so the size alone.
    """
    if codec == Codec.MJPEG:
        return sha256(f"{width}x{height}".encode()).hexdigest()
    return sha256(parameter_sets(codec, first_packet)).hexdigest()


def parameter_sets(codec: Codec, packet: bytes) -> bytes:
    """Returns the parameter sets in a packet; empty where it has none."""
    return _SETS[codec](packet)


def begins_anew(codec: Codec, packet: bytes) -> bool:
    """Returns whether a packet of H.264 or H.265 holds a picture that refers to none before it
    (IDR; IRAP in H.265).
    """
    kinds = {
        unit[0] & 0x1F if codec == Codec.H264 else unit[0] >> 1 & 0x3F for unit in _units(packet)
    }
    return bool(kinds & (_H264_IDR if codec == Codec.H264 else _HEVC_IRAP))


def has_recovery_point(packet: bytes) -> bool:
    """Returns whether a packet of H.264 says that decoding can begin here (ITU-T H.264, D.2.8)."""
    return any(_RECOVERY_POINT in _messages(u) for u in _units(packet) if u[0] & 0x1F == _H264_SEI)


def _messages(sei: bytes) -> set[int]:
    """Returns the types of a unit's messages (ITU-T H.264, 7.3.2.3.1)."""
    found, at = set(), 1
    while at + 2 < len(sei):  # a message has a type and a size, and one byte ends the unit
        kind, at = _number(sei, at)
        size, at = _number(sei, at)
        found.add(kind)
        at += size
    return found


def _number(sei: bytes, at: int) -> tuple[int, int]:
    """Returns a number of bytes of 255 and a last one, and where it ends."""
    number = 0
    while at < len(sei):
        number, at = number + sei[at], at + 1
        if sei[at - 1] != _MORE:
            break
    return number, at


def _units(packet: bytes) -> list[bytes]:
    return [
        u for u in packet.replace(b"\x00\x00\x00\x01", b"\x00\x00\x01").split(b"\x00\x00\x01") if u
    ]


def _h264(packet: bytes) -> bytes:
    return b"".join(unit for unit in _units(packet) if unit[0] & 0x1F in _H264_SETS)


def _hevc(packet: bytes) -> bytes:
    return b"".join(unit for unit in _units(packet) if unit[0] >> 1 & 0x3F in _HEVC_SETS)


def _mp4v(packet: bytes) -> bytes:
    return packet.split(_VOP_START)[0]


def _av1(packet: bytes) -> bytes:
    at = 0
    while at < len(packet):
        kind, extended, sized = packet[at] >> 3 & 0xF, packet[at] >> 2 & 1, packet[at] >> 1 & 1
        at += 1 + extended
        if not sized:
            return packet[at:] if kind == _AV1_SEQUENCE_HEADER else b""
        size, at = _leb128(packet, at)
        if kind == _AV1_SEQUENCE_HEADER:
            return packet[at : at + size]
        at += size
    return b""


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            break
    return value, at


def _none(_: bytes) -> bytes:
    return b""


_SETS: dict[Codec, Callable[[bytes], bytes]] = {
    Codec.H264: _h264,
    Codec.HEVC: _hevc,
    Codec.AV1: _av1,
    Codec.MP4V: _mp4v,
    Codec.MJPEG: _none,
}
