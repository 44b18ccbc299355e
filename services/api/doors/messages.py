"""The message in a request of a camera: JSON or XML, alone or in a form with pictures beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from services.api.bodies import MOST_FIELDS, MOST_FILES, MULTIPART
from shared.domain.errors import BadInput
from shared.domain.json_object import JsonObject
from shared.wire.bounded_json import load_json, printable
from shared.wire.detections import MAX_BYTES
from shared.wire.doors.understood import Attached
from shared.wire.doors.xml import read_xml

MOST_REQUEST_BYTES = 16_000_000
# longer texts in a message are pictures
MOST_TEXT = 1_000
_BLANK = b"\xef\xbb\xbf\xff\xfe \t\r\n"
_BEGINNINGS = (b"<", b"{", b"[")
_PICTURES_AS_TEXT = ("\xff\xd8\xff", "\x89PNG")


@dataclass(frozen=True, slots=True)
class Received:
    """A message as it came, and the files beside it."""

    raw: bytes
    attached: tuple[Attached, ...] = ()

    def body(self, root: str | None) -> Mapping[str, Any]:
        """Returns what the message says; BadInput where it is neither JSON nor XML with this
        root.
        """
        if root is not None and _beginning(self.raw) == b"<":
            return read_xml(self.raw, root)
        try:
            body = load_json(self.raw)
        except ValueError as error:
            expected = "JSON" if root is None else "JSON nor XML"
            raise BadInput("body", f"not {expected}: {printable(str(error))}") from error
        if not isinstance(body, Mapping):
            raise BadInput("body", "not a JSON object")
        return body


def letter_of(message: bytes | JsonObject) -> bytes:
    """Returns a message as a dead letter keeps it: whole where it is short enough, else without
    its pictures.
    """
    if not isinstance(message, bytes):
        return json.dumps(_shortened(message)).encode()
    if len(message) <= MAX_BYTES:
        return message
    try:
        return json.dumps(_shortened(load_json(message))).encode()
    except ValueError:
        return message[:MAX_BYTES]


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MOST_TEXT:
        return f"({len(value)} characters)"
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    return value


async def receive(request: Request) -> Received:
    """Returns the message of a request: its body, or the part of a form that is neither a picture
    nor empty. Its place and name in the form do not matter.
    """
    if not request.headers.get("content-type", "").lower().startswith(MULTIPART):
        return Received(await request.body())
    try:
        async with request.form(
            max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=MOST_REQUEST_BYTES
        ) as form:
            parts = [await _part(name, value) for name, value in form.multi_items()]
    except HTTPException as error:
        raise BadInput("body", "not a form that can be read") from error
    message = next((each for each in parts if _beginning(each.data) in _BEGINNINGS), None)
    if message is None:
        raise BadInput("body", "a form without JSON or XML in it")
    return Received(message.data, tuple(each for each in parts if each is not message))


async def _part(name: str, value: UploadFile | str) -> Attached:
    if isinstance(value, UploadFile):
        return Attached(value.filename or name, await value.read())
    # A part without a file name is taken for text; a picture, which is no UTF-8, as Latin-1.
    encoding = "latin-1" if value.startswith(_PICTURES_AS_TEXT) else "utf-8"
    return Attached(name, value.encode(encoding, "replace"))


def _beginning(data: bytes) -> bytes:
    """Returns the first visible character, of whatever Unicode encoding."""
    return data[:64].replace(b"\x00", b"").lstrip(_BLANK)[:1]
