"""What people said of passes, and what holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from shared.adapters.postgres.database import Connection
from shared.domain.errors import BadInput, Conflict
from shared.domain.found_passes import Review
from shared.domain.plates import plate_key


def note_review(
    connection: Connection,
    pass_id: UUID,
    review: Review,
    plate: str | None,
    note: str | None,
    who: str,
) -> None:
    """Add a line, and let the newest that stands hold."""
    if plate is not None and not plate_key(plate):
        raise BadInput("plate", "has no letter or digit")
    undoes = review is Review.UNDONE
    if undoes and not _undo(connection, pass_id):
        raise Conflict(f"nothing was said of pass {pass_id} that could be undone")
    connection.execute(
        "INSERT INTO pass_reviews (pass_id, who, review, plate, note, stands) VALUES (%s, %s, %s, %s, %s, %s)",
        [pass_id, who, str(review), plate, note, not undoes],
    )
    hold_reviews(connection, [pass_id])


def hold_reviews(connection: Connection, pass_ids: Sequence[UUID]) -> None:
    """Let hold of each pass the newest line that stands. Passes of which nobody said anything stay
    as they are.
    """
    ids = list(pass_ids)
    # Whoever confirms a pass that was corrected means the plate that it has now.
    rows = connection.execute(
        """
        UPDATE passes p SET review = said.review, corrected_plate = said.plate, note = coalesce(said.note, p.note)
          FROM (SELECT pass_id, (array_agg(review ORDER BY id DESC) FILTER (WHERE stands))[1] AS review,
                       (array_agg(note ORDER BY id DESC) FILTER (WHERE stands))[1] AS note,
                       (array_agg(plate ORDER BY id DESC) FILTER (WHERE stands AND plate IS NOT NULL))[1] AS plate
                  FROM pass_reviews WHERE pass_id = ANY(%s) GROUP BY pass_id) said
         WHERE p.id = said.pass_id RETURNING p.id, p.corrected_plate
        """,
        [ids],
    ).fetchall()
    if not rows:
        return
    ids = [row["id"] for row in rows]
    connection.execute("DELETE FROM pass_plates WHERE pass_id = ANY(%s) AND reads = 0", [ids])
    connection.execute(
        "UPDATE pass_plates SET corrected = false WHERE pass_id = ANY(%s) AND corrected", [ids]
    )
    for row in rows:
        if row["corrected_plate"] is not None:
            connection.execute(
                """
                INSERT INTO pass_plates (pass_id, plate_key, plate, reads, confidence, confidence_sum, corrected)
                VALUES (%s, %s, %s, 0, 1, 0, true) ON CONFLICT (pass_id, plate_key) DO UPDATE SET corrected = true
                """,
                [row["id"], plate_key(row["corrected_plate"]), row["corrected_plate"]],
            )


def _undo(connection: Connection, pass_id: UUID) -> bool:
    """Let the newest line that stands stand no more. Returns whether there was one."""
    undone = connection.execute(
        """
        UPDATE pass_reviews SET stands = false
         WHERE id = (SELECT max(id) FROM pass_reviews WHERE pass_id = %s AND stands)
        """,
        [pass_id],
    )
    return undone.rowcount == 1
