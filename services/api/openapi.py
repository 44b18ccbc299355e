"""Makes the OpenAPI description exact: errors are problem documents, and a 405 names the allowed
methods.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request

from shared.wire import api as schemas

PROBLEM = "application/problem+json"
_REFERENCE = {"$ref": "#/components/schemas/Problem"}
_VALIDATION = "HTTPValidationError"
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}


def describe(app: FastAPI) -> None:
    """Give the application a description whose errors are what `errors` answers."""
    plain: Callable[[], dict[str, Any]] = app.openapi

    def exact() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = plain()
            for operations in found["paths"].values():
                for method, operation in operations.items():
                    if method in _METHODS:
                        _problems(operation["responses"], empty=method == "head")
            known = found["components"]["schemas"]
            for name in (_VALIDATION, "ValidationError"):
                known.pop(name, None)
            known["Problem"] = schemas.Problem.model_json_schema(
                ref_template="#/components/schemas/{model}"
            )
            known |= known["Problem"].pop("$defs", {})
        return app.openapi_schema or {}

    app.openapi = exact  # type: ignore[method-assign]


def _problems(responses: dict[str, Any], *, empty: bool) -> None:
    """What an operation itself answers with such a status stays."""
    for status, response in responses.items():
        if status >= "400" and status != "default":
            own = response.get("content", {})
            if _VALIDATION in str(own):
                own = {}
            response["content"] = {**own, PROBLEM: {} if empty else {"schema": _REFERENCE}}


def methods_of(request: Request) -> list[str]:
    """Returns the methods that the description has for a request's path."""
    paths: dict[str, Any] = request.app.openapi()["paths"]
    found = {
        method.upper()
        for template, operations in paths.items()
        if re.fullmatch(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template)), request.url.path)
        for method in operations
        if method in _METHODS
    }
    return sorted(found)
