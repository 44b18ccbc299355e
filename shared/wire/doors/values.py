"""Values as makers write them, as a detection has them.

What beside the plate is not understood is left out; a plate, a confidence or a time that is not
understood is a BadInput with the field's name.
"""

from __future__ import annotations

import math
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid5

from shared.domain.errors import BadInput
from shared.domain.names import DETECTION_ID
from shared.domain.pictures import PictureKind
from shared.domain.timing import from_ms
from shared.wire.bounded_json import printable, unstorable
from shared.wire.detections import FURTHEST_PIXEL, NAMESPACE
from shared.wire.doors.understood import MOST_PLATE, Door, NoPlate, Pictures

MOST_WORD = 128
# Epoch seconds reach this in the year 5138, epoch milliseconds did in 1973.
_LEAST_MS = 1e11
_NO_WORD = frozenset({"", "unknown", "unknow", "none", "null", "(null)", "n/a", "other", "-1"})
_NO_PLATE = frozenset({"", "unknown", "noplate", "no plate", "none", "null", "(null)"})
_COMPACT = "%Y%m%d %H%M%S"


def text(value: object) -> str | None:
    """Returns text that can be stored and is not empty; a number as text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    given = str(value).strip() if unstorable(value) is None else ""
    return printable(given) or None


def word(value: object) -> str | None:
    """Returns a word that says something; None for `unknown` and the like."""
    given = text(value)
    return None if given is None or given.lower() in _NO_WORD else given[:MOST_WORD]


def number(value: object) -> float | None:
    """Returns a finite number, also from text."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def speed(value: object) -> float | None:
    """Returns a speed; None for 0 and less, which cameras send when they measured none."""
    found = number(value)
    return found if found is not None and found > 0 else None


def plate(field: str, value: object) -> str:
    """Returns a plate in upper case.

    Raises NoPlate where the sender says that it read none, and BadInput for what is no plate.
    """
    if value is None:
        raise BadInput(field, "missing")
    given = text(value)
    if given is None and not (isinstance(value, str) and not value.strip()):
        raise BadInput(field, "not a plate as text")
    if given is None or given.lower() in _NO_PLATE:
        raise NoPlate(field)
    if len(given) > MOST_PLATE:
        raise BadInput(field, f"{len(given)} characters are over the limit of {MOST_PLATE}")
    return given.upper()


def percent(field: str, value: object, door: Door) -> float:
    """Returns a confidence from 0 to 100 as one from 0 to 1."""
    if _absent(value):
        return _of_the_address(field, door)
    found = _within(field, value, 100)
    if 0 < found < 1:
        # Stored as it is, it would be under every camera's threshold, and nobody would know why.
        raise BadInput(field, f"{found:g} looks like a fraction; this is a number from 0 to 100")
    return round(found / 100, 6)


def fraction(field: str, value: object, door: Door) -> float:
    """Returns a confidence from 0 to 1."""
    return _of_the_address(field, door) if _absent(value) else _within(field, value, 1)


def _absent(value: object) -> bool:
    return value is None or value == ""


def _of_the_address(field: str, door: Door) -> float:
    if door.confidence is None:
        raise BadInput(field, "missing, and no confidence in the address")
    return door.confidence


def _within(field: str, value: object, most: int) -> float:
    found = number(value)
    if found is None or not 0 <= found <= most:
        raise BadInput(field, f"not a number from 0 to {most}")
    return found


def moment(field: str, value: object, door: Door) -> str | None:
    """Returns a time in UTC as RFC 3339; None where there is none.

    Takes epoch seconds or milliseconds, ISO 8601 also with `/` in its date, and `20261127
    180000123`. A time without a zone is of the door's zone.
    """
    if _absent(value):
        return None
    try:
        return _time(value, door).astimezone(UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError) as error:
        raise BadInput(field, "no such time") from error


def _time(value: object, door: Door) -> datetime:
    epoch = number(value)
    if epoch is not None:
        return from_ms(round(epoch if abs(epoch) >= _LEAST_MS else epoch * 1000))
    if not isinstance(value, str):
        raise ValueError("not a time")  # noqa: TRY004 - the caller names the field for both
    given = value.strip().replace("/", "-")
    day, _, rest = given.partition(" ")
    if day.isdigit() and rest[:6].isdigit():
        found = datetime.strptime(f"{day} {rest[:6]}", _COMPACT)  # noqa: DTZ007 - the door's zone follows
        found = found.replace(microsecond=int(rest[6:].ljust(3, "0")[:3] or 0) * 1000)
    else:
        found = datetime.fromisoformat(given)
    return found if found.tzinfo is not None else found.replace(tzinfo=door.zone)


def box(left: object, top: object, width: object, height: object) -> list[float] | None:
    """Returns [x, y, width, height]; None unless all are numbers and it has a size in pixels."""
    sides = [number(each) for each in (left, top, width, height)]
    found = [each for each in sides if each is not None]
    if len(found) < len(sides) or not all(abs(each) < FURTHEST_PIXEL for each in found):
        return None
    return found if min(found[2:]) > 1 else None


def corners(points: Sequence[object]) -> list[float] | None:
    """Returns the box around [left, top, right, bottom]."""
    if len(points) != 4 or any(number(each) is None for each in points):  # noqa: PLR2004 - as many as a box has
        return None
    left, top, right, bottom = (number(each) or 0.0 for each in points)
    return box(left, top, right - left, bottom - top)


def polygon(points: object) -> list[float] | None:
    """Returns the box around points that are objects with x and y."""
    if not isinstance(points, list) or not points:
        return None
    spots = [
        (number(each.get("x")), number(each.get("y")))
        for each in points
        if isinstance(each, Mapping)
    ]
    known = [(x, y) for x, y in spots if x is not None and y is not None]
    if len(known) != len(points):
        return None
    across, down = [x for x, _ in known], [y for _, y in known]
    return corners([min(across), min(down), max(across), max(down)])


def scaled(
    relative: Sequence[float] | None, of: float, width: object, height: object
) -> list[float] | None:
    """Returns a box whose sides are parts of `of` in pixels of a picture of this size; None where
    the size is not known.
    """
    across, down = number(width), number(height)
    if relative is None or across is None or down is None or min(across, down) < 1:
        return None
    x, y, wide, high = (each / of for each in relative)
    return box(round(x * across), round(y * down), round(wide * across), round(high * down))


def same_id(*parts: object) -> str | None:
    """Returns the id of an event: the maker's own one where it can be an id, else one that is
    derived from these facts. None where one of them is missing.
    """
    told = [text(each) for each in parts]
    if any(each is None for each in told):
        return None
    if len(told) == 1 and DETECTION_ID.fullmatch(str(told[0])):
        return told[0]
    return str(uuid5(NAMESPACE, "|".join(map(str, told))))


def attributes(detector: str, **told: object) -> dict[str, Any]:
    """Returns the attributes that say something."""
    return {"detector": detector} | {name: each for name, each in told.items() if each is not None}


def picture(value: object) -> bytes | None:
    """Returns the bytes of a picture, given as they are or in base64 (also with `data:` before it);
    empty where that cannot be read, None where there is none.
    """
    if isinstance(value, str) and value:
        try:
            return b64decode("".join(value.rpartition("base64,")[2].split()))
        except (NotBase64, ValueError):
            return b""
    return value if isinstance(value, bytes) else None


def pictures(*, plate: object = None, scene: object = None) -> Pictures:
    """Returns those that there are."""
    found = ((PictureKind.PLATE, picture(plate)), (PictureKind.SCENE, picture(scene)))
    return [(kind, data) for kind, data in found if data is not None]


def detection(
    shared: Mapping[str, Any], *, detection_id: str | None, bbox: list[float] | None, **own: Any
) -> dict[str, Any]:
    """Returns the JSON of a detection, without what is not known."""
    given = {**shared, **own, "detection_id": detection_id, "bbox": bbox}
    return {name: each for name, each in given.items() if each is not None}
