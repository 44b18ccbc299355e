"""What the database knows of a deployment's health."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from shared.domain.health import RowsHealth
from shared.domain.survey import Surveyed


class HealthRows(Protocol):
    """Queues, recordings, deliveries and jobs, as one look finds them."""

    def look(self, today: datetime, cameras: Sequence[str] | None) -> RowsHealth:
        """Returns what is so now; frames lost are those of clips that began since `today`.

        cameras: recordings and lost frames of these alone, and no deliveries; None: everything.
        """


class SurveyRows(Protocol):
    """What is counted for gauges."""

    def survey(self) -> Surveyed:
        """Returns what is so now. Costs what is unfinished, not what is stored."""
