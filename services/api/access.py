"""What every route asks of a request: the ports, and a caller with the right role, for the right cameras."""

from __future__ import annotations

import hmac
from math import ceil
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from services.api.keys import csrf_token, is_loopback
from services.api.ports import ApiPorts
from shared.domain.access import Caller, Role
from shared.domain.errors import NotFound

COOKIE, CSRF_HEADER = "platereel_session", "X-CSRF-Token"
SAFE = {"GET", "HEAD", "OPTIONS"}
_bearer = HTTPBearer(auto_error=False, description="An API key: `platereel keys create` makes one.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, description=f"The page's session; changes need {CSRF_HEADER}.")


async def ports_of(request: Request) -> ApiPorts:
    """The application's ports."""
    return cast("ApiPorts", request.app.state.ports)


Ports = Annotated[ApiPorts, Depends(ports_of)]


def address_of(request: Request) -> str:
    """The address a request comes from: of a trusted proxy, the one it names."""
    return str(request.state.address)


def refuse_the_hasty(ports: ApiPorts, request: Request) -> None:
    """Raise 429 for an address that has presented too many wrong keys."""
    wait_s = ports.attempts.wait_s(address_of(request))
    if wait_s > 0:
        raise HTTPException(429, "too many wrong keys; wait", {"Retry-After": str(ceil(wait_s))})


def _caller(
    request: Request,
    ports: Ports,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    token: Annotated[str | None, Security(_cookie)],
) -> Caller:
    if given is not None:
        refuse_the_hasty(ports, request)
        identity = ports.keys.by_secret(given.credentials)
        if identity is not None:
            return identity.caller
        ports.attempts.failed(address_of(request))
    elif (proxied := _by_proxy(ports, request)) is not None:
        return proxied
    elif token is not None:
        caller = ports.keys.by_session(token)
        if caller is not None:
            _check_csrf(request, token)
            return caller
    else:
        caller = ports.keys.without_key()
        if caller is not None:
            _check_host(request)
            return caller
    raise HTTPException(401, "a valid API key is needed", {"WWW-Authenticate": "Bearer"})


def _by_proxy(ports: ApiPorts, request: Request) -> Caller | None:
    """Whom a trusted proxy has let in, by its headers; with a role of ours, else as viewer."""
    header = ports.settings.api.proxy_user_header
    name = None if header is None or not request.state.proxied else request.headers.get(header)
    if not name:
        return None
    try:
        return Caller(name, Role.named(request.headers.get(ports.settings.api.proxy_role_header, "viewer").lower()))
    except ValueError:
        return Caller(name, Role.VIEWER)


def _check_host(request: Request) -> None:
    """Another site's name that leads to this machine (DNS rebinding) would make that site's page one of ours."""
    if not is_loopback(request.url.hostname or ""):
        raise HTTPException(421, "without keys this API is for this machine alone; call it by a loopback name")


def _check_csrf(request: Request, token: str) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if request.method not in SAFE and not hmac.compare_digest(sent.encode(), csrf_token(token).encode()):
        raise HTTPException(403, f"a change needs the session's {CSRF_HEADER}")


def at_least(caller: Caller, role: Role) -> Caller:
    """The caller, whose role must be this one or a higher one."""
    if caller.role < role:
        raise HTTPException(403, f"this needs the role {role}")
    return caller


async def _viewer(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return at_least(caller, Role.VIEWER)


async def _operator(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return at_least(caller, Role.OPERATOR)


async def _admin(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return at_least(caller, Role.ADMIN)


Viewer = Annotated[Caller, Depends(_viewer)]
Operator = Annotated[Caller, Depends(_operator)]
Admin = Annotated[Caller, Depends(_admin)]


def segment_of(ports: ApiPorts, caller: Caller, segment_id: UUID) -> dict[str, Any]:
    """A segment's row; one of another's cameras is as unknown as one that is not there."""
    row = ports.videos.row(segment_id)
    check_seen(caller, segment_id, row["camera_id"])
    return row


def check_seen(caller: Caller, segment_id: UUID, camera_id: str) -> None:
    """Raise NotFound for a segment of a camera that is not the caller's business."""
    if not caller.sees(camera_id):
        raise NotFound(f"there is no segment {segment_id}")


def camera_of(ports: ApiPorts, caller: Caller, camera_id: str) -> str:
    """A camera's id, if the caller may know of it; clips outlive their camera's configuration."""
    known = camera_id in ports.settings.cameras or camera_id in ports.keeping.cameras_with_clips()
    if not known or not caller.sees(camera_id):
        raise NotFound("there is no such camera")
    return camera_id


def configured(ports: ApiPorts, caller: Caller, camera_id: str) -> str:
    """A camera's id, if it is in the configuration and the caller may know of it."""
    if camera_id not in ports.settings.cameras or not caller.sees(camera_id):
        raise NotFound("there is no such camera")
    return camera_id


def of_everything(caller: Caller) -> Caller:
    """The caller, whose key must be for all cameras."""
    if caller.cameras is not None:
        raise HTTPException(403, "this concerns all cameras, and the key is for some")
    return caller
