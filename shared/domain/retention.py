"""Which clips may go. Deciding is separate from doing: the sweep marks, then deletes, then records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

DAY_MS = 86_400_000
MAX_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Clip:
    """A ready segment, as retention sees it."""

    segment_id: UUID
    camera_id: str
    end_ms: int
    size_bytes: int
    protected: bool


@dataclass(frozen=True, slots=True)
class RetentionRule:
    """How long (days) and how much (bytes) is kept; None means no limit of that kind."""

    days: float | None = 30.0
    max_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """The rule of all cameras together, and the rules of cameras that have their own."""

    overall: RetentionRule = field(default_factory=RetentionRule)
    cameras: Mapping[str, RetentionRule] = field(default_factory=dict)

    def days_of(self, camera_id: str) -> float | None:
        """Days a camera's clips are kept: its own rule where it has one."""
        return self.cameras.get(camera_id, self.overall).days


@dataclass(frozen=True, slots=True)
class Verdict:
    """A clip that goes, and why: `age`, `camera_bytes` or `bytes`."""

    segment_id: UUID
    camera_id: str
    size_bytes: int
    reason: str


def decide(clips: Iterable[Clip], policy: RetentionPolicy, now_ms: int, used_bytes: Mapping[str, int]) -> list[Verdict]:
    """Verdicts for `clips`, oldest first. `used_bytes` is what each camera's ready clips occupy.

    Protected clips never go, whatever the pressure. A clip that ends in the future is no older than now.
    """
    verdicts: list[Verdict] = []
    used = dict(used_bytes)
    total = sum(used.values())
    for clip in sorted(clips, key=lambda c: (c.end_ms, str(c.segment_id))):
        if clip.protected:
            continue
        reason = _reason(clip, policy, now_ms, used.get(clip.camera_id, 0), total)
        if reason is None:
            continue
        verdicts.append(Verdict(clip.segment_id, clip.camera_id, clip.size_bytes, reason))
        used[clip.camera_id] = used.get(clip.camera_id, 0) - clip.size_bytes
        total -= clip.size_bytes
    return verdicts


def _reason(clip: Clip, policy: RetentionPolicy, now_ms: int, camera_used: int, total_used: int) -> str | None:
    days = policy.days_of(clip.camera_id)
    if days is not None and now_ms - clip.end_ms > days * DAY_MS:
        return "age"
    own = policy.cameras.get(clip.camera_id)
    if own is not None and own.max_bytes is not None and camera_used > own.max_bytes:
        return "camera_bytes"
    if policy.overall.max_bytes is not None and total_used > policy.overall.max_bytes:
        return "bytes"
    return None
