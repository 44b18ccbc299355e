"""What the check needs of the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.domain.backup import Restored
from shared.domain.ports import (
    Clock,
    ConsistencyRows,
    CounterRows,
    JobRows,
    ObjectStore,
    Video,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPorts:
    """What the check needs of the world.

    period_s: how long after a regular turn the next is due. restored: returns from when the
    database was restored, if it was.
    """

    rows: ConsistencyRows
    counters: CounterRows
    store: ObjectStore
    video: Video
    jobs: JobRows
    clock: Clock
    age_floor_s: float
    parts_kept_s: float = 0.0
    work_dir: Path | None = None
    period_s: float = 0.0
    restored: Callable[[], Restored | None] = lambda: None
