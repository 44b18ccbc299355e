"""Where plates are in a clip, for copies that mark or hide them. Pure.

Times are milliseconds after the clip's first frame, boxes are in pixels of the clip.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

from shared.domain.codec import CODECS
from shared.domain.media import Box
from shared.domain.policy import RecordingPolicy
from shared.domain.timing import from_ms

MARK_HOLD_MS, MARK_JOIN_MS = 300, 1_000
BLUR_HOLD_MS, BLUR_JOIN_MS = 500, 500
# of a box on each side: a reader's box often ends at the characters, not at the plate's border
BLUR_MARGIN, LEAST_MARGIN = 0.2, 4


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a plate was at one moment."""

    at_ms: int
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """The way of one plate through a clip. places: in order of time, no two at once."""

    label: str
    places: Sequence[Placed]
    _times: list[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_times", [each.at_ms for each in self.places])

    def marked_at(self, at_ms: int) -> Box | None:
        """Returns where to draw its box: between two near reads on the line between them, else
        where it was read last or next, for a moment.
        """
        before, after = self._around(at_ms)
        if before and after and after.at_ms - before.at_ms <= MARK_JOIN_MS:
            return _between(before, after, at_ms)
        near = _nearest(before, after, at_ms)
        return None if near is None or abs(near.at_ms - at_ms) > MARK_HOLD_MS else near.box

    def hidden_at(self, at_ms: int) -> Box | None:
        """Returns what to blur, or None.

        Between two reads that are far apart it is everything from the one box to the other. Before
        the first and after the last it is the box with where its movement would lead.
        """
        before, after = self._around(at_ms)
        if before and after:
            near = after.at_ms - before.at_ms <= BLUR_JOIN_MS
            box = _between(before, after, at_ms) if near else _hull(before.box, after.box)
            return _grown(box)
        only = before or after
        if only is None or abs(only.at_ms - at_ms) > BLUR_HOLD_MS:
            return None
        return _grown(_hull(only.box, self._moved(only, at_ms)))

    def _around(self, at_ms: int) -> tuple[Placed | None, Placed | None]:
        number = bisect_right(self._times, at_ms)
        before = self.places[number - 1] if number else None
        return before, self.places[number] if number < len(self.places) else None

    def _moved(self, end: Placed, at_ms: int) -> Box:
        """Returns where the first or last box is at a moment outside, if it moves on as it did."""
        if len(self.places) < 2:  # noqa: PLR2004 - a movement has two ends
            return end.box
        other = self.places[1] if end is self.places[0] else self.places[-2]
        if abs(other.at_ms - end.at_ms) > MARK_JOIN_MS:
            return end.box
        share = (at_ms - end.at_ms) / (end.at_ms - other.at_ms)
        return Box(
            round(end.box.x + (end.box.x - other.box.x) * share),
            round(end.box.y + (end.box.y - other.box.y) * share),
            end.box.width,
            end.box.height,
        )


def _nearest(before: Placed | None, after: Placed | None, at_ms: int) -> Placed | None:
    there = [each for each in (before, after) if each is not None]
    return min(there, key=lambda each: abs(each.at_ms - at_ms), default=None)


def _between(before: Placed, after: Placed, at_ms: int) -> Box:
    share = (at_ms - before.at_ms) / (after.at_ms - before.at_ms)

    def at(first: int, last: int) -> int:
        return round(first + (last - first) * share)

    one, other = before.box, after.box
    return Box(
        at(one.x, other.x),
        at(one.y, other.y),
        at(one.width, other.width),
        at(one.height, other.height),
    )


def _hull(one: Box, other: Box) -> Box:
    left, top = min(one.x, other.x), min(one.y, other.y)
    right = max(one.x + one.width, other.x + other.width)
    return Box(left, top, right - left, max(one.y + one.height, other.y + other.height) - top)


def _grown(box: Box) -> Box:
    across = max(LEAST_MARGIN, round(box.width * BLUR_MARGIN))
    down = max(LEAST_MARGIN, round(box.height * BLUR_MARGIN))
    return Box(box.x - across, box.y - down, box.width + 2 * across, box.height + 2 * down)


@dataclass(frozen=True, slots=True)
class BurntTime:
    """The time that is written into each picture: in UTC and, if it is another, in a zone."""

    first_frame_ms: int
    zone: ZoneInfo

    def lines(self, at_ms: int) -> list[str]:
        """Returns what stands in the picture that is shown then."""
        moment = from_ms(self.first_frame_ms + at_ms)
        local = moment.astimezone(self.zone)
        lines = [f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d} UTC"]
        if self.zone.key != "UTC":
            written = f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}"
            lines.append(f"{written} {self.zone.key} ({local:%z})")
        return lines


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendition:
    """A copy of a clip with changed pictures, and the name of its file. hidden: tracks that are
    blurred; marked: tracks whose box and label are drawn.
    """

    name: str
    hidden: Sequence[Track] = ()
    marked: Sequence[Track] = ()
    time: BurntTime | None = None


def frame_scale(
    policy: RecordingPolicy, clip: tuple[int, int], camera: tuple[int, int] | None
) -> tuple[float, float] | None:
    """Returns how many pixels of the clip a pixel of the camera's frame is, across and down. None
    where the camera's size is needed and not known.
    """
    row = CODECS.get(policy.codec)
    if policy.scale is None and not (row is not None and row.square_pixels):
        return 1.0, 1.0
    if policy.scale is not None and "x" not in policy.scale:
        return float(policy.scale), float(policy.scale)
    if camera is None or 0 in camera:
        return (1.0, 1.0) if policy.scale is None else None
    return clip[0] / camera[0], clip[1] / camera[1]


def placed(
    at_ms: int, bbox: Sequence[float] | None, scale: tuple[float, float] | None
) -> Placed | None:
    """Returns where a detection's box is in the clip; None where nobody can tell."""
    if bbox is None or scale is None:
        return None
    x, y, width, height = bbox
    return Placed(
        at_ms,
        Box(
            round(x * scale[0]),
            round(y * scale[1]),
            max(1, round(width * scale[0])),
            max(1, round(height * scale[1])),
        ),
    )


def track(label: str, places: Sequence[Placed | None]) -> Track:
    """Returns a track of those places that are known. Of several at one moment the first counts."""
    found: dict[int, Placed] = {}
    for each in places:
        if each is not None:
            found.setdefault(each.at_ms, each)
    return Track(label=label, places=[found[at] for at in sorted(found)])
