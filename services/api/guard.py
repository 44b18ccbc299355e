"""What is looked at before any route: bodies, origins, proxies; and the headers every answer has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.api import errors

MAX_BODY_BYTES = 64 * 1024
MAX_QUERY_BYTES = 8 * 1024
SAFE = {"GET", "HEAD", "OPTIONS"}
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
# Swagger UI's page starts itself with a script of its own; nothing else here is a page yet.
DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'"
)
POLICY = "default-src 'none'; frame-ancestors 'none'"


class Guard:
    """ASGI middleware; `proxies` are believed what they say of their clients, paths of `larger` take so many bytes."""

    def __init__(
        self, app: ASGIApp, *, proxies: Sequence[IPv4Network | IPv6Network], larger: Mapping[str, int]
    ) -> None:
        self._app = app
        self._proxies = proxies
        self._larger = larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at a request, and pass on what may be."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        self._look_behind_the_proxy(request)
        refusal = self._refusal(request)
        docs = request.url.path.startswith("/docs")

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_missing(message["headers"], docs=docs)]
            await send(message)

        await (refusal or self._app)(scope, receive, answered)

    def _refusal(self, request: Request) -> Response | None:
        length = request.headers.get("content-length", "0")
        most = self._larger.get(request.url.path, MAX_BODY_BYTES)
        if not length.isdigit() or int(length) > most or "transfer-encoding" in request.headers:
            return errors.problem(413, f"a body is at most {most} bytes, and its length is declared")
        if len(request.scope["query_string"]) > MAX_QUERY_BYTES:
            return errors.problem(414, f"a query is at most {MAX_QUERY_BYTES} bytes")
        if request.method not in SAFE and "authorization" not in request.headers and _from_elsewhere(request):
            return errors.problem(403, "another site's page asks for a change")
        return None

    def _look_behind_the_proxy(self, request: Request) -> None:
        """Take address and scheme from a trusted proxy's headers, from nobody else's."""
        state = request.scope.setdefault("state", {})
        peer = request.client.host if request.client else "?"
        state["address"], state["proxied"], state["secure"] = peer, False, request.url.scheme == "https"
        if not self._trusted(peer):
            return
        state["proxied"] = True
        state["secure"] = request.headers.get("x-forwarded-proto", "").lower() == "https"
        hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",") if hop.strip()]
        state["address"] = next((hop for hop in reversed(hops) if not self._trusted(hop)), peer)

    def _trusted(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self._proxies)
        except ValueError:
            return False


def _from_elsewhere(request: Request) -> bool:
    """Whether a browser says that a page of another origin makes this request."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")


def _missing(present: Sequence[tuple[bytes, bytes]], *, docs: bool) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in present}
    wanted = {**HEADERS, "Content-Security-Policy": DOCS_POLICY if docs else POLICY}
    return [(name.encode(), value.encode()) for name, value in wanted.items() if name.lower().encode() not in names]
