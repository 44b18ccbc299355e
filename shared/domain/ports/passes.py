"""Passes, as they end and as people find them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPass:
    """A pass that a read can still join. late_ms: the most that one of its reads came late."""

    pass_id: UUID
    camera_id: str
    last_ms: int
    late_ms: int


class PassRows(Protocol):
    """Rows of passes."""

    def open_passes(self) -> list[OpenPass]:
        """Returns every pass that has not ended."""

    def close_passes(self, passes: Sequence[OpenPass]) -> int:
        """End these passes, each with its event, unless it has got a read since. Returns how
        many.
        """
