"""What is counted for gauges, rather than judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shared.domain.health import QueueHealth


@dataclass(frozen=True, slots=True, kw_only=True)
class Surveyed:
    """What the rows count, for gauges. deliveries: by webhook. recordings: unfinished segments by
    status. parts: theirs by state. jobs: when the last of a kind ended well (epoch seconds).
    """

    queues: Sequence[QueueHealth] = ()
    deliveries: Mapping[str, QueueHealth] = field(default_factory=dict)
    recordings: Mapping[str, int] = field(default_factory=dict)
    parts: Mapping[str, int] = field(default_factory=dict)
    stuck: int = 0
    jobs: Mapping[str, float] = field(default_factory=dict)
