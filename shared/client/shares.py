"""The client's calls for links to clips."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from shared.client.http import HttpApi
from shared.wire import api


class ShareCalls(HttpApi):
    """Requests that make, list and end links."""

    def share(
        self,
        segment_id: UUID | str,
        *,
        hours: float | None = None,
        until: datetime | None = None,
        note: str | None = None,
    ) -> api.NewShare:
        """Make a link that shows a clip to whoever has it, for so many hours or until a moment.

        Its token is shown only in this answer.
        """
        end = None if until is None else until.isoformat()
        body = {"expires_in_hours": hours, "expires_at": end, "note": note}
        return self._send(api.NewShare, "POST", f"segments/{segment_id}/shares", body)

    def shares(self, segment_id: UUID | str) -> api.ShareList:
        """Returns the links to a clip, those that have ended too."""
        return self._read(api.ShareList, f"segments/{segment_id}/shares")

    def revoke_share(self, share_id: UUID | str) -> None:
        """End a link."""
        self._answer("DELETE", f"shares/{share_id}")
