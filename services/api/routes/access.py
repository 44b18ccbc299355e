"""API keys, sessions, and the access log."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import Cookie, Depends, HTTPException, Query, Request, Response

from services.api.auth.keys import csrf_token
from services.api.auth.sessions import session_facts, set_cookie
from services.api.bodies import data_router
from services.api.callers import (
    COOKIE,
    Admin,
    Ports,
    Viewer,
    address_of,
    count_guess,
    refuse_other_sites,
    require_all_cameras,
)
from services.api.parameters import Plate, Text
from services.api.signed_log import SIGNED_ANSWER, signed_answer, wanted_form
from shared.domain.access import AccessFilter, Role, StoredKey
from shared.domain.errors import BadInput
from shared.domain.purpose import stated
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from shared.wire.moments import Moment, ms_of

Token = Annotated[str | None, Cookie(alias=COOKIE, include_in_schema=False)]

router = data_router("access")


@router.post("/session", status_code=201, dependencies=[Depends(refuse_other_sites)])
def login(
    ports: Ports, request: Request, response: Response, body: schemas.Login
) -> schemas.Session:
    """Open a session for a page.

    The cookie is HttpOnly; changes need the returned csrf_token as X-CSRF-Token.
    """
    stated().fill(body.purpose, body.case)
    identity = ports.keys.by_secret(body.key.get_secret_value())
    opened = None if identity is None else ports.keys.login(identity)
    if opened is None:
        if identity is None:  # also of what looks like a token: none opens a session
            count_guess(ports, request)
        ports.access.note("?", "session.refused", None, {"address": address_of(request)})
        raise HTTPException(401, "a valid API key is needed", {"WWW-Authenticate": "Bearer"})
    caller, token = opened
    set_cookie(request, response, token)
    return schemas.Session(**session_facts(ports, caller, csrf_token(token)))


@router.get("/session")
def who_am_i(ports: Ports, caller: Viewer, token: Token = None) -> schemas.Session:
    """Returns the caller, and the session's csrf_token (null without a session)."""
    csrf = None if token is None else csrf_token(token)
    return schemas.Session(**session_facts(ports, caller, csrf))


@router.delete("/session", status_code=204)
def logout(ports: Ports, response: Response, caller: Viewer, token: Token = None) -> None:
    """End the session."""
    if token is not None:
        ports.access.close_session(token, caller.name)
    response.delete_cookie(COOKIE, path="/")


@router.get("/keys")
def list_keys(ports: Ports, caller: Admin) -> schemas.KeyList:
    """Returns the keys of the database without their secrets; those of the settings are not
    listed.
    """
    require_all_cameras(caller)
    items = [_key(key) for key in ports.access.list_keys()]
    ports.looks.listed(caller, "keys", {})
    return schemas.KeyList(items=items, total=len(items))


@router.post("/keys", status_code=201)
def create_key(ports: Ports, caller: Admin, body: schemas.KeyRequest) -> schemas.NewKey:
    """Make a key. Its secret is shown only in this answer."""
    require_all_cameras(caller)
    now = from_ms(ports.clock.now_ms())
    if body.lists and body.role == str(Role.VIEWER):
        raise BadInput("lists", "is for an operator; a viewer sees no list")
    if body.expires_at is not None and body.expires_at <= now:
        raise BadInput("expires_at", "lies in the past")
    key, secret = ports.access.create_key(
        name=body.name,
        role=Role.named(body.role),
        cameras=body.cameras,
        expires_at=body.expires_at,
        who=caller.name,
        lists=body.lists,
    )
    return schemas.NewKey(**_key(key).model_dump(), secret=secret)


@router.delete("/keys/{name}", status_code=204)
def revoke_key(ports: Ports, caller: Admin, name: str) -> None:
    """End a key and its sessions. Its name stays taken, because the access log names it."""
    require_all_cameras(caller)
    ports.access.revoke_key(name, caller.name)


@router.get("/access-log", response_model=schemas.AccessLog, responses=SIGNED_ANSWER)
def access_log(
    ports: Ports,
    caller: Admin,
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    who: Text | None = None,
    action: Text | None = None,
    segment_id: UUID | None = None,
    purpose: Text | None = None,
    case: Text | None = None,
    plate: Plate | None = None,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
) -> Any:
    """Returns who searched, watched, downloaded, exported, corrected, protected, deleted, changed a
    list, logged in or out, or made keys; newest first. `purpose` finds a part of it, `plate` what
    was searched for. With `Accept: text/csv` or `application/x-ndjson`, all lines that match,
    signed with the deployment's key; `platereel verify` checks them.
    """
    require_all_cameras(caller)
    where = AccessFilter(
        who=who,
        action=action,
        segment_id=segment_id,
        purpose=purpose,
        case=case,
        plate=plate,
        from_ms=ms_of(from_),
        to_ms=ms_of(to),
    )
    asked = {name: value for name, value in asdict(where).items() if value is not None}
    items = ports.access.log(where, before, limit)
    ports.looks.listed(caller, "access-log", asked)
    form = wanted_form(request)
    if form is not None:
        return signed_answer(ports, caller, where, form)
    return schemas.AccessLog.model_validate(
        {"items": items, "next_before": items[-1].id if len(items) == limit else None}
    )


def _key(key: StoredKey) -> schemas.Key:
    return schemas.Key(
        id=key.key_id,
        name=key.caller.name,
        role=str(key.caller.role),
        lists=key.caller.keeps_lists,
        cameras=key.caller.scope,
        created_at=key.created_at,
        created_by=key.created_by,
        expires_at=key.expires_at,
        revoked_at=key.revoked_at,
        last_used_at=key.last_used_at,
    )
