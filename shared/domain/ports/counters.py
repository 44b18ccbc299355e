"""Counts of segments, which statistics are made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from shared.domain.statistics import CameraDayTotals, Totals


class CounterRows(Protocol):
    """Counts of segments. The statements that change a segment change them too."""

    def stats(
        self, days: int, cameras: Sequence[str] | None = None, reads_days: int = 30
    ) -> Totals:
        """Returns totals, per camera, and per day of the last `days` days; of these cameras alone
        where given. reads_days: of so many days passes and detections are counted.
        """

    def camera_days(
        self, first: date, time_zone: str, cameras: Sequence[str] | None = None
    ) -> list[CameraDayTotals]:
        """Returns totals per day and camera since the first day, which is one of that zone; of
        these cameras alone where given.
        """

    def fold(self, limit: int) -> int:
        """Add waiting changes to the counters. Returns how many rows were added."""

    def differences(self) -> list[str]:
        """Count every row. Returns each counter that is wrong, with its value and the true one."""

    def recount(self) -> None:
        """Correct the counters."""
