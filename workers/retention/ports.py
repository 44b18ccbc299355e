"""What a cleanup needs of the world."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.ports import (
    Clock,
    CounterRows,
    JobRows,
    ObjectStore,
    PictureRows,
    RetentionRows,
)
from shared.domain.retention import RetentionPolicy
from workers.retention.parts import PartsPorts


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanupPorts:
    """What a cleanup needs of the world.

    grace_s: how long an object outlives its clip's deletion. period_s: how long after a regular
    turn the next is due.
    """

    rows: RetentionRows
    pictures: PictureRows
    counters: CounterRows
    store: ObjectStore
    jobs: JobRows
    clock: Clock
    policy: RetentionPolicy
    grace_s: float
    parts: PartsPorts
    period_s: float = 0.0
