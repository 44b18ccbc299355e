"""What a door understands of one message, and what it knows beside the message."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any

from shared.domain.errors import BadInput
from shared.domain.pictures import PictureKind

MOST_PLATES = 100
MOST_PLATE = 32
# What each picture shows; there may be several of a kind.
Pictures = Sequence[tuple[PictureKind, bytes]]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A result that is no detection: its place in the message, why, and whether something in it is
    wrong.
    """

    index: int
    reason: str
    wrong: bool = True


@dataclass(frozen=True, slots=True)
class Understood:
    """Detections of a message, each with its result's place in the message, and what was skipped.

    pictures: the message's own by its result's place, as they came: nobody has looked at them yet.
    """

    detections: tuple[tuple[int, dict[str, Any]], ...] = ()
    skipped: tuple[Skipped, ...] = ()
    pictures: Mapping[int, Pictures] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attached:
    """A file that came with a message: in a form, its file name or its field."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What is known beside a message. The sender's address says its camera, the zone of times that
    state none, and the confidence of a read that states none.

    cameras: those that the sender may report for. attached: the files beside the message.
    """

    cameras: Collection[str] = ()
    attached: tuple[Attached, ...] = ()
    camera_id: str | None = None
    zone: tzinfo = UTC
    confidence: float | None = None

    def camera(self, *names: tuple[str, str | None]) -> str:
        """Returns the camera of the address, else the first name of the message that is a camera.

        names: pairs of a field and what the message says there. BadInput names the first field.
        """
        if self.camera_id is not None:
            return self.camera_id
        told = [name for _, name in names if name is not None]
        found = next((name for name in told if name in self.cameras), None)
        if found is None:
            reason = f"no camera {told[0]} in the configuration" if told else "missing"
            raise BadInput(names[0][0], f"{reason}, and no camera_id in the address")
        return found


Message = Mapping[str, Any]
Adapter = Callable[[Message, Door], Understood]
Found = tuple[dict[str, Any], Pictures]


class NoPlate(Exception):
    """A result in which the sender read no plate. Nothing is wrong with it."""


def understood(results: Iterable[Callable[[], Found]], place: str = "") -> Understood:
    """Returns what results of a message become, each by itself.

    results: each returns its detection and pictures, or raises BadInput or NoPlate. place: what
    names a result in a reason, such as `results.{}`.
    """
    detections: list[tuple[int, dict[str, Any]]] = []
    skipped: list[Skipped] = []
    pictures: dict[int, Pictures] = {}
    for index, read in enumerate(results):
        where = f"{place.format(index)}." if place else ""
        try:
            detection, seen = read()
        except BadInput as error:
            skipped.append(Skipped(index, f"{where}{error.message}"))
        except NoPlate as error:
            skipped.append(Skipped(index, f"{where}{error}: none was read", wrong=False))
        else:
            detections.append((index, detection))
            if seen:
                pictures[index] = seen
    return Understood(tuple(detections), tuple(skipped), pictures)


def listed(field_name: str, value: object) -> list[Any]:
    """Returns a message's list of results. BadInput where it is missing, no list, or too long."""
    if not isinstance(value, list):
        raise BadInput(field_name, "missing" if value is None else "not a list")
    if len(value) > MOST_PLATES:
        raise BadInput(field_name, f"{len(value)} are over the limit of {MOST_PLATES}")
    return value


def inner(value: object, *path: str) -> Message:
    """Returns the object at a path of names; an empty one where there is none."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def objects(value: object) -> Iterator[Message]:
    """Yields the objects of a list, or the one object that stands in its place."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, Mapping):
            yield each
