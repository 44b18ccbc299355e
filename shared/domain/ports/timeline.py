"""What a timeline draws."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.timeline import Timeline


class TimelineRows(Protocol):
    """Segments, passes and gaps of a time, in columns."""

    def timeline(self, first_ms: int, last_ms: int, cameras: Sequence[str] | None) -> Timeline:
        """Returns what meets [first_ms, last_ms), of these cameras (None: of all).

        Of very many segments, passes or gaps, the newest.
        """
