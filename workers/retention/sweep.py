"""One run of retention: mark, then delete, then record. Safe to run twice at once, to stop and to resume anywhere."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shared.domain.ports import Clock, Counters, Jobs, Keeping, Marked, ObjectStore, Progress
from shared.domain.retention import DAY_MS, Clip, Judge, RetentionPolicy, Verdict
from shared.runtime.logs import logger
from workers.retention.parts import PartsPorts, settle

BATCH = 500
BATCHES_AT_ONCE = 3
FOLD_BATCH = 20_000
LONGEST_SECONDS = 600.0  # what is left then waits for the next turn
OUTBOX_KEPT_SECONDS = 7 * 86_400.0
DAY_SECONDS = 86_400.0
EXAMPLES = 100

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class SweepPorts:
    """What the sweep needs of the world; grace_s: how long an object outlives its clip's deletion."""

    keeping: Keeping
    counters: Counters
    store: ObjectStore
    jobs: Jobs
    clock: Clock
    policy: RetentionPolicy
    grace_s: float
    history_days: float
    parts: PartsPorts


def sweep(ports: SweepPorts, params: dict[str, Any], progress: Progress = lambda *_: None) -> dict[str, Any]:
    """Run once; answers what was marked (or would be), freed and could not be deleted."""
    run = _Sweep(ports, ports.policy.requested(params.get("retention_days")), progress)
    if params.get("dry_run"):
        for verdicts in run.verdicts(lambda _: None):
            run.marked += verdicts
        return {"dry_run": True, **_summary(run.marked), "complete": not run.over}
    for verdicts in run.verdicts(run.mark):
        run.marked += verdicts
    run.delete()
    settled, reopened = settle(ports.parts)
    purged = run.forget()
    return {
        "dry_run": False, **_summary(run.marked), "deleted": run.deleted, "failed": run.failed,
        "parts_settled": settled, "reopened": reopened, "history_purged": purged, "complete": not run.over,
    }  # fmt: skip


@dataclass(slots=True)
class _Sweep:
    """One run: what it has done so far, and until when it may."""

    ports: SweepPorts
    policy: RetentionPolicy
    progress: Progress
    marked: list[Verdict] = field(default_factory=list)
    deleted: int = 0
    failed: int = 0
    until: float = field(init=False)
    now_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.until = self.ports.clock.monotonic() + LONGEST_SECONDS
        self.now_ms = self.ports.clock.now_ms()

    @property
    def over(self) -> bool:
        """Whether its time is up."""
        return self.ports.clock.monotonic() > self.until

    def verdicts(self, mark: Callable[[list[Verdict]], None]) -> Iterator[list[Verdict]]:
        """Batches, each marked before the next is judged: by age, by each camera's bytes, by bytes and space of all."""
        judge = Judge(self.policy, self.now_ms, self.ports.keeping.used_bytes(), self._missing_bytes())
        waiting: list[Verdict] = []
        for verdicts in self._judged(judge):
            waiting += verdicts
            if len(waiting) >= BATCH or self.over:
                mark(waiting)
                yield waiting
                waiting = []
                self.progress("marking", len(judge.going), 0)
            if self.over:
                return
        if waiting:
            mark(waiting)
            yield waiting
            self.progress("marking", len(judge.going), 0)

    def _judged(self, judge: Judge) -> Iterator[list[Verdict]]:
        cameras = self.ports.keeping.cameras_with_clips()
        for camera_id in cameras:
            days = self.policy.days_of(camera_id)
            if days is not None:
                for clips in self._oldest(camera_id, days):
                    yield judge.by_age(clips)
        for last_resort in (False, True) if self.policy.classes else (False,):
            for camera_id in cameras:
                for clips in self._oldest(camera_id, self.policy.min_days, partial(judge.over, camera_id)):
                    yield judge.by_camera_bytes(clips, last_resort=last_resort)
            for clips in self._oldest(None, self.policy.min_days, lambda: judge.pressure() is not None):
                yield judge.by_pressure(clips, last_resort=last_resort)

    def _oldest(
        self, camera_id: str | None, days: float, needed: Callable[[], bool] = lambda: True
    ) -> Iterator[list[Clip]]:
        """Batches of clips older than `days`, oldest first, as long as they are needed."""
        before_ms = self.now_ms - round(days * DAY_MS)
        attributes = {each.attribute for each in self.policy.classes if each.attribute is not None}
        after: Clip | None = None
        while needed():
            clips = self.ports.keeping.oldest(
                camera_id, before_ms, after, BATCH, attributes if self.policy.classes else None
            )
            yield clips
            if len(clips) < BATCH:
                return
            after = clips[-1]

    def _missing_bytes(self) -> int:
        """What the store lacks of the space that must stay free, once all that is marked is gone."""
        room = self.ports.store.room() if self.policy.free_bytes is not None else None
        if room is None or self.policy.free_bytes is None:
            return 0
        return self.policy.free_bytes - room.free_bytes - self.ports.keeping.expiring_bytes()

    def mark(self, verdicts: list[Verdict]) -> None:
        """Mark what was judged; leaves in the list what is marked, without what somebody protected meanwhile."""
        done = set(self.ports.keeping.mark_expiring(verdicts))
        verdicts[:] = [verdict for verdict in verdicts if verdict.segment_id in done]

    def delete(self) -> None:
        """Delete objects of marked clips whose grace is over, then record it; what resists is left for later.

        A few batches are on their way to the store at once: while it deletes one, another is read or recorded.
        """
        with ThreadPoolExecutor(BATCHES_AT_ONCE, thread_name_prefix="delete") as pool:
            under_way: deque[tuple[list[Marked], Future[dict[str, str]]]] = deque()
            for batch in self._marked():
                keys = [key for clip in batch for key in (clip.key, clip.thumbnail_key) if key is not None]
                under_way.append((batch, pool.submit(self.ports.store.delete, keys)))
                if len(under_way) >= BATCHES_AT_ONCE:
                    self._record(*under_way.popleft())
            while under_way:
                self._record(*under_way.popleft())

    def _marked(self) -> Iterator[list[Marked]]:
        after: Marked | None = None
        while not self.over:
            batch = self.ports.keeping.expiring(self.ports.grace_s, BATCH, after)
            if batch:
                yield batch
            if len(batch) < BATCH:
                return
            after = batch[-1]

    def _record(self, batch: list[Marked], deletion: Future[dict[str, str]]) -> None:
        """Record what the store has deleted of a batch."""
        refused = deletion.result()
        for key, reason in refused.items():
            _log.warning("object_not_deleted", key=key, reason=reason)
        gone = [clip.segment_id for clip in batch if not {clip.key, clip.thumbnail_key} & refused.keys()]
        self.deleted += self.ports.keeping.record_expired(gone)
        self.failed += len(batch) - len(gone)
        self.progress("deleting", self.deleted, 0)

    def forget(self) -> int:
        """Drop what tells only of a past that nobody must know any more, and fold the counters' changes."""
        self.ports.jobs.purge_outbox(OUTBOX_KEPT_SECONDS)
        while self.ports.counters.fold(FOLD_BATCH) == FOLD_BATCH and not self.over:
            continue
        purged = 0
        while not self.over:
            went = self.ports.keeping.purge_history(self.ports.history_days * DAY_SECONDS, BATCH)
            purged += went
            if went < BATCH:
                break
        return purged


def _summary(verdicts: list[Verdict]) -> dict[str, Any]:
    sizes: Counter[str] = Counter()
    for verdict in verdicts:
        sizes[verdict.camera_id] += verdict.size_bytes
    clips = Counter(verdict.camera_id for verdict in verdicts)
    return {
        "archived": len(verdicts),
        "bytes": sum(sizes.values()),
        "reasons": dict(sorted(Counter(verdict.reason for verdict in verdicts).items())),
        "cameras": {camera: {"archived": clips[camera], "bytes": sizes[camera]} for camera in sorted(clips)},
        "examples": [str(verdict.segment_id) for verdict in verdicts[:EXAMPLES]],
    }
