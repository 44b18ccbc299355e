"""API keys, sessions and the access log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StrictBool

from shared.domain.names import CAMERA_ID, KEY_NAME
from shared.domain.purpose import MOST_CHARACTERS, PurposeRule, checked
from shared.wire.api.answer import Answer
from shared.wire.moments import Moment

CameraId = Annotated[str, Field(pattern=f"^{CAMERA_ID.pattern}$")]


Stated = Annotated[str, Field(max_length=MOST_CHARACTERS), AfterValidator(checked)]


class Login(BaseModel):
    """A key, to open a session with."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    key: Annotated[SecretStr, Field(min_length=1, max_length=4096)]
    purpose: Stated | None = Field(
        None, description="Why: for every request of the session that states no other."
    )
    case: Stated | None = None


class Session(BaseModel):
    """Who the caller is."""

    name: str
    role: str
    lists: bool = Field(description="Whether the caller may see and change the lists of plates.")
    cameras: list[str] | None = Field(description="null: all.")
    csrf_token: str | None
    purpose_rule: PurposeRule = Field(description="Whether a purpose is asked for, or required.")


class KeyRequest(BaseModel):
    """A key to make; without cameras it is for all of them, without expires_at it does not
    expire.
    """

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(pattern=f"^{KEY_NAME.pattern}$")]
    role: Literal["viewer", "operator", "admin"] = "viewer"
    lists: StrictBool = Field(
        False, description="For an operator: may see and change the lists of plates."
    )
    cameras: Annotated[list[CameraId], Field(max_length=1000)] | None = None
    expires_at: Moment | None = None


class Key(BaseModel):
    """A key, without its secret."""

    id: UUID
    name: str
    role: str
    lists: bool
    cameras: list[str] | None
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewKey(Key):
    """A key with its secret, which is shown only this once."""

    secret: str


class KeyList(BaseModel):
    """All keys of the database."""

    items: list[Key]
    total: int


class SigningKey(BaseModel):
    """The key that evidence is signed with."""

    algorithm: str
    public_key: str = Field(description="base64")
    fingerprint: str


class AccessEntry(Answer):
    """A line of the access log."""

    id: int
    at: datetime
    who: str
    action: str
    segment_id: UUID | None
    purpose: str | None
    case: str | None
    details: dict[str, Any]


class AccessLog(BaseModel):
    """Lines, newest first. Give next_before as `before` to go on."""

    items: list[AccessEntry]
    next_before: int | None
