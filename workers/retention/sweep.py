"""One run of retention: mark, then delete, then record. Safe to run twice at once, to stop and to resume anywhere."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from shared.domain.ports import Clock, Counters, Jobs, Keeping, Marked, ObjectStore, Progress
from shared.domain.retention import DAY_MS, Clip, Judge, RetentionPolicy, Verdict, may_archive
from shared.runtime.logs import logger
from workers.retention.parts import PartsPorts, settle
from workers.retention.totals import Totals
from workers.upkeep import Step

BATCH = 500
BATCHES_AT_ONCE = 3
FOLD_BATCH = 20_000
# Shares of a step's time until which each phase may last, so that a backlog of one starves none.
MARK_UNTIL, DELETE_UNTIL, SETTLE_UNTIL = 0.4, 0.7, 0.85
OUTBOX_KEPT_SECONDS = 7 * 86_400.0
DAY_SECONDS = 86_400.0
USUAL_RUNS = 10

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


def sweep(
    ports: SweepPorts,
    params: Mapping[str, Any],
    progress: Progress = lambda *_: None,
    cursor: Mapping[str, Any] | None = None,
    longest_s: float = float("inf"),
) -> Step:
    """One step of at most about longest_s; answers what was marked (or would be), freed and could not be deleted.

    params: retention_days in place of the cameras' own, dry_run, and `confirm` for a person who has seen that a run
    was stopped because it would archive far more than usual.
    """
    run = _Sweep(ports, ports.policy.requested(params.get("retention_days")), progress, longest_s)
    totals = Totals.from_json(cursor) if cursor else Totals(dry_run=bool(params.get("dry_run")))
    if totals.dry_run:
        for verdicts in run.verdicts(lambda _: None, 1.0):
            totals.add(verdicts)
        totals.complete = not run.over(1.0)
        return Step(totals.as_json())
    if cursor is None and not params.get("confirm"):
        totals.stopped = run.guard()
    if totals.stopped is None:
        for verdicts in run.verdicts(run.mark, MARK_UNTIL):
            totals.add(verdicts)
    cut = run.over(MARK_UNTIL)
    run.delete(totals)
    cut |= run.over(DELETE_UNTIL)
    settled, reopened = settle(ports.parts, lambda: run.over(SETTLE_UNTIL))
    totals.parts_settled += settled
    totals.reopened += reopened
    cut |= run.over(SETTLE_UNTIL)
    totals.history_purged += run.forget()
    totals.complete = not (cut or run.over(1.0))
    return Step(totals.as_json(), None if totals.complete else totals.as_json())


@dataclass(slots=True)
class _Sweep:
    """One step: until when it may, and what time it is for clips."""

    ports: SweepPorts
    policy: RetentionPolicy
    progress: Progress
    longest_s: float
    began: float = field(init=False)
    now_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.ports.clock.monotonic()
        self.now_ms = self.ports.keeping.now_ms()

    def over(self, share: float) -> bool:
        """Whether this share of the step's time is up."""
        return self.ports.clock.monotonic() - self.began > self.longest_s * share

    def guard(self) -> str | None:
        """Why this run must not mark anything: it would archive far more than the last runs did. None where it may.

        Whatever is wrong, a clock or a setting, what is kept for a month must not be gone within a minute.
        """
        allowed = may_archive(
            self.ports.keeping.count_clips(), self.ports.jobs.usual_archived(USUAL_RUNS), self.policy.guard_share
        )
        would = 0
        for verdicts in self.verdicts(lambda _: None, 1.0):
            would += len(verdicts)
            if would > allowed:
                self.ports.keeping.report_stopped(would, allowed)
                _log.error("retention_stopped", would_archive=would, allowed=allowed)
                return f"would archive {would} clips or more, and {allowed} are usual: confirm it to go on"
        return None

    def verdicts(self, mark: Callable[[list[Verdict]], None], share: float) -> Iterator[list[Verdict]]:
        """Batches, each marked before the next is judged: by age, by each camera's bytes, by bytes and space of all."""
        judge = Judge(self.policy, self.now_ms, self.ports.keeping.used_bytes(), self._missing_bytes())
        waiting: list[Verdict] = []
        for verdicts in self._judged(judge):
            waiting += verdicts
            over = self.over(share)
            if len(waiting) >= BATCH or over:
                mark(waiting)
                yield waiting
                waiting = []
                self.progress("marking", len(judge.going), 0)
            if over:
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

    def delete(self, totals: Totals) -> None:
        """Delete objects of marked clips whose grace is over, then record it; what resists is left for later.

        A few batches are on their way to the store at once: while it deletes one, another is read or recorded.
        """
        with ThreadPoolExecutor(BATCHES_AT_ONCE, thread_name_prefix="delete") as pool:
            under_way: deque[tuple[list[Marked], Future[dict[str, str]]]] = deque()
            for batch in self._marked():
                keys = [key for clip in batch for key in (clip.key, clip.thumbnail_key) if key is not None]
                under_way.append((batch, pool.submit(self.ports.store.delete, keys)))
                if len(under_way) >= BATCHES_AT_ONCE:
                    self._record(*under_way.popleft(), totals)
            while under_way:
                self._record(*under_way.popleft(), totals)

    def _marked(self) -> Iterator[list[Marked]]:
        after: Marked | None = None
        while not self.over(DELETE_UNTIL):
            batch = self.ports.keeping.expiring(self.ports.grace_s, BATCH, after)
            if batch:
                yield batch
            if len(batch) < BATCH:
                return
            after = batch[-1]

    def _record(self, batch: list[Marked], deletion: Future[dict[str, str]], totals: Totals) -> None:
        """Record what the store has deleted of a batch."""
        refused = deletion.result()
        for key, reason in refused.items():
            _log.warning("object_not_deleted", key=key, reason=reason)
        gone = [clip.segment_id for clip in batch if not {clip.key, clip.thumbnail_key} & refused.keys()]
        totals.deleted += self.ports.keeping.record_expired(gone)
        totals.failed += len(batch) - len(gone)
        self.progress("deleting", totals.deleted, 0)

    def forget(self) -> int:
        """Delete expired history rows and relayed events, and fold the counters' changes; how many rows went."""
        self.ports.jobs.purge_outbox(OUTBOX_KEPT_SECONDS)
        while self.ports.counters.fold(FOLD_BATCH) == FOLD_BATCH and not self.over(1.0):
            continue
        purged = 0
        while not self.over(1.0):
            went = self.ports.keeping.purge_history(self.ports.history_days * DAY_SECONDS, BATCH)
            purged += went
            if went < BATCH:
                break
        return purged
