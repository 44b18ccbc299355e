"""Normal forms of a plate number for search.

The database's generated columns are equal; a test compares them.
"""

from __future__ import annotations

_SEPARATORS = str.maketrans("", "", " -._/·•")
_LOOK_ALIKES = str.maketrans("OQDILBSZG", "000118526")


def plate_key(plate: str) -> str:
    """Returns the plate in upper case, without separators."""
    return plate.upper().translate(_SEPARATORS)


def plate_folded(plate: str) -> str:
    """Returns the key with one character for all characters that readers confuse."""
    return plate_key(plate).translate(_LOOK_ALIKES)
