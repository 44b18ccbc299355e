"""Strips that rows have and the store has not.

A clip is as good without its strip, so none is made again: the row forgets it, and the API says
that the clip has none.
"""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from shared.domain.ports import ReadyStrip
from workers.consistency.findings import Findings, Kind
from workers.consistency.ports import CheckPorts


def note_lost(
    ports: CheckPorts, findings: Findings, run_id: UUID, strips: Iterable[ReadyStrip]
) -> None:
    """Find strips that the store does not have, and note them as suspects."""
    lost = [each for each in strips if _is_lost(ports, each.key)]
    for each in lost:
        findings.add(Kind.LOST_STRIP, each.key)
    if lost and findings.repair:
        suspects = [(each.key, each.segment_id) for each in lost]
        ports.rows.note_suspects(run_id, Kind.LOST_STRIP, suspects)


def forget_lost(
    ports: CheckPorts, findings: Findings, run_id: UUID, after: str, limit: int
) -> str | None:
    """Let the rows of noted strips forget them; each is asked for again right before. Returns the
    key that the next bite begins after, else None.
    """
    if not findings.repair or findings.stops(
        findings.found(Kind.LOST_STRIP), findings.clips, "strips"
    ):
        return None
    keys = ports.rows.suspects(run_id, Kind.LOST_STRIP, after, limit)
    for key in keys:
        if _is_lost(ports, key):
            findings.mended(Kind.LOST_STRIP, int(ports.rows.forget_strip(key)))
        else:
            findings.withdrawn(Kind.LOST_STRIP, 1)
    return keys[-1] if len(keys) == limit else None


def _is_lost(ports: CheckPorts, key: str) -> bool:
    """Returns whether the store has no such object and a row has it. The object is asked for first:
    a change meanwhile changes the row.
    """
    return ports.store.head(key) is None and ports.rows.has_strip(key)
