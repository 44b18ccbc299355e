"""Pieces that statements of lists have in common: places, plates, attributes, totals."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any, LiteralString

from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.domain.errors import BadInput
from shared.domain.plates import plate_folded, plate_key
from shared.domain.timing import to_ms

# So many matches are counted; of more, a list says that there are more.
COUNTED = 10_000
MOST_ATTRIBUTES = 8
SIMILARITY = "0.25"  # of trigrams: one wrong character of four, two neighbours of seven
MOST_EDITS = 2
# Edits of folded plates; characters that readers take for each other count a tenth.
DISTANCE: LiteralString = """
    levenshtein(plate_folded, %(folded)s)
        + (levenshtein(plate_key, %(plate)s) - levenshtein(plate_folded, %(folded)s)) / 10.0
"""


@dataclass(slots=True)
class Pieces:
    """The pieces of one statement. `counted`: conditions that counters know too.

    near: a part in front that finds nearly equal plates, with their distance.
    """

    args: dict[str, Any]
    source: LiteralString
    near: LiteralString = ""
    distance: LiteralString = "0::float8"
    counted: list[LiteralString] = field(default_factory=list)
    others: list[LiteralString] = field(default_factory=list)

    @property
    def where(self) -> LiteralString:
        """All conditions as one."""
        return " AND ".join([*self.counted, *self.others]) or "true"

    def add(self, condition: LiteralString, **args: object) -> None:
        """Add a condition that no counter knows."""
        self.others.append(condition)
        self.args |= args

    def add_attributes(self, column: LiteralString, attributes: Mapping[str, str]) -> None:
        """Add that a column has these attributes, each as text or as the JSON that the text is."""
        if len(attributes) > MOST_ATTRIBUTES:
            raise BadInput("attribute", f"at most {MOST_ATTRIBUTES} can be asked for at once")
        for number, (name, text) in enumerate(attributes.items()):
            alternatives: list[LiteralString] = []
            for place, value in enumerate(_values(text)):
                self.args[f"attribute_{number}_{place}"] = Jsonb({name: value})
                alternatives.append(f"{column} @> %(attribute_{number}_{place})s")
            either: LiteralString = " OR ".join(alternatives)
            self.others.append(f"({either})")

    def add_cameras(self, camera_id: str | None, cameras: Sequence[str] | None) -> None:
        """Add the camera that is asked for, and those that the caller may see."""
        if camera_id is not None:
            self.counted.append("camera_id = %(camera_id)s")
            self.args["camera_id"] = camera_id
        if cameras is not None:
            self.counted.append("camera_id = ANY(%(cameras)s)")
            self.args["cameras"] = list(cameras)


def _values(text: str) -> list[object]:
    """Returns what an attribute may be where somebody asks for this text."""
    try:
        value = json.loads(text)
    except ValueError:
        return [text]
    if isinstance(value, str | dict | list):
        return [text]
    if isinstance(value, float) and not isfinite(value):  # JSON has no such number
        return [text]
    return [text, value]


def pattern_of(key: str) -> str | None:
    """Returns the LIKE pattern of a plate's normal form with * and ?; None without any."""
    if "*" not in key and "?" not in key:
        return None
    escaped = key.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def key_asked(plate: str) -> str:
    """Returns the normal form of a plate to look for. Raises BadInput where nothing is left."""
    key = plate_key(plate)
    if not key:
        raise BadInput("plate", "has no letter or digit")
    return key


def near_args(key: str) -> dict[str, str]:
    """Returns the parameters of DISTANCE."""
    return {"plate": key, "folded": plate_folded(key)}


def allow_near(connection: Connection) -> None:
    """Set how similar a plate must be to be looked at closely, for this transaction."""
    connection.execute("SELECT set_config('pg_trgm.similarity_threshold', %s, true)", [SIMILARITY])


def total_of(connection: Connection, pieces: Pieces, counter: LiteralString) -> tuple[int, bool]:
    """Returns how many match, and whether there are more than were counted.

    counter: a condition on the counters' kind, which count where they know every condition.
    """
    if not pieces.near and not pieces.others:
        where: LiteralString = " AND ".join(["true", *pieces.counted])
        row = connection.execute(
            f"SELECT sum(number)::bigint AS n FROM read_totals WHERE {counter} AND {where}",
            pieces.args,
        ).fetchone()
        return (0 if row is None else int(row["n"] or 0)), False
    prefix: LiteralString = f"WITH {pieces.near}" if pieces.near else ""
    row = connection.execute(
        f"""
        {prefix} SELECT count(*) AS n FROM (SELECT FROM {pieces.source} WHERE {pieces.where}
                                             LIMIT {COUNTED + 1}) found
        """,
        pieces.args,
    ).fetchone()
    count = 0 if row is None else int(row["n"])
    return min(count, COUNTED), count > COUNTED


def write_cursor(at: datetime, *names: str, distance: float = 0.0) -> str:
    """Returns where a list goes on: after a time, and names that make it one place."""
    place = [at.isoformat(), list(names), distance]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def read_cursor(cursor: str, names: int) -> tuple[datetime, list[str], float]:
    """Returns what `write_cursor` was given. Raises BadInput."""
    try:
        moment, given, distance = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        at = datetime.fromisoformat(moment)
        to_ms(at)
        if len(given) == names and all(isinstance(each, str) for each in given):
            return at, given, float(distance)
    except (ValueError, TypeError, AttributeError, binascii.Error) as error:
        raise BadInput("cursor", "not a cursor of this list") from error
    raise BadInput("cursor", "not a cursor of this list")
