"""Invitations: what makes a key in a browser."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.domain.names import KEY_NAME
from shared.wire.api.access import Session, Stated


class Redemption(BaseModel):
    """An invitation's token, and how the key that it makes shall be called."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(min_length=1, max_length=128)]
    name: Annotated[str, Field(pattern=f"^{KEY_NAME.pattern}$")]
    purpose: Stated | None = Field(
        None, description="Why: for every request of the session that states no other."
    )
    case: Stated | None = None


class RedeemedKey(Session):
    """The session that is open now, and the secret of its key, which is shown only this once."""

    secret: str
