"""Compares rows with objects in both directions, and finishes what a crash left behind.

Guards, in this order: the bucket's sentinel must be this database's; nothing younger than the age
floor is judged (an upload may be on its way to its row); and a repair that would give up more than
half of what it saw stops. A dry run unless told to repair. The regular check repairs only what
loses nothing; that a clip is gone for good is for a person to say (`platereel check --repair`).

The store's listing and the rows are walked side by side in order of key, so a clip costs no call of
its own; only what looks wrong is asked about, and asked about again right before anything happens
to it. Everything goes in batches, from a cursor: a check can stop after any of them and go on
later, in another process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from math import isinf
from typing import Any, TypeVar
from uuid import UUID, uuid4

from shared.domain.errors import Conflict, NotFound, Permanent
from shared.domain.ports import (
    Progress,
    ReadyClip,
    ReadyStrip,
    StoredObject,
)
from shared.runtime.logs import logger
from shared.wire.keys import SENTINEL, clip_start_ms
from workers.consistency.deep import damage
from workers.consistency.findings import Findings, Kind
from workers.consistency.ports import CheckPorts
from workers.consistency.sentinel import check_store
from workers.consistency.strips import forget_lost, note_lost
from workers.consistency.unfinished import finish_work
from workers.process.job_turn import Step

BATCH = 1_000
MEND_BATCH = 20
# a clip that takes longer in a job is for `platereel check --deep`, which has no limit
READ_BACK_SECONDS = 150.0
OBJECTS = ("parts/", "pictures/", "thumbnails/")
BAD_CLIPS = (Kind.MISSING, Kind.WRONG_SIZE, Kind.DAMAGED)
R = TypeVar("R", ReadyClip, ReadyStrip)

_log = logger(__name__)


def check(
    ports: CheckPorts,
    params: Mapping[str, Any],
    progress: Progress = lambda *_: None,
    cursor: Mapping[str, Any] | None = None,
    longest_s: float = float("inf"),
) -> Step:
    """Do one step of at most about longest_s.

    params: repair, deep, and `regular` for the turn that nobody asked for. Returns the report so
    far, and a cursor when there is more to do.
    """
    try:
        check_store(ports.store, ports.rows)
    except NotFound:
        raise Conflict(
            f"the store has no {SENTINEL}: is it the right one? `platereel migrate` claims it"
        ) from None
    return _Check(
        ports=ports, params=params, progress=progress, cursor=cursor or {}, longest_s=longest_s
    ).run()


class _Check:
    """One step: looks at everything first, then repairs what it may."""

    def __init__(
        self,
        ports: CheckPorts,
        params: Mapping[str, Any],
        progress: Progress,
        cursor: Mapping[str, Any],
        longest_s: float,
    ) -> None:
        self._ports, self._progress, self._longest_s = ports, progress, longest_s
        self._for_good, self._restored = not params.get("regular"), ports.restored()
        self._before_ms = ports.rows.now_ms() - round(ports.age_floor_s * 1000)
        self._run_id = UUID(cursor["run_id"]) if cursor else uuid4()
        self._findings = (
            Findings.from_json(cursor["findings"])
            if cursor
            else Findings(bool(params.get("repair")), bool(params.get("deep")))
        )
        self._total = int(cursor["total"]) if cursor else ports.rows.count_ready()
        self._phase, self._after = (
            (str(cursor["phase"]), str(cursor["after"])) if cursor else ("parts/", "")
        )

    def run(self) -> Step:
        """Work bite by bite until everything is done or the time is up."""
        until = self._ports.clock.monotonic() + self._longest_s
        phases: dict[str, Callable[[str], str | None]] = {
            **{each: partial(self._objects, each) for each in OBJECTS},
            "strips/": self._strips,
            "videos/": self._clips,
            "deep": self._deep,
            "unfinished": partial(finish_work, self._ports, self._findings),
            "orphans": self._remove_orphans,
            "bad clips": self._mend_clips,
            "lost strips": self._forget_strips,
            "counters": self._counters,
        }
        names = list(phases)
        while True:
            after = phases[self._phase](self._after)
            if after is None:
                following = names[names.index(self._phase) + 1 :]
                if not following:
                    self._ports.rows.forget_suspects(self._run_id)
                    self._findings.count()
                    return Step(self._findings.as_json())
                self._phase, self._after = following[0], ""
            else:
                self._after = after
            if self._ports.clock.monotonic() > until:
                return Step(self._findings.as_json(), self._cursor())

    def _cursor(self) -> dict[str, Any]:
        return {
            "run_id": str(self._run_id), "phase": self._phase, "after": self._after, "total": self._total,
            "findings": self._findings.as_json(),
        }  # fmt: skip

    # Looking. A bite begins after a key and answers the one that the next begins after, else None.

    def _objects(self, prefix: str, after: str) -> str | None:
        """Find objects that no row expects, and note them as suspects."""
        batch = list(islice(self._ports.store.walk(prefix, after), BATCH))
        self._orphans(batch, after)
        return batch[-1].key if len(batch) == BATCH else None

    def _side_by_side(
        self, prefix: str, after: str, rows: Callable[[str, str | None, int], list[R]]
    ) -> tuple[list[StoredObject], list[R], str | None]:
        """Returns what store and rows have of a bite, and the key that the next begins after.

        Objects that no row expects are found on the way.
        """
        batch = list(islice(self._ports.store.walk(prefix, after), BATCH))
        end = batch[-1].key if len(batch) == BATCH else None
        found = rows(after, end, 2 * BATCH)
        if len(found) == 2 * BATCH:
            end = found[-1].key  # far more rows than objects: the rest belongs to the next bite
            batch = [stored for stored in batch if stored.key <= end]
        self._orphans(batch, after)
        return batch, found, end

    def _strips(self, after: str) -> str | None:
        """Find objects that no row expects, and READY rows without their strip."""
        batch, strips, end = self._side_by_side("strips/", after, self._ports.rows.ready_strips)
        there = {stored.key for stored in batch}
        missing = (each for each in strips if each.key not in there)
        note_lost(self._ports, self._findings, self._run_id, missing)
        return end

    def _clips(self, after: str) -> str | None:
        """Find objects that no row expects, and READY rows whose object is not what they say."""
        batch, clips, end = self._side_by_side("videos/", after, self._ports.rows.ready_clips)
        sizes = {stored.key: stored.size_bytes for stored in batch}
        for clip in clips:
            if sizes.get(clip.key) != clip.size_bytes:
                self._suspect(clip, self._judge(clip))
        self._findings.clips += len(clips)
        self._progress("clips", self._findings.clips, self._total)
        return end

    def _orphans(self, batch: list[StoredObject], after: str) -> None:
        keys = [stored.key for stored in batch]
        if any(key <= before for before, key in zip([after, *keys], keys, strict=False)):
            raise Permanent("the store does not list its objects in order of key")
        expected = self._ports.rows.expected(keys)
        orphans = [
            o.key for o in batch if o.key not in expected and o.modified_ms < self._before_ms
        ]
        for key in orphans:
            self._findings.add(Kind.ORPHAN, key)
        going = [key for key in orphans if self._for_good or not self._lost_row(key)]
        if going and self._findings.repair:
            self._ports.rows.note_suspects(
                self._run_id, Kind.ORPHAN, [(key, None) for key in going]
            )
        self._findings.objects += len(batch)
        self._progress("objects", self._findings.objects, 0)

    def _lost_row(self, key: str) -> bool:
        """Returns whether an object is of a clip that only the database before a restore knew:
        that it goes is for a person to say.
        """
        start_ms = None if self._restored is None else clip_start_ms(key)
        return (
            start_ms is not None
            and self._restored is not None
            and self._restored.lost_row(start_ms)
        )

    def _judge(self, clip: ReadyClip) -> Kind | None:
        """Compare the store's object of a clip with its row.

        Returns None when they agree or the row is gone. The object is asked for first: a change
        meanwhile changes the row.
        """
        stored = self._ports.store.head(clip.key)
        row = self._ports.rows.ready_clip(clip.key)
        if row is None:
            return None
        if stored is None:
            return Kind.MISSING
        return None if stored.size_bytes == row.size_bytes else Kind.WRONG_SIZE

    def _suspect(self, clip: ReadyClip, kind: Kind | None) -> None:
        if kind is None:
            return
        self._findings.add(kind, clip.key)
        if self._findings.repair:
            self._ports.rows.note_suspects(self._run_id, kind, [(clip.key, clip.segment_id)])

    def _deep(self, after: str) -> str | None:
        """Read every clip back; one a bite, because it may take minutes."""
        if not self._findings.deep:
            return None
        clips = self._ports.rows.ready_clips(after, None, 1)
        for clip in clips:
            self._suspect(clip, self._damaged(clip))
            self._findings.read_back += 1
            self._progress("read back", self._findings.read_back, self._total)
        return clips[-1].key if clips else None

    def _damaged(self, clip: ReadyClip) -> Kind | None:
        ports = self._ports
        if self._judge(clip) is not None:
            return None  # gone, or of another size: that has been found already
        until = ports.clock.monotonic() + (
            self._longest_s if isinf(self._longest_s) else READ_BACK_SECONDS
        )
        try:
            wrong = damage(
                clip=clip,
                store=ports.store,
                video=ports.video,
                clock=ports.clock,
                work_dir=ports.work_dir,
                until=until,
            )
        except TimeoutError:
            self._findings.unread += 1
            _log.warning("clip_not_read_back", key=clip.key, seconds=READ_BACK_SECONDS)
            return None
        return None if wrong is None or ports.rows.ready_clip(clip.key) != clip else Kind.DAMAGED

    # Mending.

    def _remove_orphans(self, after: str) -> str | None:
        """Delete orphans.

        One may have been committed since it was listed, so the rows are asked again.
        """
        findings, ports = self._findings, self._ports
        if not findings.repair or findings.stops(
            findings.kinds[Kind.ORPHAN].found, findings.objects, "objects"
        ):
            return None
        keys = ports.rows.suspects(self._run_id, Kind.ORPHAN, after, BATCH)
        expected = ports.rows.expected(keys)
        going = [key for key in keys if key not in expected]
        findings.mended(Kind.ORPHAN, len(set(going) - set(ports.store.delete(going))))
        findings.withdrawn(Kind.ORPHAN, len(expected))
        if keys:
            return keys[-1]
        try:
            for number in range(ports.store.abandon_uploads(self._before_ms)):
                findings.add(Kind.STALE_UPLOAD, f"upload {number + 1}", repaired=True)
        # a right that this key lacks: the rest of the check does not need it
        except Permanent as error:
            findings.stopped.append(f"unfinished uploads: {error.message}")
        return None

    def _mend_clips(self, after: str) -> str | None:
        """Make clips again from parts, else (for good) FAILED. Each is checked again right
        before.
        """
        findings = self._findings
        if not findings.repair or findings.stops(
            findings.found(*BAD_CLIPS), findings.clips, "clips"
        ):
            return None
        kind_name, _, key_after = after.partition(" ")
        kind = Kind(kind_name) if kind_name else BAD_CLIPS[0]
        limit = 1 if kind is Kind.DAMAGED else MEND_BATCH
        keys = self._ports.rows.suspects(self._run_id, kind, key_after, limit)
        for key in keys:
            self._mend(kind, key)
        if len(keys) == limit:
            return f"{kind} {keys[-1]}"
        others = BAD_CLIPS[BAD_CLIPS.index(kind) + 1 :]
        return f"{others[0]} " if others else None

    def _mend(self, kind: Kind, key: str) -> None:
        clip = self._ports.rows.ready_clip(key)
        verdict = (
            None
            if clip is None
            else self._damaged(clip)
            if kind is Kind.DAMAGED
            else self._judge(clip)
        )
        if clip is None or verdict is None:
            self._findings.withdrawn(kind, 1)
            return
        rows, reason = self._ports.rows, f"object_{verdict}"
        mended = rows.reopen(clip.segment_id, reason)
        if not mended and self._for_good:
            mended = rows.lose(clip.segment_id, reason)
        self._findings.mended(kind, int(mended))

    def _forget_strips(self, after: str) -> str | None:
        """For good, as a clip is given up."""
        if not self._for_good:
            return None
        return forget_lost(self._ports, self._findings, self._run_id, after, MEND_BATCH)

    def _counters(self, _: str) -> None:
        """Compare statistics with a count of every row; recount where they differ and repairs are
        wanted.
        """
        wrong = self._ports.counters.differences()
        if wrong and self._findings.repair:
            self._ports.counters.recount()
        for what in wrong:
            self._findings.add(Kind.MISCOUNTED, what, repaired=self._findings.repair)
