"""Counts of segments, which statistics are made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.statistics import Totals


class CounterRows(Protocol):
    """Counts of segments, moved by the very statements that change a segment."""

    def stats(self, days: int, cameras: Sequence[str] | None = None) -> Totals:
        """Totals, per camera, and of the last `days` days; of these cameras alone where given."""

    def fold(self, limit: int) -> int:
        """Add waiting changes to the counters; how many rows that were."""

    def differences(self) -> list[str]:
        """Count every row: each counter that is wrong, named with what it says and what is true."""

    def recount(self) -> None:
        """Make the counters right."""
