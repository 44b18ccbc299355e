"""Erases what is kept of a plate: pictures, then rows, then what the access log says of it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from shared.domain.errors import Conflict, Retryable
from shared.domain.ports import Erasure, ObjectStore, PlateRecordRows

LINES_AT_ONCE = 50_000
SHOWN = 20


def erase(
    plate: str, rows: PlateRecordRows, store: ObjectStore, who: str, *, dry_run: bool
) -> Erasure:
    """Returns what went; with dry_run what would go, and what would refuse.

    Raises Conflict where a clip refuses: then nothing is erased. After a Retryable a second call
    does the rest.
    """
    found = rows.would_erase(plate)
    if dry_run:
        return replace(found, log_lines=_named_lines(plate, rows))
    check_refused(found)
    pictures = rows.pictures_of(plate)
    failed = store.delete(pictures)
    if failed:
        raise Retryable(f"the store does not delete {len(failed)} pictures; no row was erased")
    done, left = rows.erase(plate, who)
    # Of pictures that were taken meanwhile no row is left: the check finds those that stay here.
    with suppress(Retryable):
        store.delete(sorted(set(left) - set(pictures)))
    return replace(done, log_lines=_strike_out(plate, rows))


def check_refused(found: Erasure) -> None:
    """Raise Conflict, which names them, where clips keep a plate from being erased."""
    if not found.refused:
        return
    shown = ", ".join(f"{each.segment_id} ({each.reason})" for each in found.refused[:SHOWN])
    more = len(found.refused) - SHOWN
    rest = f" and {more} more" if more > 0 else ""
    raise Conflict(
        f"nothing was erased: clips show this plate that are protected or still being made: {shown}{rest}"
    )


def _named_lines(plate: str, rows: PlateRecordRows) -> int:
    count, place = 0, 0
    while True:
        lines, following = rows.log_lines(plate, place, LINES_AT_ONCE)
        count += len(lines)
        if following is None:
            return count
        place = following


def _strike_out(plate: str, rows: PlateRecordRows) -> int:
    count, place = 0, 0
    while True:
        changed, following = rows.strike_out(plate, place, LINES_AT_ONCE)
        count += changed
        if following is None:
            return count
        place = following
