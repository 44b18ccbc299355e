"""What a page is told of its session, and the cookie that stands for it."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from services.api.auth.keys import SESSION_SECONDS
from services.api.callers import COOKIE
from services.api.ports import ApiPorts
from shared.domain.access import Caller


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Give a browser the cookie of a session that was opened just now."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=round(SESSION_SECONDS),
        httponly=True,
        samesite="strict",
        secure=request.state.secure,
        path="/",
    )


def session_facts(ports: ApiPorts, caller: Caller, csrf: str | None) -> dict[str, Any]:
    """Returns what the model `Session` takes."""
    return {
        "name": caller.name,
        "role": str(caller.role),
        "lists": caller.keeps_lists,
        "cameras": caller.scope,
        "csrf_token": csrf,
        "purpose_rule": ports.settings.access.purpose,
    }
