"""One run of retention: mark, then delete, then record. Safe to run twice at once, to stop and to
resume anywhere.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from shared.domain.errors import PlatereelError
from shared.domain.ports import (
    Marked,
    Progress,
)
from shared.domain.retention import RetentionPolicy, RetentionReason, may_archive
from shared.runtime.logs import logger
from shared.runtime.metrics import RETENTION_BYTES, RETENTION_CLIPS, from_zero
from workers.process.job_turn import Step
from workers.retention.judging import BATCH, Judging
from workers.retention.parts import settle
from workers.retention.pictures import purge_left_pictures, purge_pictures
from workers.retention.ports import CleanupPorts
from workers.retention.state import State

BATCHES_AT_ONCE = 3
FOLD_BATCH = 20_000
# Shares of a step's time until which each phase may last, so that a backlog of one starves none.
MARK_UNTIL, DELETE_UNTIL, SETTLE_UNTIL = 0.4, 0.7, 0.85
OUTBOX_KEPT_SECONDS = 7 * 86_400.0
DAY_SECONDS = 86_400.0
USUAL_RUNS = 10

_log = logger(__name__)
from_zero(RETENTION_CLIPS, RetentionReason)
from_zero(RETENTION_BYTES, RetentionReason)


def cleanup(
    ports: CleanupPorts,
    params: Mapping[str, Any],
    progress: Progress = lambda *_: None,
    cursor: Mapping[str, Any] | None = None,
    longest_s: float = float("inf"),
) -> Step:
    """Do one step of at most about longest_s.

    Returns what was marked (or would be), freed, and could not be deleted. params: retention_days
    in place of the cameras' own, dry_run, and `confirm` for a person who has seen that a run was
    stopped because it would archive far more than usual. It first counts all that would be
    archived, then marks: the whole run is judged before any of it happens.
    """
    state = State.from_json(cursor) if cursor else State(dry_run=bool(params.get("dry_run")))
    run = _Cleanup(
        ports=ports,
        policy=ports.policy.requested(params.get("retention_days")),
        progress=progress,
        longest_s=longest_s,
        state=state,
    )
    if cursor is None:
        state.allowed = None if params.get("confirm") or state.dry_run else run.allowed()
    cut = not run.look()
    if state.dry_run:
        state.totals.complete = not cut
        return Step(state.totals.as_json(), state.as_json() if cut else None)
    cut = cut or not run.mark()
    cut |= not run.delete()
    cut |= not run.settle()
    cut |= not run.forget()
    state.totals.complete = not cut
    return Step(state.totals.as_json(), state.as_json() if cut else None)


@dataclass(slots=True)
class _Cleanup:
    """One step: until when it may work, and the time by which clips are judged.

    Each phase returns whether it is complete.
    """

    ports: CleanupPorts
    policy: RetentionPolicy
    progress: Progress
    longest_s: float
    state: State
    began: float = field(init=False)
    now_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.began = self.ports.clock.monotonic()
        self.now_ms = self.ports.rows.now_ms()

    def over(self, share: float) -> bool:
        """Returns whether this share of the step's time is up."""
        return self.ports.clock.monotonic() - self.began > self.longest_s * share

    def _judging(self) -> Judging:
        return Judging(
            ports=self.ports,
            policy=self.policy,
            now_ms=self.now_ms,
            state=self.state,
            progress=self.progress,
            over=self.over,
        )

    def allowed(self) -> int:
        """Returns how many clips this run may archive without being confirmed."""
        usual = self.ports.jobs.usual_archived(USUAL_RUNS)
        return may_archive(self.ports.rows.count_clips(), usual, self.policy.guard_share)

    def look(self) -> bool:
        """Count what would be archived, before anything is. A dry run is only this."""
        state = self.state
        if state.looked or (state.allowed is None and not state.dry_run):
            state.looked = True
            return True
        for verdicts in self._judging().verdicts(1.0):
            state.would_archive += len(verdicts)
            for verdict in verdicts:
                state.judged_bytes[verdict.camera_id] += verdict.size_bytes
            if state.dry_run:
                state.totals.add(verdicts)
            elif self._too_many(state.would_archive):
                break
        if state.place is not None and state.totals.stopped is None:
            return False
        state.looked, state.place, state.judged_bytes = True, None, Counter()
        return True

    def mark(self) -> bool:
        """Mark expired clips, never more than allowed, even if settings or clips have changed since
        they were counted.
        """
        state = self.state
        if state.marked or state.totals.stopped is not None:
            return True
        with closing(self._judging().verdicts(MARK_UNTIL, marking=True)) as batches:
            for verdicts in batches:
                if self._too_many(state.totals.archived + len(verdicts)):
                    return True
                done = set(self.ports.rows.mark_expiring(verdicts))
                marked = [verdict for verdict in verdicts if verdict.segment_id in done]
                state.totals.add(marked)
                for verdict in marked:
                    RETENTION_CLIPS.labels(verdict.reason).inc()
                    RETENTION_BYTES.labels(verdict.reason).inc(verdict.size_bytes)
        state.marked = state.place is None
        return state.marked

    def _too_many(self, count: int) -> bool:
        """Returns whether the run would archive far more than the last ones did.

        Then it stops, and reports that. Whatever is wrong, a clock or a setting, what is kept for a
        month must not be gone within a minute.
        """
        allowed = self.state.allowed
        if allowed is None or count <= allowed:
            return False
        self.ports.rows.report_stopped(count, allowed)
        _log.error("retention_stopped", would_archive=count, allowed=allowed)
        self.state.totals.stopped = (
            f"would archive {count} clips or more, and {allowed} are usual: confirm it to go on"
        )
        return True

    def delete(self) -> bool:
        """Delete objects of marked clips whose grace is over, then record that.

        Objects that cannot be deleted are left for later. A few batches are on their way to the
        store at once: while it deletes one, another is read or recorded.
        """
        with ThreadPoolExecutor(BATCHES_AT_ONCE, thread_name_prefix="delete") as pool:
            under_way: deque[tuple[list[Marked], Future[dict[str, str]]]] = deque()
            for batch in self._marked():
                keys = [key for clip in batch for key in clip.keys]
                under_way.append((batch, pool.submit(self.ports.store.delete, keys)))
                if len(under_way) >= BATCHES_AT_ONCE:
                    self._record(*under_way.popleft())
            while under_way:
                self._record(*under_way.popleft())
        return self.state.deleted_to is None

    def _marked(self) -> Iterator[list[Marked]]:
        """Yields batches of marked clips from where a step stopped, so that those that resist do
        not hide those behind them.
        """
        while not self.over(DELETE_UNTIL):
            batch = self.ports.rows.expiring(self.ports.grace_s, BATCH, self.state.deleted_to)
            self.state.deleted_to = batch[-1] if len(batch) == BATCH else None
            if batch:
                yield batch
            if self.state.deleted_to is None:
                return

    def _record(self, batch: list[Marked], deletion: Future[dict[str, str]]) -> None:
        """Record what the store has deleted of a batch."""
        refused, totals = deletion.result(), self.state.totals
        for key, reason in refused.items():
            _log.warning("object_not_deleted", key=key, reason=reason)
        gone = [clip.segment_id for clip in batch if refused.keys().isdisjoint(clip.keys)]
        totals.deleted += self.ports.rows.record_expired(gone)
        totals.failed += len(batch) - len(gone)
        self.progress("deleting", totals.deleted, 0)

    def settle(self) -> bool:
        """Delete parts that are no longer needed.

        A store that refuses one look puts that off, and nothing else.
        """
        try:
            settled, reopened = settle(self.ports.parts, lambda: self.over(SETTLE_UNTIL))
        except PlatereelError as error:
            _log.warning("parts_not_settled", error=error.message)
            return True
        self.state.totals.parts_settled += settled
        self.state.totals.reopened += reopened
        return not self.over(SETTLE_UNTIL)

    def forget(self) -> bool:
        """Delete expired history rows and relayed events, and fold the counters' changes."""
        for webhook, count in self.ports.jobs.purge_outbox(OUTBOX_KEPT_SECONDS).items():
            _log.error(
                "webhook_events_dropped",
                webhook=webhook,
                count=count,
                after_days=OUTBOX_KEPT_SECONDS / DAY_SECONDS,
            )
        while self.ports.counters.fold(FOLD_BATCH) == FOLD_BATCH and not self.over(1.0):
            continue
        rows, policy = self.ports.rows, self.policy
        kinds: tuple[Callable[[], int], ...] = (
            lambda: rows.purge_reads(policy.reads, BATCH),
            lambda: purge_pictures(self.ports, self.now_ms, BATCH),
            lambda: purge_left_pictures(self.ports, BATCH),
            lambda: rows.purge_passes(policy.reads, BATCH),
            lambda: rows.purge_access_log(policy.access_log_days, BATCH),
        )
        return all(self._purged(purge) for purge in kinds)

    def _purged(self, purge: Callable[[], int]) -> bool:
        """Delete rows of one kind, a batch at a time. Returns whether all are deleted."""
        while not self.over(1.0):
            went = purge()
            self.state.totals.history_purged += went
            if went == 0:
                return True
        return False
