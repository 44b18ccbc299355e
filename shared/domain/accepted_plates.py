"""Examples of what an entry of a list accepts, for the person who chooses its tolerance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product

from shared.domain.plate_lists import ANY_ONE, ANY_RUN, MOST_TOLERANCE, is_wildcard
from shared.domain.plates import look_alikes, plate_distance, plate_key

MOST_EXAMPLES = 50
MOST_SWAPPED = 3  # characters of one example


@dataclass(frozen=True, slots=True)
class AcceptedPlate:
    """A plate that an entry accepts, and the places in it (from 0) of what differs. In it `?` is
    any one character.
    """

    plate: str
    distance: float
    differs: Sequence[int] = ()


def accepted_plates(plate: str, tolerance: float) -> list[AcceptedPlate]:
    """Returns the plate itself and at most 49 others that it accepts, the closest first.

    Of a wildcard, itself with the places of its stars and question marks.
    """
    key = plate_key(plate)
    if is_wildcard(key):
        wild = [place for place, each in enumerate(key) if each in {ANY_RUN, ANY_ONE}]
        return [AcceptedPlate(key, 0.0, wild)]
    found = [AcceptedPlate(key, 0.0)]
    if tolerance >= MOST_TOLERANCE:
        edited = list(_edited(key))
        found += islice(_swapped(key, tolerance), max(0, MOST_EXAMPLES - 1 - len(edited)))
        found += edited
    else:
        found += islice(_swapped(key, tolerance), MOST_EXAMPLES - 1)
    return found[:MOST_EXAMPLES]


def _swapped(key: str, tolerance: float) -> Iterator[AcceptedPlate]:
    """Yields plates in which look-alikes are swapped: one character, then two, then three."""
    swaps = [(place, other) for place, each in enumerate(key) for other in look_alikes(each)]
    places = sorted({place for place, _ in swaps})
    for count in range(1, MOST_SWAPPED + 1):
        for chosen in combinations(places, count):
            others = [[other for at, other in swaps if at == place] for place in chosen]
            for replaced in product(*others):
                form = list(key)
                for place, other in zip(chosen, replaced, strict=True):
                    form[place] = other
                distance = plate_distance(key, "".join(form))
                if distance <= tolerance:
                    yield AcceptedPlate("".join(form), distance, chosen)


def _edited(key: str) -> Iterator[AcceptedPlate]:
    """Yields plates with one character that is another, is missing, or is too many."""
    for place in range(len(key)):
        yield AcceptedPlate(key[:place] + ANY_ONE + key[place + 1 :], 1.0, [place])
    for place in range(len(key)) if len(key) > 1 else ():
        yield AcceptedPlate(key[:place] + key[place + 1 :], 1.0)
    for place in range(len(key) + 1):
        yield AcceptedPlate(key[:place] + ANY_ONE + key[place:], 1.0, [place])
