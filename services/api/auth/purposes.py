"""Why a request is made: by its headers, or by its query where a browser cannot set headers."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request

from shared.domain.errors import BadInput
from shared.domain.purpose import CASE_HEADER, PURPOSE_HEADER, Purpose, checked

MARK = b"x-"


def purpose_of(request: Request) -> Purpose:
    """Returns what a request states; raises BadInput, which names the header."""
    query = {}
    if MARK in request.scope["query_string"].lower():
        query = parse_qs(request.scope["query_string"].decode("latin-1"))
    return Purpose(_field(request, query, PURPOSE_HEADER), _field(request, query, CASE_HEADER))


def _field(request: Request, query: dict[str, list[str]], name: str) -> str | None:
    key = name.lower()
    sent = [value for header, value in request.scope["headers"] if header == key.encode()]
    try:
        texts = [value.decode() for value in sent] or query.get(key, [])
        if len(texts) > 1:
            raise BadInput(name, "is there more than once")
        return checked(texts[0]) if texts else None
    except UnicodeDecodeError:
        raise BadInput(name, "is not UTF-8") from None
    except ValueError as error:
        raise BadInput(name, str(error)) from None
