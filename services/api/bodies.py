"""JSON in request bodies, whatever their headers say: detectors are made by many vendors."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qs

from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.domain.errors import BadInput
from shared.wire.bounded_json import TooDeep, load_json, printable, unstorable

DATA = "/v2/video"
# stands for a body that cannot be read: a number is no model, also where all of a model may be left
# out
UNREAD = 0
MULTIPART, FORM = "multipart/form-data", "application/x-www-form-urlencoded"
Body = TypeVar("Body", bound=BaseModel)
MOST_FILES, MOST_FIELDS = 32, 32


class _JsonRequest(Request):
    """A request whose JSON is read by our rules and checked with its other parts, after the caller.

    FastAPI reads the body before it asks for the caller. A caller without a key must not be told
    that a body is no JSON.
    """

    async def json(self) -> Any:
        """Returns the body's JSON; of invalid JSON, a value that no model accepts, with the reason
        in the state.
        """
        try:
            value = await run_in_threadpool(load_json, await self.body())
            self.state.not_json = unstorable(value)
        except ValueError as error:
            self.state.not_json = f"not JSON: {printable(str(error))}"
        return value if self.state.not_json is None else UNREAD


class _JsonRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(_JsonRequest(request.scope, request.receive))

        return handle_json


def data_router(tag: str, path: str = "") -> APIRouter:
    """Returns a router for routes under /v2/video, which all read JSON alike."""
    return APIRouter(prefix=f"{DATA}{path}", tags=[tag], route_class=_JsonRoute)


async def read_body(request: Request) -> Any:
    """Returns the JSON of a request, with any content type or none. Raises BadInput."""
    try:
        return await run_in_threadpool(load_json, await request.body())
    except ValueError as error:
        raise _unreadable("not JSON", error) from error


async def read_form(request: Request, field: str, files: str) -> tuple[Any, list[bytes]]:
    """Returns the JSON of a request, alone or in a form's field of that name, and the files that
    the form has under another name. Raises BadInput.
    """
    try:
        given, found = await _given(request, field, files)
        return await run_in_threadpool(_loaded, given, field), found
    except (ValueError, HTTPException) as error:
        what = f"neither JSON nor a form with JSON in its field `{field}`"
        raise _unreadable(what, error) from error


def _unreadable(what: str, error: Exception) -> BadInput:
    told = isinstance(error, json.JSONDecodeError | TooDeep)
    return BadInput("body", f"{what}: {error}" if told else what)


async def _given(request: Request, field: str, files: str) -> tuple[bytes | str, list[bytes]]:
    if not request.headers.get("content-type", "").lower().startswith(MULTIPART):
        return await request.body(), []
    async with request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS) as form:
        value = form.get(field)
        found = [await each.read() for each in form.getlist(files) if isinstance(each, UploadFile)]
        return await value.read() if isinstance(value, UploadFile) else value or "", found


def _loaded(given: bytes | str, field: str) -> Any:
    try:
        return load_json(given)
    except ValueError:
        if not isinstance(given, bytes):
            raise
        return load_json(parse_qs(given.decode(), max_num_fields=MOST_FIELDS).get(field, [""])[0])


def validated(model: type[Body], given: Any) -> Body:
    """Returns a body as a model; raises the error that FastAPI's own validation raises."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise RequestValidationError(
            [{**each, "loc": ("body", *each["loc"])} for each in found]
        ) from error
