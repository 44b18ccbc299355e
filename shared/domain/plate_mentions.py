"""Where texts name a plate, in whatever spelling, and these texts without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from shared.domain.plates import plate_key

ERASED = "(erased)"
_SEPARATORS = r"[ \-._/·•]*"
# What the access log and events have under these names is no plate, whatever it looks like.
_NO_PLATES = frozenset(
    {
        "at", "bytes", "camera_id", "captured_at", "cursor", "day_from", "day_to", "detection_id", "first_at", "from",
        "last_at", "limit", "pass_id", "segment_id", "to", "tz", "what",
    }
)  # fmt: skip


class PlateMentions:
    """Finds one plate in texts: as a word of its own, with any separators, in upper or lower
    case.
    """

    def __init__(self, plate: str) -> None:
        self.key = plate_key(plate)
        letters = _SEPARATORS.join(re.escape(each) for each in self.key)
        self._word = re.compile(rf"(?<![^\W_]){letters}(?![^\W_])", re.IGNORECASE)

    def is_plate(self, text: object) -> bool:
        """Returns whether a text is this plate and nothing else."""
        return isinstance(text, str) and plate_key(text) == self.key

    def without(self, value: Any, name: str = "") -> Any:
        """Returns a text, or a JSON value, in which the plate is replaced by `(erased)`.

        name: of the field that has it. What can be no plate stays: ids, times, numbers.
        """
        if isinstance(value, str):
            return value if name in _NO_PLATES or _is_id(value) else self._text(value)
        if isinstance(value, Mapping):
            return {key: self.without(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self.without(each, name) for each in value]
        return value

    def _text(self, text: str) -> str:
        return ERASED if self.is_plate(text) else self._word.sub(ERASED, text)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
