"""Compares rows with objects in both directions, and finishes what a crash left behind.

Guards, in this order: the bucket's sentinel must be this database's; nothing younger than the age floor is judged (an
upload may be on its way to its row); and a repair that would give up more than half of what it saw stops. A dry run
unless told to repair. The regular audit repairs only what loses nothing; that a clip is gone for good is for a person
to say (`platereel check --repair`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from shared.domain.errors import Conflict, NotFound
from shared.domain.ports import (
    Clock,
    Counters,
    FinishedClip,
    Jobs,
    Ledger,
    ObjectStore,
    Progress,
    ReadyClip,
    Repairs,
    StoredObject,
    Video,
)
from shared.runtime.logs import logger
from shared.wire.keys import SENTINEL
from workers.part_objects import clear_parts, is_there
from workers.reconcile.deep import damage
from workers.reconcile.findings import Findings, Kind

BATCH = 500
HALF_FROM = 20
PREFIXES = ("parts/", "thumbnails/", "videos/")
MOST_REPAIRS = 3
SETTLED_SECONDS = 3600.0

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class AuditPorts:
    """What the audit needs of the world."""

    ledger: Ledger
    repairs: Repairs
    counters: Counters
    store: ObjectStore
    video: Video
    jobs: Jobs
    clock: Clock
    age_floor_s: float
    parts_kept_s: float = 0.0
    work_dir: Path | None = None


def claim_store(store: ObjectStore, ledger: Ledger) -> None:
    """Write this database's id into a store that has none; refuse one that belongs to another database."""
    try:
        check_store(store, ledger)
    except NotFound:
        store.put(SENTINEL, str(ledger.deployment_id()).encode(), "text/plain")


def check_store(store: ObjectStore, ledger: Ledger) -> None:
    """Raise Conflict when the store is another database's, NotFound when it is nobody's."""
    own = str(ledger.deployment_id())
    found = store.get(SENTINEL).decode("utf-8", "replace").strip()
    if found != own:
        raise Conflict(f"the store belongs to another database ({found[:36]}); this one is {own}")


def audit(ports: AuditPorts, params: dict[str, Any], progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Run once; params: repair, deep, and `regular` for the turn that nobody watches. Answers the report."""
    try:
        check_store(ports.store, ports.ledger)
    except NotFound:
        raise Conflict(f"the store has no {SENTINEL}: is it the right one? `platereel migrate` claims it") from None
    run = _Audit(ports, Findings(bool(params.get("repair")), bool(params.get("deep"))), progress)
    run.objects()
    run.unfinished()
    run.clips(for_good=not params.get("regular"))
    run.counters()
    return run.findings.as_json()


class _Audit:
    """One run: looks first, then mends what it may."""

    def __init__(self, ports: AuditPorts, findings: Findings, progress: Progress) -> None:
        self._ports = ports
        self.findings = findings
        self._progress = progress
        self._before_ms = ports.clock.now_ms() - round(ports.age_floor_s * 1000)

    def objects(self) -> None:
        """Objects that no row expects, and uploads that never ended."""
        orphans: list[str] = []
        for batch in self._batches():
            expected = self._ports.ledger.expected([stored.key for stored in batch])
            orphans += [o.key for o in batch if o.key not in expected and o.modified_ms < self._before_ms]
            self.findings.objects += len(batch)
            self._progress("objects", self.findings.objects, 0)
        removed = self._remove(orphans) if self.findings.repair else set()
        for key in orphans:
            self.findings.add(Kind.ORPHAN, key, repaired=key in removed)
        if self.findings.repair:
            for number in range(self._ports.store.abandon_uploads(self._before_ms)):
                self.findings.add(Kind.STALE_UPLOAD, f"upload {number + 1}", repaired=True)

    def _batches(self) -> Iterator[list[StoredObject]]:
        for prefix in PREFIXES:
            objects = self._ports.store.walk(prefix)
            while batch := list(islice(objects, BATCH)):
                yield batch

    def _remove(self, orphans: list[str]) -> set[str]:
        if self._too_many(len(orphans), self.findings.objects, "objects"):
            return set()
        # What was orphaned when it was listed may have been committed since: ask again right before.
        removed: set[str] = set()
        for at in range(0, len(orphans), BATCH):
            batch = orphans[at : at + BATCH]
            expected = self._ports.ledger.expected(batch)
            going = [key for key in batch if key not in expected]
            removed |= set(going) - set(self._ports.store.delete(going))
        return removed

    def _too_many(self, some: int, of: int, what: str) -> bool:
        if of < HALF_FROM or some * 2 <= of:
            return False
        self.findings.stopped.append(f"{some} of {of} {what} would be given up; nothing was")
        _log.error("audit_stopped", reason=self.findings.stopped[-1])
        return True

    def clips(self, *, for_good: bool) -> None:
        """READY rows whose object is not what they promise. Made again from parts, else (for good) FAILED."""
        total = self._ports.ledger.count_ready()
        bad: list[tuple[Kind, ReadyClip]] = []
        for clip in self._ready():
            kind = self._judge(clip)
            if kind is not None and self._ports.ledger.still_ready(clip.segment_id):
                bad.append((kind, clip))
            self.findings.clips += 1
            self._progress("clips", self.findings.clips, total)
        mend = self.findings.repair and not self._too_many(len(bad), self.findings.clips, "clips")
        for kind, clip in bad:
            reason = f"object_{kind}"
            mended = mend and self._ports.repairs.reopen(clip.segment_id, reason)
            if mend and not mended and for_good:
                mended = self._ports.repairs.lose(clip.segment_id, reason)
            self.findings.add(kind, clip.key, repaired=mended)

    def _ready(self) -> Iterator[ReadyClip]:
        after = ""
        while clips := self._ports.ledger.ready_clips(after, BATCH):
            yield from clips
            after = clips[-1].key

    def _judge(self, clip: ReadyClip) -> Kind | None:
        stored = self._ports.store.head(clip.key)
        if stored is None:
            return Kind.MISSING
        if stored.size_bytes != clip.size_bytes:
            return Kind.WRONG_SIZE
        if self.findings.deep and damage(
            clip, self._ports.store, self._ports.video, self._ports.clock, self._ports.work_dir
        ):
            return Kind.DAMAGED
        return None

    def counters(self) -> None:
        """Statistics against a count of every row."""
        wrong = self._ports.counters.differences()
        if wrong and self.findings.repair:
            self._ports.counters.recount()
        for what in wrong:
            self.findings.add(Kind.MISCOUNTED, what, repaired=self.findings.repair)

    def unfinished(self) -> None:
        """Work that a crash left: recordings, failed segments with footage, parts, deletions."""
        ports, floor_s = self._ports, self._ports.age_floor_s
        self._each(Kind.UNFINISHED, ports.ledger.unfinished(floor_s), ports.repairs.give_up)
        failed = ports.ledger.failed_with_parts(MOST_REPAIRS)
        self._each(Kind.FAILED, failed, lambda segment_id: ports.repairs.reopen(segment_id, "repaired"))
        settled_s = max(floor_s, ports.parts_kept_s + SETTLED_SECONDS)
        self._leftovers(ports.ledger.finished_with_parts(settled_s, BATCH))
        self._each(Kind.HALF_DELETED, ports.ledger.half_deleted(max(floor_s, SETTLED_SECONDS)), lambda _: False)

    def _each(self, kind: Kind, segment_ids: Iterable[Any], mend: Callable[[Any], bool]) -> None:
        for segment_id in segment_ids:
            self.findings.add(kind, segment_id, repaired=self.findings.repair and mend(segment_id))

    def _leftovers(self, clips: Iterable[FinishedClip]) -> None:
        """The sweep lets parts go; an hour after it should have, it has not."""
        for clip in clips:
            gone = (
                self.findings.repair
                and is_there(clip, self._ports.store)
                and clear_parts(clip.segment_id, self._ports.repairs, self._ports.store)
            )
            self.findings.add(Kind.LEFTOVER_PARTS, clip.segment_id, repaired=gone)
