"""Compares rows with objects in both directions, and finishes what a crash left behind.

Guards, in this order: the bucket's sentinel must be this database's; nothing younger than the age floor is judged (an
upload may be on its way to its row); and a repair that would remove more than half of what it saw stops.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from shared.domain.errors import Conflict, NotFound
from shared.domain.ports import Clock, Jobs, Ledger, ObjectStore, StoredObject, Writing
from shared.runtime.logs import logger
from shared.wire.keys import SENTINEL, parts_prefix

BATCH = 500
HALF_FROM_OBJECTS = 20
PREFIXES = ("parts/", "thumbnails/", "videos/")
LISTED = 100

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class AuditPorts:
    """What the audit needs of the world."""

    ledger: Ledger
    rows: Writing
    store: ObjectStore
    jobs: Jobs
    clock: Clock
    age_floor_s: float


def claim_store(store: ObjectStore, ledger: Ledger) -> None:
    """Write this database's id into an empty store; refuse one that belongs to another database."""
    own = str(ledger.deployment_id())
    try:
        found = store.get(SENTINEL).decode("utf-8", "replace").strip()
    except NotFound:
        store.put(SENTINEL, own.encode(), "text/plain")
        return
    if found != own:
        raise Conflict(f"the store belongs to another database ({found[:36]}); this one is {own}")


def audit(ports: AuditPorts, params: dict[str, Any]) -> dict[str, Any]:
    """Run once: a dry run unless params["repair"]; answers findings by kind, with the first hundred keys of each."""
    claim_store(ports.store, ports.ledger)
    repair = bool(params.get("repair"))
    newest_ms = ports.clock.now_ms() - round(ports.age_floor_s * 1000)
    seen, orphans = 0, []
    for objects in _batches(ports.store):
        expected = ports.ledger.expected([stored.key for stored in objects])
        seen += len(objects)
        orphans += [o.key for o in objects if o.key not in expected and o.modified_ms < newest_ms]
    missing = list(_missing(ports))
    leftover = ports.ledger.finished_with_parts()
    removed = 0
    stopped = None
    if repair:
        for segment_id in leftover:
            keys = [stored.key for stored in ports.store.walk(parts_prefix(segment_id))]
            if not ports.store.delete(keys):
                ports.rows.forget_parts(segment_id)
        if seen >= HALF_FROM_OBJECTS and len(orphans) * 2 > seen:
            stopped = f"{len(orphans)} of {seen} objects would go; nothing was removed"
            _log.error("audit_stopped", reason=stopped)
        else:
            removed = len(orphans) - len(ports.store.delete(orphans))
    return {
        "repair": repair,
        "objects": seen,
        "orphans": len(orphans),
        "orphan_keys": orphans[:LISTED],
        "removed": removed,
        "missing": len(missing),
        "missing_keys": missing[:LISTED],
        "leftover_parts": len(leftover),
        "stopped": stopped,
        "clean": not (orphans or missing or leftover),
    }


def _batches(store: ObjectStore) -> Iterator[list[StoredObject]]:
    for prefix in PREFIXES:
        objects = store.walk(prefix)
        while batch := list(islice(objects, BATCH)):
            yield batch


def _missing(ports: AuditPorts) -> Iterator[str]:
    """READY rows whose object is not there, or has another size."""
    after = ""
    while rows := ports.ledger.ready_objects(after, BATCH):
        for key, _, size_bytes, _ in rows:
            stored = ports.store.head(key)
            if stored is None or stored.size_bytes != size_bytes:
                yield key
        after = rows[-1][0]
