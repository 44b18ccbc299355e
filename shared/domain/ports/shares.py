"""Links that each show one clip."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.domain.shares import Share


class ShareRows(Protocol):
    """Shares. A token is shown once and stored as a hash. A share ends with its segment's row."""

    def share(
        self, segment_id: UUID, expires_at: datetime, note: str | None, who: str
    ) -> tuple[Share, str]:
        """Returns a new share of a segment, and its token.

        Raises BadInput where it would be over already, or last longer than a share may.
        """

    def of_segment(self, segment_id: UUID) -> list[Share]:
        """Returns the shares of a segment, the newest first, those that have ended too."""

    def segment_of(self, share_id: UUID) -> UUID:
        """Returns which segment a share shows; raises NotFound."""

    def revoke(self, share_id: UUID, who: str) -> None:
        """End a share; one that has ended already stays as it is. Raises NotFound."""

    def opened(self, token: str) -> Share | None:
        """Returns the share that a token opens, None for a token that there is not.

        Raises Gone where it was revoked or has expired.
        """

    def viewed(self, share: Share, address: str) -> None:
        """Count that somebody opened a share, and from where."""
