"""What every route asks of a request: the ports, and a caller with the right role."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.api.keys import Caller, Role
from services.api.ports import ApiPorts

_bearer = HTTPBearer(auto_error=False, description="An API key.")


def ports_of(request: Request) -> ApiPorts:
    """The application's ports."""
    return cast("ApiPorts", request.app.state.ports)


Ports = Annotated[ApiPorts, Depends(ports_of)]


def _caller(ports: Ports, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> Caller:
    caller = ports.keys.caller(None if given is None else given.credentials)
    if caller is None:
        raise HTTPException(401, "a valid API key is needed", {"WWW-Authenticate": "Bearer"})
    return caller


def _at_least(caller: Caller, role: Role) -> Caller:
    if caller.role < role:
        raise HTTPException(403, f"this needs the role {role.name.lower()}")
    return caller


def _viewer(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return _at_least(caller, Role.VIEWER)


def _operator(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return _at_least(caller, Role.OPERATOR)


def _admin(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
    return _at_least(caller, Role.ADMIN)


Viewer = Annotated[Caller, Depends(_viewer)]
Operator = Annotated[Caller, Depends(_operator)]
Admin = Annotated[Caller, Depends(_admin)]
