"""Measures how soon the API begins to answer."""

from __future__ import annotations

from time import perf_counter

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.metrics import API_SECONDS

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Measured:
    """ASGI middleware, the outermost. By route and not by path: a path may hold ids, or anything
    that a stranger types.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and note when its answer begins."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = perf_counter()

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                method = scope["method"] if scope["method"] in METHODS else "other"
                route = getattr(scope.get("route"), "path", "none")
                status = f"{message['status'] // 100}xx"
                API_SECONDS.labels(method, route, status).observe(perf_counter() - began)
            await send(message)

        await self._app(scope, receive, noted)
