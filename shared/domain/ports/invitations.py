"""Links that each make one key."""

from __future__ import annotations

from typing import Protocol

from shared.domain.invitations import Invitation, Redeemed


class InvitationRows(Protocol):
    """Invitations. A token is shown once and stored as a hash."""

    def invite(self, invitation: Invitation, seconds: float, who: str) -> str:
        """Returns the token of a new invitation, which is good for so long, once."""

    def invite_first(self, seconds: float, who: str) -> str | None:
        """Returns the token of an invitation for an admin's key; None where a key was ever made.

        Those that the same `who` made before and nobody has used end.
        """

    def redeem(self, token: str, name: str, session_seconds: float) -> Redeemed | None:
        """Make the invitation's key, with this name, and open a session for it.

        Returns None for a token that there is not. Raises Conflict where it was used or the name is
        taken (it can then be tried with another), Gone where it has expired.
        """
