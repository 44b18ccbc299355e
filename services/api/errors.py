"""Errors as RFC 9457 problem documents: what is wrong and where, never an exception's text, a path
or a secret.
"""

from __future__ import annotations

import json
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.api.openapi import PROBLEM, methods_of
from shared.domain.errors import BadInput, Conflict, Gone, NotFound, PlatereelError, Retryable
from shared.runtime.logs import logger

RETRY_AFTER_SECONDS = "5"
_STATUS = ((BadInput, 422), (NotFound, 404), (Gone, 410), (Conflict, 409), (Retryable, 503))

_log = logger(__name__)


class _Problem(JSONResponse):
    """JSON in ASCII: what a request said may hold lone surrogates, which UTF-8 cannot encode."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode()


def problem(
    status: int, detail: str, headers: dict[str, str] | None = None, **more: object
) -> JSONResponse:
    """Returns a problem document."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    return _Problem(body, status, headers, media_type=PROBLEM)


def install(app: FastAPI) -> None:
    """Map every error of the application."""
    app.add_exception_handler(PlatereelError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _ours(_: Request, error: Exception) -> JSONResponse:
    for kind, status in _STATUS:
        if isinstance(error, kind):
            headers = (
                {"Retry-After": RETRY_AFTER_SECONDS}
                if status == HTTPStatus.SERVICE_UNAVAILABLE
                else None
            )
            more = (
                {"errors": [{"field": error.field, "message": error.reason}]}
                if isinstance(error, BadInput)
                else {}
            )
            return problem(status, error.message, headers, **more)
    _log.error("request_failed", error=str(error))
    return problem(500, "the request could not be carried out; the log says why")


def _invalid(request: Request, error: Exception) -> JSONResponse:
    unread = getattr(request.state, "not_json", None)
    if unread is not None:
        return problem(422, f"body: {unread}", errors=[{"field": "body", "message": unread}])
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [
        {
            "field": ".".join(str(part) for part in each["loc"][1:]) or str(each["loc"][0]),
            "message": str(each["msg"]).removeprefix("Value error, "),
        }
        for each in found
    ]
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in errors)
    return problem(422, detail, errors=errors)


def _http(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return problem(500, "unexpected")
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers["Allow"] = ", ".join(methods_of(request)) or headers.get("Allow", "")
    return problem(error.status_code, str(error.detail), headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("request_crashed", path=request.url.path, exc_info=error)
    return problem(500, "an unexpected error; the log says more")
