"""Normal forms of a plate number for search, and how far two plates are apart.

The database's generated columns and its distance are equal; tests compare them.
"""

from __future__ import annotations

from functools import lru_cache

ALIKE = 1.0  # the distance up to which two plates can be two reads of one
SHORT = 4  # of shorter ones, such as fragments, every two are hardly an edit apart

_SEPARATORS = str.maketrans("", "", " -._/·•")
_LOOK_ALIKES = str.maketrans("OQDILBSZG", "000118526")
_ALIKE = ("0OQD", "1IL", "8B", "5S", "2Z", "6G")


def plate_key(plate: str) -> str:
    """Returns the plate in upper case, without separators."""
    return plate.upper().translate(_SEPARATORS)


def plate_folded(plate: str) -> str:
    """Returns the key with one character for all characters that readers confuse."""
    return plate_key(plate).translate(_LOOK_ALIKES)


def look_alikes(character: str) -> str:
    """Returns the other characters that readers take for one of a plate's key."""
    group = next((each for each in _ALIKE if character in each), "")
    return group.replace(character, "")


def plate_distance(one: str, other: str) -> float:
    """Returns how far two plates are apart: edits of the folded plates, and a tenth for each edit
    that only takes one look-alike character for another. 0 is the same plate.
    """
    one, other = plate_key(one), plate_key(other)
    edits = _edits(one, other)
    of_folded = _edits(plate_folded(one), plate_folded(other)) if edits else 0
    return (9 * of_folded + edits) / 10


@lru_cache(maxsize=100_000)
def alike(one: str, other: str) -> bool:
    """Returns whether two plates (normal forms) can be two reads of one."""
    if one == other:
        return True
    if abs(len(one) - len(other)) > 1:
        return False
    if plate_folded(one) == plate_folded(other):
        return plate_distance(one, other) <= ALIKE
    # Of folded plates that differ, only those are no further apart that differ in one edit.
    return min(len(one), len(other)) >= SHORT and _one_edit(one, other)


def _one_edit(one: str, other: str) -> bool:
    """Returns whether one insertion, deletion or replacement makes one of the other."""
    same = next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None
    )
    if same is None:
        return True
    if len(one) == len(other):
        return one[same + 1 :] == other[same + 1 :]
    shorter, longer = sorted((one, other), key=len)
    return shorter[same:] == longer[same + 1 :]


def _edits(one: str, other: str) -> int:
    """Returns the fewest insertions, deletions and replacements that make one of the other."""
    if one == other:
        return 0
    above = list(range(len(other) + 1))
    for row, character in enumerate(one, start=1):
        left = row
        line = [left]
        for column, candidate in enumerate(other):
            left = min(left + 1, above[column + 1] + 1, above[column] + (character != candidate))
            line.append(left)
        above = line
    return above[-1]
