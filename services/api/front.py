"""Serves the page: its files as they are in the folder `page`, under an address that names their
content.

A browser keeps such a file for ever, because another content has another address. The first
document names all of them, so that they are fetched at once and not one after the other. They are
compressed once, when the process starts.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as PathParameter

TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
FIRST = "index.html"
KEPT = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Served:
    """A file as it is sent."""

    media_type: str
    plain: bytes
    packed: bytes

    def answer(self, request: Request, headers: dict[str, str]) -> Response:
        """Returns the file, compressed where the browser takes that."""
        taken = "gzip" in request.headers.get("accept-encoding", "")
        more = {**headers, "Vary": "Accept-Encoding"}
        if taken:
            more["Content-Encoding"] = "gzip"
        return Response(self.packed if taken else self.plain, 200, more, self.media_type)


@dataclass(frozen=True, slots=True)
class Page:
    """All files of the page by name, the digest of their content, and what it may load."""

    digest: str
    first: Served
    files: dict[str, Served]
    policy: str


def page(public_url: str | None) -> Page:
    """Returns the page. public_url: where the store sends clips from, if not from here."""
    found = {name: each.read_bytes() for name, each in _walk(files("services.api") / "page")}
    template = found.pop(FIRST).decode()
    whole = sha256()
    for name in sorted(found):
        whole.update(f"{name}\0{len(found[name])}\0".encode() + found[name])
    digest = whole.hexdigest()[:16]
    modules = sorted(name for name in found if name.endswith(".js"))
    preloads = "\n".join(
        f'<link rel="modulepreload" href="/page/{digest}/{escape(name)}">' for name in modules
    )
    document = Template(template).substitute(base=f"/page/{digest}", preloads=preloads)
    return Page(
        digest=digest,
        first=_served("text/html; charset=utf-8", document.encode()),
        files={
            name: _served(TYPES[name[name.rindex(".") :]], data) for name, data in found.items()
        },
        policy=_policy(public_url),
    )


def _walk(folder: Traversable, before: str = "") -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _walk(each, f"{before}{each.name}/")
        elif each.name == FIRST or each.name[each.name.rfind(".") :] in TYPES:
            yield f"{before}{each.name}", each


def _served(media_type: str, data: bytes) -> Served:
    return Served(media_type, data, gzip.compress(data, 9, mtime=0))


def _policy(public_url: str | None) -> str:
    store = ""
    if public_url is not None:
        parts = urlsplit(public_url)
        store = f" {parts.scheme}://{parts.netloc}"
    return (
        f"default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:{store}; "
        f"connect-src 'self'{store}; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    )


def front_router(shown: Page) -> APIRouter:
    """Returns the routes of the page. Nobody needs a key for it: it holds nothing but the page."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    def first(request: Request) -> Response:
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": shown.policy}
        return shown.first.answer(request, headers)

    @router.api_route("/page/{digest}/{name:path}", methods=["GET", "HEAD"])
    def file(
        request: Request,
        digest: Annotated[str, PathParameter(max_length=64)],
        name: Annotated[str, PathParameter(max_length=200)],
    ) -> Response:
        found = shown.files.get(name)
        if found is None or digest != shown.digest:
            raise HTTPException(404, "there is no such file; load the page again")
        return found.answer(request, {"Cache-Control": KEPT})

    return router
