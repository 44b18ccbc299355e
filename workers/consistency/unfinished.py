"""Work that a crash left: recordings, failed segments with footage, parts, deletions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from shared.domain.ports import FinishedClip
from workers.consistency.findings import Findings, Kind
from workers.consistency.ports import CheckPorts
from workers.part_objects import clear_parts, is_there

PARTS_BATCH = 200
MOST_REPAIRS = 3
SETTLED_SECONDS = 3600.0


def finish_work(ports: CheckPorts, findings: Findings, _: str = "") -> None:
    """Find it all, in one bite, and finish it where repairs are wanted."""
    floor_s = ports.age_floor_s
    _each(findings, Kind.UNFINISHED, ports.rows.unfinished(floor_s), ports.rows.give_up)
    failed = ports.rows.failed_with_parts(MOST_REPAIRS)
    _each(findings, Kind.FAILED, failed, lambda found: ports.rows.reopen(found, "repaired"))
    settled_s = max(floor_s, ports.parts_kept_s + SETTLED_SECONDS)
    _leftovers(ports, findings, ports.rows.finished_with_parts(settled_s, PARTS_BATCH))
    half_deleted = ports.rows.half_deleted(max(floor_s, SETTLED_SECONDS))
    _each(findings, Kind.HALF_DELETED, half_deleted, lambda _: False)


def _each(
    findings: Findings, kind: Kind, segment_ids: Iterable[Any], mend: Callable[[Any], bool]
) -> None:
    for segment_id in segment_ids:
        findings.add(kind, segment_id, repaired=findings.repair and mend(segment_id))


def _leftovers(ports: CheckPorts, findings: Findings, clips: Iterable[FinishedClip]) -> None:
    """Delete parts that a cleanup should have deleted an hour ago."""
    for clip in clips:
        gone = (
            findings.repair
            and is_there(clip, ports.store)
            and clear_parts(clip.segment_id, ports.rows, ports.store)
        )
        findings.add(Kind.LEFTOVER_PARTS, clip.segment_id, repaired=gone)
