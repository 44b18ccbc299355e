"""The lists that passes are on, and the alerts of those that are wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import Cursor
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb

from shared.adapters.postgres.database import Connection
from shared.domain.media import Detection
from shared.domain.plate_lists import Match
from shared.domain.plates import plate_key
from shared.domain.ports import CameraBatch
from shared.domain.timing import from_ms


@dataclass(frozen=True, slots=True)
class PassMatch:
    """A read of a pass is on a list."""

    pass_id: UUID
    detection: Detection
    match: Match


def cooling(batch: CameraBatch) -> set[str]:
    """Returns the names of the locks that a batch needs: one for each plate and list that cools
    down. Of two cameras that see a plate at the same time, the second sees the alert of the first.
    """
    return {
        f"{match.plate_list.list_id}:{plate_key(detection.plate or '')}"
        for detection in batch.detections
        for match in batch.matches.get(detection.detection_id, ())
        if match.plate_list.cool_down_seconds
    }


def try_plates(connection: Connection, names: Collection[str]) -> Cursor[DictRow]:
    """Take the locks of plates that are free. The answer has a row for each of them."""
    return connection.execute(
        """
        SELECT name FROM unnest(%s::text[]) AS name
         WHERE pg_try_advisory_xact_lock(hashtextextended('hit:' || name, 0))
        """,
        [list(names)],
    )


def lock_plates(connection: Connection, names: Collection[str]) -> None:
    """Take locks of plates, all at once and in one order: no two transactions wait for each
    other.
    """
    connection.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended('hit:' || name, 0)) FROM unnest(%s::text[]) AS name",
        [sorted(names)],
    )


def write_hits(connection: Connection, found: Sequence[PassMatch]) -> None:
    """Write each list of a pass once; the first read of a wanted plate is an alert, unless the list
    is quiet or cools down. Under the locks that `cooling` names.
    """
    for each in _rounds(found):
        _write(connection, each)


def _rounds(found: Sequence[PassMatch]) -> list[list[PassMatch]]:
    """Returns the first match of each pass and list, in rounds: an alert is seen by the next one of
    its plate only where that is written later.
    """
    firsts: dict[tuple[UUID, UUID], PassMatch] = {}
    for each in sorted(found, key=lambda one: (one.detection.captured_ms, one.match.distance)):
        firsts.setdefault((each.pass_id, each.match.plate_list.list_id), each)
    rounds: list[list[PassMatch]] = []
    before: Counter[tuple[UUID, str]] = Counter()
    for each in firsts.values():
        key = each.match.plate_list.list_id, plate_key(each.detection.plate or "")
        if before[key] == len(rounds):
            rounds.append([])
        rounds[before[key]].append(each)
        before[key] += bool(each.match.plate_list.cool_down_seconds)
    return rounds


def _write(connection: Connection, found: Sequence[PassMatch]) -> None:
    connection.execute(
        """
        WITH new AS (
            SELECT DISTINCT ON (pass_id, list_id) * FROM jsonb_to_recordset(%s) AS given (pass_id uuid,
                   camera_id text, list_id uuid, list_name text, kind text, entry text, plate text, plate_key text,
                   distance float8, detection_id text, at timestamptz, name text, reason text, priority integer,
                   instructions text, confidence float8, quiet boolean, cool_down float8)
             ORDER BY pass_id, list_id, at, distance
        ), put AS (
            INSERT INTO pass_hits (pass_id, list_id, list_name, kind, entry, plate, plate_key, distance, detection_id,
                   at, name, reason, priority, instructions, alerted)
            SELECT pass_id, list_id, list_name, kind, entry, plate, plate_key, distance, detection_id, at,
                   name, reason, priority, instructions,
                   kind = 'watch' AND NOT quiet AND NOT EXISTS (
                       SELECT FROM pass_hits h WHERE h.list_id = new.list_id AND h.plate_key = new.plate_key
                          AND h.alerted AND h.at > new.at - make_interval(secs => new.cool_down)
                          AND h.at < new.at + make_interval(secs => new.cool_down))
              FROM new ON CONFLICT (pass_id, list_id) DO NOTHING RETURNING *
        )
        INSERT INTO outbox (name, body)
        SELECT 'plate.hit', jsonb_build_object('hit_id', p.id, 'pass_id', p.pass_id, 'camera_id', n.camera_id,
               'plate', p.plate, 'confidence', n.confidence, 'captured_at', p.at, 'detection_id', p.detection_id,
               'list', p.list_name, 'entry', p.entry, 'distance', p.distance, 'name', p.name, 'reason', p.reason,
               'priority', p.priority, 'instructions', p.instructions)
          FROM put p JOIN new n USING (pass_id, list_id) WHERE p.alerted ORDER BY p.at
        """,
        [Jsonb([_row(each) for each in found])],
    )


def join_hits(connection: Connection, gone: Mapping[UUID, UUID]) -> None:
    """Give the hits of passes to those that they are part of now. Of several of one list, one that
    alerted stays, because its id was told; of these, one that somebody has seen.
    """
    pairs = [list(gone), list(gone.values())]
    joined: LiteralString = "unnest(%s::uuid[], %s::uuid[]) AS joined (was, now)"
    connection.execute(
        f"""
        DELETE FROM pass_hits WHERE id IN (
            SELECT id FROM (
                SELECT h.id, row_number() OVER (PARTITION BY coalesce(joined.now, h.pass_id), h.list_id
                             ORDER BY h.alerted DESC, h.acknowledged_at NULLS LAST, h.at, h.id) AS place
                  FROM pass_hits h LEFT JOIN {joined} ON joined.was = h.pass_id
                 WHERE h.pass_id = ANY(%s)) ranked
             WHERE place > 1)
        """,
        [*pairs, [*gone, *gone.values()]],
    )
    connection.execute(
        f"UPDATE pass_hits SET pass_id = joined.now FROM {joined} WHERE pass_id = joined.was", pairs
    )


def _row(found: PassMatch) -> dict[str, Any]:
    plates, entry = found.match.plate_list, found.match.entry
    plate = found.detection.plate or ""
    return {
        "pass_id": str(found.pass_id),
        "camera_id": found.detection.camera_id,
        "list_id": str(plates.list_id),
        "list_name": plates.name,
        "kind": plates.kind,
        "entry": entry.plate,
        "plate": plate,
        "plate_key": plate_key(plate),
        "distance": found.match.distance,
        "detection_id": found.detection.detection_id,
        "at": from_ms(found.detection.captured_ms).isoformat(),
        "name": entry.name,
        "reason": entry.reason,
        "priority": entry.priority,
        "instructions": entry.instructions,
        "confidence": found.detection.confidence,
        "quiet": plates.is_quiet(found.detection.captured_ms),
        "cool_down": plates.cool_down_seconds,
    }
