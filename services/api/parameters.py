"""Types of parameters that several routes take."""

from __future__ import annotations

from typing import Annotated, Any
from zoneinfo import ZoneInfo, available_timezones

from fastapi import Query, Request

from shared.domain.errors import BadInput
from shared.wire.bounded_json import unstorable

_ATTRIBUTE = "attribute."
MOST_CHARACTERS = 128


# which are names of this host's files, not of zones
ZONES = available_timezones() - {"localtime", "Factory"}
Text = Annotated[str, Query(max_length=128, pattern=r"^[^\x00]*$")]
Plate = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*[^\x00 ._/·•-][^\x00]*$")]
Limit = Annotated[int, Query(ge=1, le=100)]
Cursor = Annotated[str, Query(max_length=400)]
Confidence = Annotated[float, Query(ge=0, le=1)]
TimeOfDay = Annotated[str, Query(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")]
TimeZone = Annotated[str, Query(alias="tz", max_length=64)]
Seconds = Annotated[float, Query(ge=0, le=1e9)]


def zone_named(name: str) -> ZoneInfo:
    """Returns the time zone; raises BadInput where there is none of this name."""
    if name not in ZONES:
        raise BadInput("tz", "no such time zone; write one as Europe/Berlin")
    return ZoneInfo(name)


ATTRIBUTES: dict[str, Any] = {
    "parameters": [
        {
            "name": "attribute.NAME",
            "in": "query",
            "required": False,
            "schema": {"type": "string", "maxLength": 128},
            "description": "An attribute that must have this value; NAME is its name.",
        }
    ]
}


def attributes_of(request: Request) -> dict[str, str]:
    """Returns the attributes that are asked for: `attribute.NAME=value`; a name may have dots."""
    found: dict[str, str] = {}
    for key, value in request.query_params.multi_items():
        if not key.startswith(_ATTRIBUTE):
            continue
        name = key.removeprefix(_ATTRIBUTE)
        if not name or len(name) > MOST_CHARACTERS or len(value) > MOST_CHARACTERS:
            raise BadInput("attribute", "write attribute.NAME=value, each of 1 to 128 characters")
        if unstorable([name, value]) is not None:
            raise BadInput("attribute", "holds a character that cannot be stored")
        if found.setdefault(name, value) != value:
            raise BadInput(key, "is asked for twice, with two values")
    return found
