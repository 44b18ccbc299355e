"""Passes, as they end and as people find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from shared.domain.found_passes import (
    DetailedPass,
    FoundDetection,
    FoundPass,
    Listed,
    PassHit,
    PlateDay,
    Review,
    ReviewedPass,
)
from shared.domain.lifecycle import DetectionOutcome


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPass:
    """A pass that a read can still join. late_ms: the most that one of its reads came late."""

    pass_id: UUID
    camera_id: str
    last_ms: int
    late_ms: int


class ReadOrder(StrEnum):
    """The orders of lists of passes and detections. Each is total."""

    NEWEST = "-time"
    OLDEST = "time"
    NEAREST = "match"  # of a search for near misses: the closest plate first, then the newest


@dataclass(frozen=True, slots=True, kw_only=True)
class PassFilter:
    """What passes to list; None means any. cameras: those that the caller may see.

    plate: with * and ?; fuzzy: also nearly equal ones. from_ms, to_ms: when a pass began. day_from,
    day_to: between these times of day in `zone`, over midnight where the first is later. Dwell: of
    passes that have ended. acknowledged: of hits,
    whether somebody has seen all of them. attributes: names and values, as text or as JSON has
    them.
    """

    camera_id: str | None = None
    cameras: Sequence[str] | None = None
    plate: str | None = None
    fuzzy: bool = False
    from_ms: int | None = None
    to_ms: int | None = None
    day_from: time | None = None
    day_to: time | None = None
    zone: str = "UTC"
    min_confidence: float | None = None
    min_dwell_s: float | None = None
    max_dwell_s: float | None = None
    recorded: bool | None = None
    review: Review | None = None
    hit: bool | None = None
    acknowledged: bool | None = None
    list_name: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionFilter:
    """What detections to list; None means any. cameras: those that the caller may see."""

    camera_id: str | None = None
    cameras: Sequence[str] | None = None
    plate: str | None = None
    fuzzy: bool = False
    from_ms: int | None = None
    to_ms: int | None = None
    min_confidence: float | None = None
    outcome: DetectionOutcome | None = None
    pass_id: UUID | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


class PassRows(Protocol):
    """Rows of passes."""

    def open_passes(self) -> list[OpenPass]:
        """Returns every pass that has not ended."""

    def close_passes(self, passes: Sequence[OpenPass]) -> int:
        """End these passes, each with its event, unless it has got a read since. Returns how
        many.
        """

    def search(
        self,
        where: PassFilter,
        limit: int,
        cursor: str | None,
        order: ReadOrder,
        *,
        plain: bool = False,
    ) -> Listed[FoundPass]:
        """Returns a page of passes. BadInput names what is wrong.

        plain: without the plates that they were read as, and without a total: for long lists.
        """

    def detections(
        self,
        where: DetectionFilter,
        limit: int,
        cursor: str | None,
        order: ReadOrder,
        *,
        plain: bool = False,
    ) -> Listed[FoundDetection]:
        """Returns a page of detections. BadInput names what is wrong. plain: without a total."""

    def detections_with_id(self, detection_id: str) -> list[FoundDetection]:
        """Returns the detections of this id, in order of camera: ids are per camera."""

    def get(self, pass_id: UUID) -> DetailedPass:
        """Returns one pass, or the one that it is part of now. Raises NotFound."""

    def reviewed(self, pass_ids: Sequence[UUID]) -> list[ReviewedPass]:
        """Returns those of these passes that there are, in order of time."""

    def review(
        self, pass_id: UUID, review: Review | None, plate: str | None, note: str | None, who: str
    ) -> DetailedPass:
        """Note what a person says of a pass. plate: the right one, where it is corrected.

        review: None leaves it as it is and changes the note alone.
        """

    def lists_of(self, pass_ids: Sequence[UUID]) -> dict[UUID, list[str]]:
        """Returns the names of the lists that each of these passes is on, if there are any."""

    def hits(self, pass_id: UUID) -> list[PassHit]:
        """Returns the lists that a pass is on, the most urgent first."""

    def acknowledge(self, pass_id: UUID, note: str | None, who: str) -> int:
        """Note that somebody has seen a pass's hits. Returns how many had waited for that."""

    def days_of_plate(
        self, plate: str, zone: str, cameras: Sequence[str] | None, limit: int
    ) -> list[PlateDay]:
        """Returns how often a plate went by each camera on each day, newest first."""
