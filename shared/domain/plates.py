"""What of a plate counts when it is looked for. The database's generated columns do the same; a test compares them."""

from __future__ import annotations

_SEPARATORS = str.maketrans("", "", " -._/·•")
_LOOK_ALIKES = str.maketrans("OQDILBSZG", "000118526")


def plate_key(plate: str) -> str:
    """Upper case, without separators."""
    return plate.upper().translate(_SEPARATORS)


def plate_folded(plate: str) -> str:
    """The key with one character for all that readers take for each other."""
    return plate_key(plate).translate(_LOOK_ALIKES)
