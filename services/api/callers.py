"""What every route needs of a request: the ports, and a caller with the right role for the right
cameras.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Annotated, cast
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, HTTPException, Request, Security
from fastapi.security import (
    APIKeyCookie,
    HTTPAuthorizationCredentials,
    HTTPBasic,
    HTTPBasicCredentials,
    HTTPBearer,
)

from services.api.auth.forwarded import one_word
from services.api.auth.keys import csrf_token
from services.api.ports import ApiPorts
from shared.domain.access import Caller, Role
from shared.domain.errors import NotFound, PlatereelError
from shared.domain.segment import Segment

COOKIE, CSRF_HEADER = "platereel_session", "X-CSRF-Token"
SAFE = {"GET", "HEAD", "OPTIONS"}
_DOOR_CHALLENGE = 'Basic realm="platereel", Bearer'
_bearer = HTTPBearer(auto_error=False, description="An API key: `platereel keys create` makes one.")
_basic = HTTPBasic(
    realm="platereel",
    auto_error=False,
    description="For cameras: any user name, and an API key as the password.",
)
_cookie = APIKeyCookie(
    name=COOKIE, auto_error=False, description=f"The page's session; changes need {CSRF_HEADER}."
)


async def ports_of(request: Request) -> ApiPorts:
    """Returns the application's ports."""
    return cast("ApiPorts", request.app.state.ports)


Ports = Annotated[ApiPorts, Depends(ports_of)]
LookUp = Callable[[], Caller | None]


def address_of(request: Request) -> str:
    """Returns the address that a request comes from; of a trusted proxy, the client's."""
    return str(request.state.address)


def count_guess(ports: ApiPorts, request: Request) -> None:
    """Note a wrong key; raise 429 for an address that has presented too many. A right key is never
    asked to wait.
    """
    wait_s = ports.attempts.wait_s(address_of(request))
    if wait_s > 0:
        raise HTTPException(429, "too many wrong keys; wait", {"Retry-After": str(ceil(wait_s))})
    ports.attempts.failed(address_of(request))


def _caller(
    request: Request,
    ports: Ports,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    token: Annotated[str | None, Security(_cookie)],
) -> Caller:
    """Returns who asks."""
    if given is None:
        _check_site(request)
    return _let_in(request, ports, None if given is None else given.credentials, token, "Bearer")


def _maybe_caller(
    request: Request,
    ports: Ports,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    token: Annotated[str | None, Security(_cookie)],
) -> Caller | None:
    """Returns who asks; None for a stranger, and while nobody can say."""
    with suppress(PlatereelError):  # the database is away, which the answer will tell
        try:
            return _caller(request, ports, given, token)
        except HTTPException as refusal:
            if refusal.status_code == HTTPStatus.TOO_MANY_REQUESTS:
                raise
    return None


def _door_caller(
    request: Request,
    ports: Ports,
    given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)],
    basic: Annotated[HTTPBasicCredentials | None, Security(_basic)],
    token: Annotated[str | None, Security(_cookie)],
) -> Caller:
    """Returns who reports. Many cameras can send Basic and nothing else, some of them only after
    they were asked for it.
    """
    secret = None if given is None else given.credentials
    if given is None:
        _check_site(request)
        if basic is not None and _by_proxy(ports, request) is None:
            secret = basic.password
    return _let_in(request, ports, secret, token, _DOOR_CHALLENGE)


def _let_in(
    request: Request, ports: ApiPorts, secret: str | None, token: str | None, challenge: str
) -> Caller:
    """Returns the caller that is found, or raises 401.

    The way in which the caller was found is left in `request.state.look_again`, for answers that
    last.
    """
    look = _way_in(request, ports, secret, token)
    caller = look()
    if caller is None:
        if secret is not None and ports.keys.is_guess(secret):
            count_guess(ports, request)
        raise HTTPException(401, "a valid API key is needed", {"WWW-Authenticate": challenge})
    request.state.look_again = look
    return caller


def _way_in(request: Request, ports: ApiPorts, secret: str | None, token: str | None) -> LookUp:
    """Returns how this request's caller is found: by key, proxy, session or the open door, in that
    order.
    """
    if secret is not None:
        return partial(_by_secret, ports, secret)
    proxied = _by_proxy(ports, request)
    if proxied is not None:
        return lambda: proxied
    if token is not None:
        return partial(_by_session, ports, request, token)
    # What somebody passed on is not this machine's own, whatever address it comes from.
    return (lambda: None) if request.state.forwarded else ports.keys.without_key


def _by_secret(ports: ApiPorts, secret: str) -> Caller | None:
    identity = ports.keys.by_secret(secret)
    return None if identity is None else identity.caller


def _by_session(ports: ApiPorts, request: Request, token: str) -> Caller | None:
    caller = ports.keys.by_session(token)
    if caller is not None:
        _check_csrf(request, token)
    return caller


def _by_proxy(ports: ApiPorts, request: Request) -> Caller | None:
    """Returns whom a trusted proxy let in, by its headers; a viewer where no header of roles is
    configured.
    """
    settings = ports.settings.api
    if settings.proxy_user_header is None or not request.state.proxied:
        return None
    try:
        name = one_word(request.headers, settings.proxy_user_header)
        role = (
            None
            if settings.proxy_role_header is None
            else one_word(request.headers, settings.proxy_role_header)
        )
        if name is None:
            return None
        return Caller(name, Role.VIEWER if role is None else Role.named(role.lower()))
    except ValueError as error:
        raise HTTPException(
            400, f"what the proxy says of its user cannot be read: {error}"
        ) from error


async def refuse_other_sites(request: Request) -> None:
    """For routes without a caller: as other routes, they make no change for a page of another
    site.
    """
    _check_site(request)


def _check_site(request: Request) -> None:
    """Raise 403 for a change that a page of another site asks for.

    Only a key in the request itself proves that the browser did not add it by itself, as it does
    with cookies, with the answer to a proxy's Basic, and with nothing at all where the door is
    open.
    """
    if request.method not in SAFE and _from_elsewhere(request):
        raise HTTPException(403, "another site's page asks for a change")


def _from_elsewhere(request: Request) -> bool:
    """Returns whether a browser says that a page of another origin makes this request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    try:
        return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
    except ValueError:  # no address of ours is one that cannot be read
        return True


def _check_csrf(request: Request, token: str) -> None:
    sent = request.headers.get(CSRF_HEADER, "")
    if request.method not in SAFE and not hmac.compare_digest(
        sent.encode(), csrf_token(token).encode()
    ):
        raise HTTPException(403, f"a change needs the session's {CSRF_HEADER}")


def at_least(caller: Caller, role: Role) -> Caller:
    """Returns the caller; raises 403 below this role."""
    if caller.role < role:
        raise HTTPException(403, f"this needs the role {role}")
    return caller


async def _viewer(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return at_least(caller, Role.VIEWER)


async def _operator(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return at_least(caller, Role.OPERATOR)


async def _door_operator(caller: Annotated[Caller, Depends(_door_caller)]) -> Caller:
    return at_least(caller, Role.OPERATOR)


async def _admin(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return at_least(caller, Role.ADMIN)


async def _list_keeper(
    request: Request, ports: Ports, caller: Annotated[Caller, Depends(_caller)]
) -> Caller:
    keeper = require_all_cameras(require_lists(caller))
    if request.method not in SAFE:
        ports.looks.require_purpose()
    return keeper


def require_lists(caller: Caller) -> Caller:
    """Returns the caller; raises 403 unless it may see the lists of plates."""
    if not caller.keeps_lists:
        raise HTTPException(403, "this needs the right to the lists: an admin, or a key with it")
    return caller


MaybeCaller = Annotated[Caller | None, Depends(_maybe_caller)]
Viewer = Annotated[Caller, Depends(_viewer)]
Operator = Annotated[Caller, Depends(_operator)]
DoorOperator = Annotated[Caller, Depends(_door_operator)]
Admin = Annotated[Caller, Depends(_admin)]
ListKeeper = Annotated[Caller, Depends(_list_keeper)]


def segment_of(ports: ApiPorts, caller: Caller, segment_id: UUID) -> Segment:
    """Returns a segment. One of another's cameras is as unknown as one that does not exist."""
    row = ports.segments.row(segment_id)
    check_seen(caller, segment_id, row.camera_id)
    return row


def check_seen(caller: Caller, segment_id: UUID, camera_id: str) -> None:
    """Raise NotFound for a segment of a camera that the caller may not see."""
    if not caller.sees(camera_id):
        raise NotFound(f"there is no segment {segment_id}")


def camera_of(ports: ApiPorts, caller: Caller, camera_id: str) -> str:
    """Returns a camera's id; raises NotFound unless the caller may see it.

    Clips outlive their camera's configuration.
    """
    known = camera_id in ports.settings.cameras or camera_id in ports.retention.cameras_with_clips()
    if not known or not caller.sees(camera_id):
        raise NotFound("there is no such camera")
    return camera_id


def configured(ports: ApiPorts, caller: Caller, camera_id: str) -> str:
    """Returns a camera's id; raises NotFound unless it is in the configuration and the caller may
    see it.
    """
    if camera_id not in ports.settings.cameras or not caller.sees(camera_id):
        raise NotFound("there is no such camera")
    return camera_id


def require_all_cameras(caller: Caller) -> Caller:
    """Returns the caller; raises 403 unless the key covers every camera."""
    if caller.cameras is not None:
        raise HTTPException(403, "this concerns all cameras, and the key is for some")
    return caller
