"""Which clips are deleted.

Deciding is separate from doing: a cleanup marks, then deletes, then records.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from uuid import UUID

from shared.domain.plates import plate_key

DAY_MS = 86_400_000
MAX_DAYS = 36_500
GUARD_FROM = 20  # clips: a small site may archive all it has


class RetentionReason(StrEnum):
    """Why retention gives a clip up."""

    AGE = "age"  # it is older than its days
    CAMERA_BYTES = "camera_bytes"  # its camera has more than its own limit
    BYTES = "bytes"  # all cameras together have more than the limit
    FREE_SPACE = "free_space"  # the store has less free space than it must


@dataclass(frozen=True, slots=True)
class Clip:
    """A ready or failed segment, as retention sees it; `labels` are the attributes its detections
    have set. hit_days: how long the lists that its plates are on want their hits kept; None: as the
    rest.
    """

    segment_id: UUID
    camera_id: str
    end_ms: int
    size_bytes: int
    protected: bool
    plates: Sequence[str] = ()
    labels: Sequence[str] = ()
    hit_days: float | None = None


@dataclass(frozen=True)
class ContentClass:
    """Clips that are kept longer for what they show: one of these plates (* and ?), or an attribute
    that is set.
    """

    name: str
    days: float | None
    plates: Sequence[str] = ()
    attribute: str | None = None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(_expression(plate) for plate in self.plates) or r"(?!)")

    def holds(self, clip: Clip) -> bool:
        """Returns whether a clip belongs to the class."""
        if self.attribute is not None and self.attribute in clip.labels:
            return True
        return any(self._pattern.fullmatch(plate_key(plate)) for plate in clip.plates)


def _expression(plate: str) -> str:
    return re.escape(plate_key(plate)).replace(r"\*", ".*").replace(r"\?", ".")


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How long (days) and how much (bytes) is kept; None means no limit of that kind."""

    days: float | None = 30.0
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class ReadsKept:
    """For how many days reads that no clip shows are kept; None: for ever. cameras: those that have
    days of their own.
    """

    days: float | None = None
    cameras: Mapping[str, float | None] = field(default_factory=dict)

    def days_of(self, camera_id: str) -> float | None:
        """Returns the days of a camera."""
        return self.cameras.get(camera_id, self.days)


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """The rule of all cameras together, and the rules of cameras that have their own.

    `free_bytes`: what must stay free in the store. `min_days`: no pressure, of bytes or space,
    takes a younger clip. `guard_share`: of all clips, what one run may archive beyond what is
    usual. `max_days`: no clip or read that is not protected is kept longer, whatever its camera,
    its class or a request says. `reads` and `access_log_days`: of rows.
    """

    overall: RetentionRule = field(default_factory=RetentionRule)
    cameras: Mapping[str, RetentionRule] = field(default_factory=dict)
    classes: Sequence[ContentClass] = ()
    free_bytes: int | None = None
    min_days: float = 0.0
    guard_share: float = 0.5
    max_days: float | None = None
    reads: ReadsKept = field(default_factory=ReadsKept)
    access_log_days: float = 730.0
    pictures_days: float | None = None

    def days_of(self, camera_id: str) -> float | None:
        """Returns how many days a camera's clips are kept: by its own rule where it has one."""
        return capped(self.cameras.get(camera_id, self.overall).days, self.max_days)

    def days_for(self, clip: Clip) -> float | None:
        """Returns how many days this clip is kept: the longest of its camera's and its classes'."""
        days = [
            self.days_of(clip.camera_id),
            *(each.days for each in self.classes if each.holds(clip)),
            *(() if clip.hit_days is None else (clip.hit_days,)),
        ]
        longest = None if None in days else max(day for day in days if day is not None)
        return capped(longest, self.max_days)

    def max_bytes_of(self, camera_id: str) -> int | None:
        """Returns the camera's own limit of bytes, or None."""
        own = self.cameras.get(camera_id)
        return None if own is None else own.max_bytes

    def requested(self, days: float | None) -> RetentionPolicy:
        """Returns the policy of one run: requested days replace those of every camera.

        Classes keep their own.
        """
        if days is None:
            return self
        cameras = {camera_id: replace(rule, days=days) for camera_id, rule in self.cameras.items()}
        return replace(self, overall=replace(self.overall, days=days), cameras=cameras)


def capped(days: float | None, max_days: float | None) -> float | None:
    """Returns days, at most so many; None: for ever."""
    if days is None or max_days is None:
        return max_days if days is None else days
    return min(days, max_days)


def may_archive(clips: int, usual: int, guard_share: float) -> int:
    """Returns how many clips one run may archive without being confirmed: a share of all, beyond
    what is usual. clips: how many there are. usual: the most that one of the last runs archived.
    """
    return max(GUARD_FROM, usual + int(clips * guard_share))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A clip to delete, and why: `age`, `camera_bytes`, `bytes` or `free_space`."""

    segment_id: UUID
    camera_id: str
    size_bytes: int
    reason: RetentionReason


@dataclass(slots=True)
class Judge:
    """Judges clips one after the other, and remembers which it has chosen.

    used_bytes: what each camera's ready clips occupy. missing_bytes: what the store lacks of its
    free space. Protected clips are never chosen, nor one younger than min_days, except by age.
    """

    policy: RetentionPolicy
    now_ms: int
    used_bytes: dict[str, int]
    missing_bytes: int = 0
    going: set[UUID] = field(default_factory=set)

    @property
    def total_bytes(self) -> int:
        """What all cameras' ready clips occupy."""
        return sum(self.used_bytes.values())

    def by_age(self, clips: Iterable[Clip]) -> list[Verdict]:
        """Returns those that are older than their days."""
        return [
            self._goes(clip, RetentionReason.AGE)
            for clip in clips
            if self._may_go(clip) and self._old(clip)
        ]

    def by_camera_bytes(self, clips: Iterable[Clip], *, last_resort: bool = False) -> list[Verdict]:
        """Returns those to delete for their camera's limit, oldest first; clips of a class last."""
        return [
            self._goes(clip, RetentionReason.CAMERA_BYTES)
            for clip in _oldest_first(clips)
            if self.over(clip.camera_id) and self._pressed(clip, last_resort=last_resort)
        ]

    def by_pressure(self, clips: Iterable[Clip], *, last_resort: bool = False) -> list[Verdict]:
        """Returns those to delete for the limit over all cameras or for free space, oldest
        first.
        """
        verdicts = []
        for clip in _oldest_first(clips):
            reason = self.pressure()
            if reason is not None and self._pressed(clip, last_resort=last_resort):
                verdicts.append(self._goes(clip, reason))
        return verdicts

    def over(self, camera_id: str) -> bool:
        """Returns whether a camera has more than its own limit."""
        limit = self.policy.max_bytes_of(camera_id)
        return limit is not None and self.used_bytes.get(camera_id, 0) > limit

    def pressure(self) -> RetentionReason | None:
        """Returns why clips of any camera must be deleted; None when none must."""
        limit = self.policy.overall.max_bytes
        if limit is not None and self.total_bytes > limit:
            return RetentionReason.BYTES
        return RetentionReason.FREE_SPACE if self.missing_bytes > 0 else None

    def _may_go(self, clip: Clip) -> bool:
        return not clip.protected and clip.segment_id not in self.going

    def _old(self, clip: Clip) -> bool:
        days = self.policy.days_for(clip)
        return days is not None and self.now_ms - clip.end_ms > days * DAY_MS

    def _pressed(self, clip: Clip, *, last_resort: bool) -> bool:
        young = self.now_ms - clip.end_ms < self.policy.min_days * DAY_MS
        special = any(each.holds(clip) for each in self.policy.classes)
        return (
            self._may_go(clip)
            and clip.size_bytes > 0
            and not young
            and (last_resort or not special)
        )

    def _goes(self, clip: Clip, reason: RetentionReason) -> Verdict:
        self.going.add(clip.segment_id)
        self.used_bytes[clip.camera_id] = self.used_bytes.get(clip.camera_id, 0) - clip.size_bytes
        self.missing_bytes -= clip.size_bytes
        return Verdict(clip.segment_id, clip.camera_id, clip.size_bytes, reason)


def _oldest_first(clips: Iterable[Clip]) -> list[Clip]:
    return sorted(clips, key=lambda clip: (clip.end_ms, str(clip.segment_id)))
