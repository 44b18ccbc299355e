"""Which backups are kept, when the next one is due, and what a restored database cannot know."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, timedelta
from uuid import UUID

from shared.domain.timing import from_ms, to_ms

HOUR_MS = 3_600_000
# A row is made when its window opens, up to a minute of pre-roll after the window's start; a late
# detection opens one further back.
OPENED_LATE_MS = HOUR_MS
LATE_SECONDS = 2 * 86_400.0  # a backup that is older than two nights is told of


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBackup:
    """A backup as its key names it. made_ms: when; schema: the version of its database."""

    key: str
    deployment: UUID
    made_ms: int
    schema: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A restored database: when its backup was made (from_ms), and when it was loaded (at_ms)."""

    from_ms: int
    at_ms: int

    def lost_row(self, start_ms: int) -> bool:
        """Returns whether a clip that began then may have had a row that no backup holds."""
        return self.from_ms - OPENED_LATE_MS <= start_ms <= self.at_ms


def due_since_ms(now_ms: int, hour: int) -> int:
    """Returns the last moment at which that hour (UTC) began: a backup since then is enough."""
    now = from_ms(now_ms).astimezone(UTC)
    today = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    return to_ms(today if today <= now else today - timedelta(days=1))


def outdated(backups: Sequence[StoredBackup], keep: int) -> list[StoredBackup]:
    """Returns the backups to delete: all but those of the newest `keep` days that have any.

    Backups of one day (UTC) are kept together, so one that a person makes takes no night's place.
    """
    days = sorted({_day(each) for each in backups}, reverse=True)
    kept: Collection[str] = set(days[:keep])
    return [each for each in backups if _day(each) not in kept]


def _day(backup: StoredBackup) -> str:
    return f"{from_ms(backup.made_ms):%Y-%m-%d}"
