"""Shares: an operator makes a link to one clip, and whoever has it sees that clip and no other."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Cookie, Depends, HTTPException, Request, Response

from services.api.availability import clip_of
from services.api.bodies import data_router
from services.api.callers import (
    Operator,
    Ports,
    address_of,
    count_guess,
    refuse_other_sites,
    segment_of,
)
from services.api.media.films import film_of, sent
from services.api.ports import ApiPorts
from services.api.routes.media import DOWNLOADED
from shared.domain.access import Caller, Role
from shared.domain.errors import BadInput, NotFound
from shared.domain.purpose import stated
from shared.domain.segment import Segment
from shared.domain.shares import Share, shared_link
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from shared.wire.clip_names import clip_name

SHARED_COOKIE = "platereel_shared"
COOKIE_SECONDS = 12 * 3600
_CLIP = {status: answer for status, answer in DOWNLOADED.items() if status != 307}  # noqa: PLR2004

router = data_router("shares")


@router.post("/segments/{segment_id}/shares", status_code=201, response_model=schemas.NewShare)
def share(
    ports: Ports, caller: Operator, segment_id: UUID, request: Request, body: schemas.ShareRequest
) -> Any:
    """Make a link that shows the clip to whoever has it, until it expires or is revoked.

    Its token is shown only in this answer.
    """
    clip = clip_of(segment_of(ports, caller, segment_id))
    if isinstance(clip, Response):
        return clip
    ports.looks.require_purpose()
    made, token = ports.shares.share(segment_id, _end(ports, body), body.note, caller.name)
    scheme = "https" if request.state.secure else "http"
    link = shared_link(f"{scheme}://{request.url.netloc}", token)
    shown = schemas.Share.model_validate(made).model_dump()
    return schemas.NewShare(**shown, token=token, link=link)


@router.get("/segments/{segment_id}/shares")
def shares(ports: Ports, caller: Operator, segment_id: UUID) -> schemas.ShareList:
    """Returns the links to a clip, the newest first, without their tokens."""
    segment_of(ports, caller, segment_id)
    items = [schemas.Share.model_validate(each) for each in ports.shares.of_segment(segment_id)]
    ports.looks.listed(caller, "shares", {"segment_id": segment_id})
    return schemas.ShareList(items=items, total=len(items))


@router.delete("/shares/{share_id}", status_code=204)
def revoke(ports: Ports, caller: Operator, share_id: UUID) -> None:
    """End a link. Who is watching by it gets nothing more."""
    segment = ports.segments.row(ports.shares.segment_of(share_id))
    if not caller.sees(segment.camera_id):
        raise NotFound(f"there is no share {share_id}")
    ports.shares.revoke(share_id, caller.name)


@router.post("/shared", dependencies=[Depends(refuse_other_sites)])
def open_shared(
    ports: Ports, request: Request, response: Response, body: schemas.OpenedShare
) -> schemas.SharedClip:
    """Open a link: returns what it tells of its clip, and sets the cookie for `GET shared/clip`."""
    token = body.token.get_secret_value()
    found = _share(ports, request, token)
    segment = _shown(ports, found)
    ports.shares.viewed(found, address_of(request))
    left = (found.expires_at - from_ms(ports.clock.now_ms())).total_seconds()
    response.set_cookie(
        SHARED_COOKIE,
        token,
        max_age=max(1, min(COOKIE_SECONDS, round(left))),
        httponly=True,
        samesite="strict",
        secure=request.state.secure,
        path="/",
    )
    response.headers["Cache-Control"] = "no-store"
    return schemas.SharedClip(
        camera_id=segment.camera_id,
        first_frame_at=segment.first_frame_at,
        end_time=segment.end_time,
        duration_seconds=segment.duration_seconds,
        expires_at=found.expires_at,
    )


@router.get("/shared/clip", response_class=Response, responses=_CLIP)
def shared_clip(
    ports: Ports,
    request: Request,
    token: Annotated[str | None, Cookie(alias=SHARED_COOKIE, max_length=128)] = None,
) -> Response:
    """Returns the MP4 of the link that was opened last, with ranges and conditions.

    The store's own address is never answered: it would outlive the link.
    """
    if token is None:
        raise NotFound("no link is open here; open it again")
    found = _share(ports, request, token)
    segment = _shown(ports, found)
    clip = clip_of(segment)
    if isinstance(clip, Response):
        return clip
    stated().fill(f"link of {found.created_by}", None)
    film = film_of(clip, clip_name(segment.camera_id, segment.start_time, []))
    return sent(ports, Caller(found.who, Role.VIEWER), segment.id, film, request)


def _end(ports: ApiPorts, body: schemas.ShareRequest) -> datetime:
    """Returns when a link ends; raises BadInput unless exactly one of both says so."""
    if (body.expires_in_hours is None) == (body.expires_at is None):
        raise BadInput("expires_in_hours", "say either this or expires_at")
    if body.expires_at is not None:
        return body.expires_at
    return from_ms(ports.clock.now_ms()) + timedelta(hours=body.expires_in_hours or 0)


def _share(ports: ApiPorts, request: Request, token: str) -> Share:
    """Returns the share that a token opens. A wrong token counts as a wrong key."""
    found = ports.shares.opened(token)
    if found is None:
        count_guess(ports, request)
        ports.access.note("?", "share.refused", None, {"address": address_of(request)})
        raise HTTPException(404, "there is no such link")
    return found


def _shown(ports: ApiPorts, found: Share) -> Segment:
    """Returns the segment that a share shows; raises 410 where its clip is deleted."""
    segment = ports.segments.row(found.segment_id)
    if segment.archived:
        raise HTTPException(410, "the clip of this link was deleted")
    return segment
