"""Shares: whoever has such a link sees one clip, without a key, until it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

LEAST_HOURS, MOST_HOURS = 0.1, 24.0 * 90
MOST_NOTE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One link. views: how often it was opened. open: whether it still shows its clip."""

    id: UUID
    segment_id: UUID
    note: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    views: int
    last_seen_at: datetime | None
    open: bool

    @property
    def who(self) -> str:
        """Whom the access log names: the link, for nobody knows who has it."""
        return f"share {self.id}"


def shared_link(page: str, token: str) -> str:
    """Returns the link of a share. Browsers send nothing behind the # to a server, so that no
    server and no proxy writes the token to its log.
    """
    return f"{page.rstrip('/')}/#/shared/{token}"
