"""Who may do what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from uuid import UUID

from shared.domain.json_object import JsonObject


class Role(IntEnum):
    """What a key may do. Each role includes the ones before it."""

    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    @classmethod
    def named(cls, name: str) -> Role:
        """Returns the role of a lower-case name; raises ValueError for any other."""
        found = {role.name.lower(): role for role in cls}.get(name)
        if found is None:
            raise ValueError(f"{name!r} is none of viewer, operator, admin")
        return found

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, and for which cameras (None: all). lists: whether an operator may see
    and change the lists of plates; an admin may.
    """

    name: str
    role: Role
    cameras: frozenset[str] | None = None
    lists: bool = False

    @property
    def keeps_lists(self) -> bool:
        """Whether the caller may see and change the lists of plates."""
        return self.role is Role.ADMIN or (self.role is Role.OPERATOR and self.lists)

    def sees(self, camera_id: str) -> bool:
        """Returns whether the caller may see a camera and what was recorded of it."""
        return self.cameras is None or camera_id in self.cameras

    @property
    def scope(self) -> list[str] | None:
        """The caller's cameras as a list's filter, in order; None for all."""
        return None if self.cameras is None else sorted(self.cameras)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessEntry:
    """A line of the access log: who did or looked at what."""

    id: int
    at: datetime
    who: str
    action: str
    segment_id: UUID | None
    purpose: str | None
    case: str | None
    details: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """Which lines of the access log are asked for. purpose: a part of it, whatever its case; plate:
    as it was searched for.
    """

    who: str | None = None
    action: str | None = None
    segment_id: UUID | None = None
    purpose: str | None = None
    case: str | None = None
    plate: str | None = None
    from_ms: int | None = None
    to_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundSession:
    """An open session: whose it is, by which key of the settings it was opened, and why."""

    caller: Caller
    key_digest: str | None
    purpose: str | None
    case: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key of the database, without its secret."""

    key_id: UUID
    caller: Caller
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None

    def usable(self, now: datetime) -> bool:
        """Returns whether the key opens anything at that time."""
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > now)
