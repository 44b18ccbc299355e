"""Durations and sizes as people write them: 30, `30s`, `5m`, `90d`; 500000, `500GB`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

_DURATION = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SIZE = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
         "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}  # fmt: skip
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")


def _parse(
    value: object, units: dict[str, float] | dict[str, int], plain: str, examples: str
) -> object:
    if not isinstance(value, str):
        return value
    found = _QUANTITY.fullmatch(value)
    unit = found[2] if found else ""
    factor = units.get(unit or plain) if found else None
    if found is None or factor is None:
        raise ValueError(f"not understood; write {examples}")
    return float(found[1]) * factor


def seconds(value: object) -> object:
    """Returns the seconds of a duration; other types pass on to the next validator."""
    return _parse(value, _DURATION, "s", "seconds, or 500ms, 30s, 5m, 12h, 90d")


def days(value: object) -> object:
    """Returns the days of a duration; a bare number is days already."""
    return _parse(
        value,
        {"": 1.0} | {unit: f / 86_400 for unit, f in _DURATION.items()},
        "",
        "days, or 12h, 90d",
    )


def size_bytes(value: object) -> object:
    """Returns the bytes of a size; decimal units as disks are sold (GB), and binary ones (GiB)."""
    parsed = _parse(
        value.upper() if isinstance(value, str) else value,
        _SIZE,
        "B",
        "bytes, or 500MB, 2TB, 16GiB",
    )
    return round(parsed) if isinstance(parsed, float) else parsed


Seconds = Annotated[float, BeforeValidator(seconds), Field(allow_inf_nan=False)]
Days = Annotated[float, BeforeValidator(days), Field(allow_inf_nan=False)]
Bytes = Annotated[int, BeforeValidator(size_bytes)]
