"""Counts of segments, as statistics show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from shared.domain.lifecycle import SegmentStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraTotals:
    """Ready clips of one camera."""

    camera_id: str
    segments: int
    bytes: int
    duration_seconds: float
    protected: int
    protected_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """Ready clips that begin on one UTC day."""

    day: date
    segments: int
    bytes: int
    duration_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraDayTotals(DayTotals):
    """Ready clips of one camera that begin on one day of a time zone."""

    camera_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Ready clips of all cameras that were asked for, per camera by name, per day with the newest
    first.
    """

    by_status: Mapping[SegmentStatus, int]  # of all segments, not of ready ones alone
    cameras: list[CameraTotals]
    days: list[DayTotals]
    passes: int = 0
    reads: Mapping[str, int] = field(default_factory=dict)  # by outcome; `counted`: not stored

    @property
    def segments(self) -> int:
        """How many ready clips there are."""
        return sum(camera.segments for camera in self.cameras)

    @property
    def bytes(self) -> int:
        """How much room they take in the store."""
        return sum(camera.bytes for camera in self.cameras)

    @property
    def duration_seconds(self) -> float:
        """How much footage they are."""
        return sum(camera.duration_seconds for camera in self.cameras)

    @property
    def protected_segments(self) -> int:
        """How many of them are protected."""
        return sum(camera.protected for camera in self.cameras)

    @property
    def protected_bytes(self) -> int:
        """How much room the protected ones take."""
        return sum(camera.protected_bytes for camera in self.cameras)
