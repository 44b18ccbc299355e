"""Checks every request before its route (names, bodies, proxies), and sets the headers that every
answer has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import errors
from services.api.auth.forwarded import Proxies, Unreadable, is_forwarded, is_secure
from services.api.auth.purposes import purpose_of
from services.api.bodies import DATA
from shared.domain.errors import BadInput, PlatereelError
from shared.domain.purpose import state

MAX_BODY_BYTES = 64 * 1024
MAX_QUERY_BYTES = 8 * 1024
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# Swagger UI's page starts itself with a script of its own. The page states its own policy.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
POLICY = "default-src 'none'; frame-ancestors 'none'"
_LENGTH = re.compile(r"[0-9]{1,18}")
_THIS_MACHINE = re.compile(
    rb"(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?", re.IGNORECASE
)


class Guard:
    """ASGI middleware. Believes `proxies` about their clients.

    larger: how large bodies may be, by expressions for the paths that take more than usual.
    open_door: returns whether this machine needs no key; asked where a request calls the API by
    another name than loopback's.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        proxies: Proxies,
        larger: Mapping[str, int],
        open_door: Callable[[], bool],
    ) -> None:
        self._app = app
        self._proxies = proxies
        self._larger = {re.compile(path): most for path, most in larger.items()}
        self._open_door = open_door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and pass it on if it is allowed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        refusal = (
            self._look_behind_the_proxy(request)
            or await self._name_refusal(scope)
            or self._refusal(request)
            or _purpose_refusal(request)
        )
        path: str = scope["path"]

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_missing(message["headers"], path)]
            await send(message)

        await (refusal or self._app)(scope, receive, answered)

    async def _name_refusal(self, scope: Scope) -> Response | None:
        """Refuse another site's name that leads to this machine (DNS rebinding), while this machine
        needs no key. The raw header is checked, because parsers differ on names that are invalid.
        """
        names = [value for name, value in scope["headers"] if name == b"host"]
        if len(names) > 1:
            return errors.problem(400, "a request has one Host")
        if scope["state"]["proxied"] or (names and _THIS_MACHINE.fullmatch(names[0])):
            return None  # to a proxy's clients the door without a key is shut anyway
        try:
            is_open = await run_in_threadpool(self._open_door)
        except PlatereelError:
            is_open = True  # nobody can say now: what is not this machine's name waits
        told = "without keys this API is for this machine alone; call it by a loopback name"
        return errors.problem(421, told) if is_open else None

    def _refusal(self, request: Request) -> Response | None:
        length = request.headers.get("content-length", "0")
        most = next(
            (most for path, most in self._larger.items() if path.fullmatch(request.scope["path"])),
            MAX_BODY_BYTES,
        )
        if (
            not _LENGTH.fullmatch(length)
            or int(length) > most
            or "transfer-encoding" in request.headers
        ):
            return errors.problem(
                413, f"a body is at most {most} bytes, and its length is declared"
            )
        if len(request.scope["query_string"]) > MAX_QUERY_BYTES:
            return errors.problem(414, f"a query is at most {MAX_QUERY_BYTES} bytes")
        return None

    def _look_behind_the_proxy(self, request: Request) -> Response | None:
        """Take address and scheme from a trusted proxy's headers, and from nobody else's.

        Refuse ambiguous ones.
        """
        state = request.scope.setdefault("state", {})
        peer = request.client.host if request.client else "?"
        proxied = self._proxies.trusted(peer)
        state["proxied"], state["forwarded"] = proxied, proxied or is_forwarded(request.headers)
        state["address"], state["secure"] = peer, request.scope["scheme"] == "https"
        if not proxied:
            return None
        state["secure"] = is_secure(request.headers)
        try:
            state["address"] = self._proxies.client(request.headers, peer)
        except Unreadable as error:
            return errors.problem(400, str(error))
        return None


def _purpose_refusal(request: Request) -> Response | None:
    """State for all that follows why the request is made; refuse a purpose that cannot be read."""
    try:
        state(purpose_of(request))
    except BadInput as error:
        told = [{"field": error.field, "message": error.reason}]
        return errors.problem(422, error.message, errors=told)
    return None


def _missing(present: Sequence[tuple[bytes, bytes]], path: str) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in present}
    wanted = {
        **HEADERS,
        "Content-Security-Policy": DOCS_POLICY if path.startswith("/docs") else POLICY,
    }
    if path.startswith(DATA):
        wanted["Cache-Control"] = "no-store"
    return [
        (name.encode(), value.encode())
        for name, value in wanted.items()
        if name.lower().encode() not in names
    ]
