"""JSON from strangers.

Its nesting is limited before anything recursive reads it, and values that no store takes are named.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

MOST_NESTED = 32
MOST_INTEGER_BITS = 1_024
# A string, or a bracket outside of strings; possessive, so that a long string costs no memory.
_TOKEN = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[\[{]|[\]}]', re.DOTALL)


class TooDeep(ValueError):
    """JSON that is nested deeper than its readers can follow."""


def load_json(data: bytes | str) -> Any:
    """Returns the value in a JSON text; bytes may be UTF-8, UTF-16 or UTF-32.

    Raises ValueError for anything else. Text that is nested deeper than 32 is refused as TooDeep
    before it is parsed: JSON parsers are recursive.
    """
    text = data.decode(json.detect_encoding(data)) if isinstance(data, bytes) else data
    depth = 0
    for token in _TOKEN.finditer(text):
        first = token.group()[0]
        if first in "[{":
            depth += 1
            if depth > MOST_NESTED:
                raise TooDeep(f"nested deeper than {MOST_NESTED}")
        elif first != '"':
            depth -= 1
    return json.loads(text)


def unstorable(value: object) -> str | None:
    """Returns why a value cannot be stored as JSON in a database, or None.

    Checks nesting first, and never recurses.
    """
    waiting: list[tuple[object, int]] = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if isinstance(each, Mapping | list | tuple):
            if depth >= MOST_NESTED:
                return f"nested deeper than {MOST_NESTED}"
            inner = [*each.keys(), *each.values()] if isinstance(each, Mapping) else each
            if isinstance(each, Mapping) and not all(isinstance(key, str) for key in each):
                return "a key is no text"
            waiting += [(one, depth + 1) for one in inner]
        elif (reason := _unfit(each)) is not None:
            return reason
    return None


def _unfit(value: object) -> str | None:
    """Returns why a value without parts cannot be stored."""
    match value:
        case None | bool():
            return None
        case str():
            return _unfit_text(value)
        case int():
            return "a whole number is too large" if value.bit_length() > MOST_INTEGER_BITS else None
        case float():
            return None if math.isfinite(value) else "NaN and Infinity are no JSON"
    return f"a value of type {type(value).__name__} is no JSON"


def _unfit_text(text: str) -> str | None:
    if "\x00" in text:
        return "a NUL character cannot be stored"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair is no character"
    return None


def printable(text: str, most: int = 300) -> str:
    """Returns text that any log, header or store takes: bad characters are replaced, and the end is
    cut off.
    """
    return text.encode("utf-8", "replace").decode().replace("\x00", "?")[:most]
