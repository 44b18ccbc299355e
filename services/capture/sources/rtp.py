"""H.264 out of RTP packets (RFC 3550, RFC 6184), a picture at a time.

It knows what nearly every camera sends. Whatever else comes raises Unsuited: FFmpeg knows more.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.capture.sources.http import Unsuited
from services.capture.sources.picture import SourceLost

CLOCK_HZ = 90_000
START = b"\0\0\0\1"
_VERSION, _HEAD = 0x80, 12
_FU_HEAD, _INSIDE = 2, 0x3F  # of a fragment: neither the first nor the last of its unit
_SINGLE_NAL, _STAP_A, _FU_A = range(1, 24), 24, 28
_SLICES = frozenset((1, 2, 5))  # kinds of units that hold a picture
_HALF, _WHOLE = 1 << 31, 1 << 32
MOST_PIECES = 100_000
LONGEST_STEP_BACK = 3 * CLOCK_HZ  # further back, the camera has begun its count anew


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture, annex B. kinds: the types of its units; at_s: by the camera's clock."""

    data: bytes
    kinds: frozenset[int]
    at_s: float


class Depacketizer:
    """One camera's RTP packets, in the order in which they came.

    payload_type: of the camera's video. Raises Unsuited for pictures that are not sent in the order
    in which they are shown (B-frames), and for more than one picture of the same time.
    """

    def __init__(self, payload_type: int) -> None:
        self._type = payload_type
        self._pieces: list[bytes] = []
        self._kinds: set[int] = set()
        self._stamp = b""  # of the picture that is being collected
        self._last: int | None = None  # of the last whole one
        self._wraps = 0
        self._inside = False  # a unit that comes in fragments
        self.open = False  # whether a picture has begun and not ended

    def check_size(self) -> None:
        """Raise SourceLost where a picture never ends."""
        if len(self._pieces) > MOST_PIECES:
            raise SourceLost("the source cannot be read: a picture that does not end")

    def take(self, data: bytes, at: int, stop: int) -> AccessUnit | None:
        """Take the RTP packet data[at:stop]. Returns the picture that it completes."""
        body = at + _HEAD
        if stop - body < _FU_HEAD:
            return None
        first, second, stamp = data[at], data[at + 1], data[at + 4 : body - 4]
        if (
            self._inside
            and second == self._type
            and first == _VERSION
            and stamp == self._stamp
            and data[body] & 0x1F == _FU_A
            and data[body + 1] <= _INSIDE
        ):  # what most packets are: the middle of a unit
            self._pieces.append(data[body + _FU_HEAD : stop])
            return None
        if second & 0x7F != self._type:
            return None
        if first != _VERSION:
            body, stop = _body(data, at, stop)
            if body >= stop:
                return None
        done = None
        if stamp != self._stamp:
            done = self._finished()  # the camera sets no marker
            self._stamp = stamp
        self.open = True
        self._unit(data, body, stop)
        if not second & 0x80:
            return done
        self.open = False
        return done or self._finished()

    def _unit(self, data: bytes, at: int, stop: int) -> None:
        kind = data[at] & 0x1F
        if kind == _FU_A:
            self._fragment(data, at, stop)
        elif kind in _SINGLE_NAL:
            self._kinds.add(kind)
            self._pieces += (START, data[at:stop])
        elif kind == _STAP_A:
            at += 1
            while at + 2 < stop:
                size = data[at] << 8 | data[at + 1]
                unit = data[at + 2 : min(stop, at + 2 + size)]
                if unit:
                    self._kinds.add(unit[0] & 0x1F)
                    self._pieces += (START, unit)
                at += 2 + size
        else:
            raise Unsuited(f"RTP packets of type {kind}")

    def _fragment(self, data: bytes, at: int, stop: int) -> None:
        """A fragment without a beginning is dropped: no decoder can use it."""
        if stop - at < _FU_HEAD:
            return
        mark = data[at + 1]
        if mark & 0x80:
            kind = mark & 0x1F
            self._kinds.add(kind)
            self._pieces += (START, bytes((data[at] & 0xE0 | kind,)))
            self._inside = True
        if self._inside:
            self._pieces.append(data[at + _FU_HEAD : stop])
        if mark & 0x40:
            self._inside = False

    def _finished(self) -> AccessUnit | None:
        """Returns the picture that was collected.

        Parameter sets that come with a marker of their own wait for the picture that they are for.
        """
        if self._kinds.isdisjoint(_SLICES):
            return None
        at_s = self._place(int.from_bytes(self._stamp, "big")) / CLOCK_HZ
        made = AccessUnit(b"".join(self._pieces), frozenset(self._kinds), at_s)
        self._pieces, self._kinds, self._inside = [], set(), False
        return made

    def _place(self, stamp: int) -> int:
        """Returns a picture's time in ticks that never wrap."""
        last, self._last = self._last, stamp
        if last is None:
            return stamp
        passed = (stamp - last) % _WHOLE
        if passed == 0:
            raise Unsuited("several pictures of one time")
        if passed >= _HALF:
            if _WHOLE - passed < LONGEST_STEP_BACK:
                raise Unsuited("pictures out of order (B-frames)")
            self._wraps -= stamp > last
        else:
            self._wraps += stamp < last
        return stamp + self._wraps * _WHOLE


def _body(data: bytes, at: int, stop: int) -> tuple[int, int]:
    """Returns where the payload of a packet with padding, sources or an extension begins and
    ends.
    """
    first = data[at]
    if first & 0xC0 != _VERSION:
        return stop, stop
    if first & 0x20:
        stop -= data[stop - 1]
    body = at + _HEAD + 4 * (first & 0x0F)
    if first & 0x10 and body + 4 <= stop:
        body += 4 + 4 * int.from_bytes(data[body + 2 : body + 4], "big")
    return body, stop
