"""Shares: links that each show one clip to somebody without a key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from shared.domain.purpose import checked
from shared.domain.shares import LEAST_HOURS, MOST_HOURS, MOST_NOTE
from shared.wire.api.answer import Answer
from shared.wire.moments import Moment


class ShareRequest(BaseModel):
    """How long a link shall show the clip: for so many hours, or until a moment; and for whom."""

    model_config = ConfigDict(extra="forbid")

    expires_in_hours: (
        Annotated[float, Field(ge=LEAST_HOURS, le=MOST_HOURS, allow_inf_nan=False, strict=True)]
        | None
    ) = None
    expires_at: Moment | None = None
    note: Annotated[str, Field(max_length=MOST_NOTE), AfterValidator(checked)] | None = None


class Share(Answer):
    """A link, without its token."""

    id: UUID
    segment_id: UUID
    note: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None
    views: int = Field(description="How often it was opened.")
    last_seen_at: datetime | None
    open: bool = Field(description="Whether it still shows the clip.")


class ShareList(BaseModel):
    """The links of a segment, the newest first."""

    items: list[Share]
    total: int


class NewShare(Share):
    """A link that was made now. Its token is shown only this once."""

    token: str
    link: str


class OpenedShare(BaseModel):
    """The token of a link."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: Annotated[SecretStr, Field(min_length=1, max_length=128)]


class SharedClip(Answer):
    """What a link tells of its clip."""

    camera_id: str
    first_frame_at: datetime | None
    end_time: datetime | None
    duration_seconds: float | None
    expires_at: datetime = Field(description="When the link ends.")
