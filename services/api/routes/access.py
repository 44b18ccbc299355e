"""API keys, sessions, and the access log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Cookie, Depends, HTTPException, Query, Request, Response

from services.api.auth.keys import SESSION_SECONDS, csrf_token
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
from services.api.parameters import Text
from shared.domain.access import Caller, Role, StoredKey
from shared.domain.errors import BadInput
from shared.domain.timing import from_ms
from shared.wire import api as schemas

Token = Annotated[str | None, Cookie(alias=COOKIE, include_in_schema=False)]

router = data_router("access")


@router.post("/session", status_code=201, dependencies=[Depends(refuse_other_sites)])
def login(
    ports: Ports, request: Request, response: Response, body: schemas.Login
) -> schemas.Session:
    """Open a session for a page.

    The cookie is HttpOnly; changes need the returned csrf_token as X-CSRF-Token.
    """
    identity = ports.keys.by_secret(body.key.get_secret_value())
    opened = None if identity is None else ports.keys.login(identity)
    if opened is None:
        if identity is None:  # also of what looks like a token: none opens a session
            count_guess(ports, request)
        ports.access.note("?", "session.refused", None, {"address": address_of(request)})
        raise HTTPException(401, "a valid API key is needed", {"WWW-Authenticate": "Bearer"})
    caller, token = opened
    response.set_cookie(
        COOKIE,
        token,
        max_age=round(SESSION_SECONDS),
        httponly=True,
        samesite="strict",
        secure=request.state.secure,
        path="/",
    )
    return _session(caller, csrf_token(token))


@router.get("/session")
def who_am_i(caller: Viewer, token: Token = None) -> schemas.Session:
    """Returns the caller, and the session's csrf_token (null without a session)."""
    return _session(caller, None if token is None else csrf_token(token))


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


@router.get("/access-log")
def access_log(
    ports: Ports,
    caller: Admin,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    before: Annotated[int | None, Query(ge=0, le=2**62)] = None,
    who: Text | None = None,
    action: Text | None = None,
    segment_id: UUID | None = None,
) -> schemas.AccessLog:
    """Returns who searched, watched, downloaded, exported, protected, deleted, logged in or out, or
    made keys; newest first.
    """
    require_all_cameras(caller)
    items = ports.access.log(
        before=before, limit=limit, who=who, action=action, segment_id=segment_id
    )
    ports.looks.listed(
        caller, "access-log", {"who": who, "action": action, "segment_id": segment_id}
    )
    return schemas.AccessLog.model_validate(
        {"items": items, "next_before": items[-1].id if len(items) == limit else None}
    )


def _session(caller: Caller, csrf: str | None) -> schemas.Session:
    return schemas.Session(
        name=caller.name,
        role=str(caller.role),
        lists=caller.keeps_lists,
        cameras=caller.scope,
        csrf_token=csrf,
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
