"""Looks at the servers and rows of the deployment now and then, and reports what a dashboard shows.

Several dispatchers report the same: a query takes the highest. What cannot be found out now is NaN,
which fires no alert but that of its server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from math import inf, nan

from prometheus_client import Gauge

from shared.domain.errors import PlatereelError
from shared.domain.growth import Capacity
from shared.domain.health import Dependency, QueueHealth
from shared.domain.job import JobKind
from shared.domain.ports import Clock, SurveyRows
from shared.domain.survey import Surveyed
from shared.runtime import metrics

# A scrape comes every 15 s or so.
EVERY_SECONDS = 10.0
STORAGE_EVERY_SECONDS = 60.0
NOTHING = QueueHealth(name="", length=0, oldest_seconds=None)


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """How full one Redis is: used memory over maxmemory, 0 without a limit."""

    role: str
    node: str
    ratio: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyPorts:
    """What the survey asks. Each may raise PlatereelError, which takes nothing else away.

    unread_s: how long the oldest detection in the stream has waited. receivers: webhooks, and mqtt.
    backed_up_ms: when the newest backup was made, None before the first; no call where none are
    wanted.
    """

    rows: SurveyRows
    dependencies: Callable[[], Iterable[Dependency]]
    memory: Callable[[], Iterable[RedisMemory]]
    unread_s: Callable[[], float]
    capacity: Callable[[], Capacity]
    clock: Clock
    receivers: tuple[str, ...] = ()
    periods_s: Mapping[JobKind, float] = field(default_factory=dict)
    backed_up_ms: Callable[[], int | None] | None = None


@dataclass(slots=True)
class _Board:
    """The gauges of one question: NaN, all of them, while it has no answer."""

    told: dict[tuple[Gauge, tuple[str, ...]], float] = field(default_factory=dict)

    def ask(self, report: Callable[[], Iterable[tuple[Gauge, tuple[str, ...], float]]]) -> None:
        try:
            found = {(gauge, labels): value for gauge, labels, value in report()}
        except PlatereelError:
            found = {}
        self.told = dict.fromkeys(self.told, nan) | found
        for (gauge, labels), value in self.told.items():
            (gauge.labels(*labels) if labels else gauge).set(value)


Report = Iterable[tuple[Gauge, tuple[str, ...], float]]


@dataclass(slots=True)
class Survey:
    """One process's survey, from one look to the next."""

    ports: SurveyPorts
    _boards: dict[str, _Board] = field(default_factory=dict)
    _storage_at: float = -inf

    def look(self) -> None:
        """Look once, and report."""
        self._board("dependencies").ask(self._dependencies)
        self._board("memory").ask(self._memory)
        self._board("rows").ask(lambda: self._rows(self.ports.rows.survey()))
        self._board("detections").ask(self._detections)
        now = self.ports.clock.monotonic()
        if now - self._storage_at >= STORAGE_EVERY_SECONDS:
            self._storage_at = now
            self._board("storage").ask(self._storage)

    def _board(self, name: str) -> _Board:
        return self._boards.setdefault(name, _Board())

    def _dependencies(self) -> Report:
        for each in self.ports.dependencies():
            latency_s = nan if each.latency_ms is None else each.latency_ms / 1000
            yield metrics.DEPENDENCY_UP, (each.name,), float(each.up)
            yield metrics.DEPENDENCY_SECONDS, (each.name,), latency_s

    def _memory(self) -> Report:
        for each in self.ports.memory():
            yield metrics.REDIS_MEMORY, (each.role, each.node), each.ratio

    def _rows(self, found: Surveyed) -> Report:
        for queue in found.queues:
            yield from _queue(queue)
        for receiver in self.ports.receivers:
            waiting = found.deliveries.get(receiver, NOTHING)
            yield metrics.DELIVERIES, (receiver,), waiting.length or 0
            yield metrics.DELIVERIES_OLDEST, (receiver,), waiting.oldest_seconds or 0.0
        for status, count in found.recordings.items():
            yield metrics.RECORDINGS, (status,), count
        for state, count in found.parts.items():
            yield metrics.WAITING_PARTS, (state,), count
        yield metrics.STUCK, (), found.stuck
        made = self.ports.backed_up_ms
        yield metrics.BACKED_UP, (), nan if made is None else (made() or 0) / 1000
        for kind, period_s in self.ports.periods_s.items():
            yield metrics.JOB_PERIOD, (kind,), period_s
        for kind in JobKind:
            yield metrics.JOB_AT, (kind,), found.jobs.get(kind, 0.0)

    def _detections(self) -> Report:
        oldest_s = self.ports.unread_s()
        return _queue(QueueHealth(name="detections", length=None, oldest_seconds=oldest_s))

    def _storage(self) -> Report:
        room = self.ports.capacity()
        yield metrics.STORAGE_USED, (), room.used_bytes
        yield metrics.STORAGE_FREE, (), nan if room.free_bytes is None else room.free_bytes
        yield metrics.STORAGE_DAYS, (), inf if room.days_left is None else room.days_left


def _queue(queue: QueueHealth) -> Report:
    yield metrics.QUEUE_LENGTH, (queue.name,), nan if queue.length is None else queue.length
    yield metrics.QUEUE_OLDEST, (queue.name,), queue.oldest_seconds or 0.0
