"""Rows whose texts name a plate: events, notes, attributes, and lines of the access log."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.domain.plate_mentions import PlateMentions

# Texts that people wrote, each with what names its row.
_NOTES: tuple[tuple[LiteralString, LiteralString], ...] = (
    ("passes", "note"),
    ("pass_reviews", "note"),
    ("pass_hits", "acknowledged_note"),
    ("video_segments", "note"),
    ("shares", "note"),
)
_EVENTS: tuple[LiteralString, ...] = ("outbox", "webhook_deliveries")
_LOOKED: LiteralString = """
    SELECT id, at, who, action, segment_id, purpose, case_number AS "case", details FROM access_log
     WHERE id > %(after)s ORDER BY id LIMIT %(limit)s
"""


def holds_key(text: LiteralString) -> LiteralString:
    """Returns a condition that a text may name the plate: a first look, which finds too much."""
    return f"strpos(translate(upper({text}), ' -._/·•', ''), %(key)s) > 0"


def args_of(mentions: PlateMentions) -> dict[str, Any]:
    """Returns the arguments of `holds_key`: the plate as JSON writes it, which is no other for
    letters and digits.
    """
    return {"key": json.dumps(mentions.key, ensure_ascii=False)[1:-1]}


def erase_events(
    connection: Connection, mentions: PlateMentions, pass_ids: Collection[UUID]
) -> None:
    """Delete events of a plate and its passes, told or not; take it from others."""
    passes = {str(each) for each in pass_ids}
    for table in _EVENTS:
        rows = connection.execute(
            f"""
            SELECT id, body FROM {table}
             WHERE {holds_key("body::text")} OR body->>'pass_id' = ANY(%(passes)s) FOR UPDATE
            """,
            {**args_of(mentions), "passes": list(passes)},
        ).fetchall()
        own = {
            row["id"]
            for row in rows
            if row["body"].get("pass_id") in passes or mentions.is_plate(row["body"].get("plate"))
        }
        connection.execute(f"DELETE FROM {table} WHERE id = ANY(%s)", [list(own)])
        for row in rows:
            body = mentions.without(row["body"])
            if row["id"] not in own and body != row["body"]:
                connection.execute(
                    f"UPDATE {table} SET body = %s WHERE id = %s", [Jsonb(body), row["id"]]
                )


def erase_notes(connection: Connection, mentions: PlateMentions) -> None:
    """Take a plate from what people wrote about passes and clips, and from open sessions."""
    for table, column in _NOTES:
        rows = connection.execute(
            f"SELECT id, {column} AS text FROM {table} WHERE {column} IS NOT NULL AND {holds_key(column)} FOR UPDATE",
            args_of(mentions),
        ).fetchall()
        for row in rows:
            connection.execute(
                f"UPDATE {table} SET {column} = %s WHERE id = %s",
                [mentions.without(row["text"]), row["id"]],
            )
    for row in connection.execute(
        "SELECT digest, purpose, case_number FROM sessions FOR UPDATE"
    ).fetchall():
        stated = [mentions.without(row["purpose"]), mentions.without(row["case_number"])]
        if stated != [row["purpose"], row["case_number"]]:
            connection.execute(
                "UPDATE sessions SET purpose = %s, case_number = %s WHERE digest = %s",
                [*stated, row["digest"]],
            )


def erase_attributes(
    connection: Connection, mentions: PlateMentions, pass_ids: Collection[UUID]
) -> None:
    """Take a plate from what detectors said beside the reads of these passes."""
    given = {**args_of(mentions), "passes": list(pass_ids)}
    for row in connection.execute(
        f"""
        SELECT detection_id, camera_id, attributes FROM detections
         WHERE pass_id = ANY(%(passes)s) AND {holds_key("attributes::text")}
        """,
        given,
    ).fetchall():
        connection.execute(
            "UPDATE detections SET attributes = %s WHERE detection_id = %s AND camera_id = %s",
            [Jsonb(mentions.without(row["attributes"])), row["detection_id"], row["camera_id"]],
        )
    for row in connection.execute(
        f"SELECT id, attributes FROM passes WHERE id = ANY(%(passes)s) AND {holds_key('attributes::text')}",
        given,
    ).fetchall():
        connection.execute(
            "UPDATE passes SET attributes = %s WHERE id = %s",
            [Jsonb(mentions.without(row["attributes"])), row["id"]],
        )


def named_lines(
    connection: Connection, mentions: PlateMentions, after: int, limit: int
) -> tuple[list[DictRow], int | None]:
    """Looks at `limit` lines of the access log. Returns those that name a plate, and where to go
    on.
    """
    texts: LiteralString = "concat_ws(E'\\n', details::text, purpose, \"case\")"
    rows = connection.execute(
        f"""
        WITH looked AS MATERIALIZED ({_LOOKED})
        SELECT looked.*, (SELECT count(*) FROM looked) AS seen, (SELECT max(id) FROM looked) AS last
          FROM looked WHERE {holds_key(texts)} OR id = (SELECT max(id) FROM looked) ORDER BY id
        """,
        {**args_of(mentions), "after": after, "limit": limit},
    ).fetchall()
    if not rows:
        return [], None
    following = rows[-1]["last"] if rows[-1]["seen"] == limit else None
    return [_line(row) for row in rows if _struck(row, mentions) != _texts(row)], following


def strike_out(
    connection: Connection, mentions: PlateMentions, after: int, limit: int
) -> tuple[int, int | None]:
    """Take a plate from the lines that `named_lines` finds. Returns how many, and where to go
    on.
    """
    lines, following = named_lines(connection, mentions, after, limit)
    for line in lines:
        struck = _struck(line, mentions)
        connection.execute(
            "UPDATE access_log SET details = %s, purpose = %s, case_number = %s WHERE id = %s",
            [Jsonb(struck["details"]), struck["purpose"], struck["case"], line["id"]],
        )
    return len(lines), following


def _texts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("details", "purpose", "case")}


def _struck(row: Mapping[str, Any], mentions: PlateMentions) -> dict[str, Any]:
    return {name: mentions.without(value) for name, value in _texts(row).items()}


def _line(row: DictRow) -> DictRow:
    return {name: value for name, value in row.items() if name not in {"seen", "last"}}
