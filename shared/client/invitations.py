"""The client's calls for invitations."""

from __future__ import annotations

from shared.client.http import HttpApi
from shared.wire import api


class InvitationCalls(HttpApi):
    """Requests that make a key."""

    def redeem(self, token: str, name: str) -> api.RedeemedKey:
        """Make the key of an invitation. Its secret is shown only in this answer."""
        body = {"token": token, "name": name}
        return self._send(api.RedeemedKey, "POST", "invitations/redeem", body)
