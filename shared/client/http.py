"""The client's requests: connections, tries, and refusals as exceptions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlencode

import urllib3
from pydantic import BaseModel

from shared.domain.purpose import CASE_HEADER, PURPOSE_HEADER

PREFIX = "/v2/video"
CHUNK = 1 << 20
CONNECT_SECONDS, READ_SECONDS, TRIES = 5.0, 30.0, 3
AWAY = 503
Model = TypeVar("Model", bound=BaseModel)
Progress = Callable[[int, int | None], None]


class ApiError(Exception):
    """The API refused, or did not answer (status 0); `problem` is its problem document."""

    def __init__(self, status: int, detail: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status}: {detail}" if status else detail)
        self.status = status
        self.detail = detail
        self.problem = dict(problem or {})


class HttpApi:
    """Requests to one API. Use it as a context manager; threads may share it.

    Reads are tried again when the API is away for a moment; changes only where a second try changes
    nothing more. Times must have a zone. Raises ApiError.
    """

    def __init__(
        self,
        base_url: str,
        key: str | None = None,
        *,
        purpose: str | None = None,
        case: str | None = None,
    ) -> None:
        """purpose, case: why this program looks, for the access log of the API."""
        self._base = base_url.rstrip("/")
        given = {
            "Authorization": None if key is None else f"Bearer {key}",
            PURPOSE_HEADER: purpose,
            CASE_HEADER: case,
        }
        self._headers: dict[str, Any] = {
            name: value.encode() for name, value in given.items() if value is not None
        }
        self._pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            headers=self._headers,
            maxsize=8,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._pool.clear()

    def _fetch(
        self,
        path: str,
        target: Path,
        progress: Progress,
        query: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        patience_s: float = READ_SECONDS,
    ) -> Path:
        """Returns the file, whole or not at all. patience_s: until the answer's first byte."""
        temporary = target.with_name(f".{target.name}.part")
        answer = self._answer(
            "GET", _asked(path, query), headers=headers, stream=True, patience_s=patience_s
        )
        length = answer.headers.get("Content-Length")
        total, done = int(length) if length else None, 0
        try:
            with temporary.open("wb") as out:
                for piece in answer.stream(CHUNK):
                    out.write(piece)
                    done += len(piece)
                    progress(done, total)
            temporary.replace(target)
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"the download broke off after {done} bytes") from error
        finally:
            temporary.unlink(missing_ok=True)
            answer.release_conn()
        return target

    def _read(self, model: type[Model], path: str, query: Mapping[str, Any] | None = None) -> Model:
        return model.model_validate_json(self._answer("GET", _asked(path, query)).data)

    def _send(
        self,
        model: type[Model],
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes,
        *,
        again: bool = False,
    ) -> Model:
        sent = (
            body
            if isinstance(body, bytes)
            else {name: value for name, value in body.items() if value is not None}
        )
        return model.model_validate_json(self._answer(method, path, body=sent, again=again).data)

    def _patch(self, model: type[Model], path: str, changes: Mapping[str, Any]) -> Model:
        """Sends also what is None: it is changed to that."""
        answer = self._answer("PATCH", path, body=changes, again=True)
        return model.model_validate_json(answer.data)

    def _answer(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        again: bool = False,
        patience_s: float = READ_SECONDS,
    ) -> urllib3.BaseHTTPResponse:
        """Returns an answer of 2xx; any other raises ApiError."""
        tries = TRIES - 1 if again or method == "GET" else 0
        retries = urllib3.Retry(
            total=tries,
            backoff_factor=0.5,
            status_forcelist=[AWAY],
            allowed_methods=None,
            raise_on_status=False,
            raise_on_redirect=False,
            redirect=3,
        )
        try:
            answer = self._pool.request(
                method,
                f"{self._base}{PREFIX}/{path}",
                headers={**self._headers, **(headers or {})},
                **_sent(body),
                preload_content=not stream,
                retries=retries,
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=patience_s),
            )
        except urllib3.exceptions.HTTPError as error:
            raise ApiError(0, f"{self._base} does not answer: {type(error).__name__}") from error
        if answer.status >= 300:  # noqa: PLR2004 - no success, as HTTP has it
            raise _refusal(answer)
        return answer


def _asked(path: str, query: Mapping[str, Any] | None) -> str:
    given = [
        (name, written(each))
        for name, value in (query or {}).items()
        for each in (value if isinstance(value, list) else [value])
        if each is not None
    ]
    return f"{path}?{urlencode(given)}" if given else path


def _sent(body: Mapping[str, Any] | bytes | None) -> dict[str, Any]:
    if body is None or isinstance(body, bytes):
        return {"body": body}
    return {"json": dict(body)}


def written(value: object) -> str:
    """Returns a value as a query has it."""
    if isinstance(value, bool):
        return str(value).lower()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _refusal(answer: urllib3.BaseHTTPResponse) -> ApiError:
    try:
        problem = json.loads(answer.data)
        return ApiError(answer.status, str(problem["detail"]), problem)
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status, answer.reason or "refused")
