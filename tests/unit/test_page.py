"""The page's files, as far as they can be told without a browser."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

from fastapi import FastAPI
from fastapi.testclient import TestClient

from services.api.front import front_router, page
from tests.support.page_types import FILE, page_types

PAGE = FILE.parent
MODULES = {path.name: path.read_text() for path in sorted(PAGE.glob("*.js"))}
MOST_MODULES, MOST_VIEW_LINES, MOST_BYTES = 30, 250, 100_000
# `word` makes these from a word of the API.
_WORDS = {
    "camera", "cause", "count", "job", "kind", "log", "origin", "outcome", "review", "role", "state", "status", "tab",
    "theme",
}  # fmt: skip


def test_the_types_are_those_of_the_description() -> None:
    assert FILE.read_text() == page_types(), "run make types"


def test_it_stays_small() -> None:
    assert len(MODULES) <= MOST_MODULES
    assert len(MODULES["view.js"].splitlines()) <= MOST_VIEW_LINES
    sent = [*PAGE.glob("*.js"), *PAGE.glob("*.css")]
    assert sum(len(gzip.compress(path.read_bytes(), 9)) for path in sent) <= MOST_BYTES


def test_every_text_is_there_and_every_text_is_used() -> None:
    texts = set(re.findall(r'^ {2}"?([\w.]+)"?: \[', MODULES["texts.js"], re.MULTILINE))
    rest = "".join(text for name, text in MODULES.items() if name != "texts.js")
    asked = set(re.findall(r'\bt\(\s*"([\w.]+)"', rest))
    assert asked <= texts
    plain = {name for name in texts if name.partition(".")[0] not in _WORDS}
    assert {name for name in plain if f'"{name}"' not in rest} == set()


def test_nothing_is_put_into_the_page_as_markup() -> None:
    for name, text in MODULES.items():
        found = re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
        assert found is None, name


def test_modules_import_only_modules_beside_them() -> None:
    for name, text in MODULES.items():
        for found in re.findall(r'^(?:import|export) [^;]*? from "([^"]+)"', text, re.MULTILINE):
            assert found == f"./{Path(found).name}", (name, found)
            assert Path(found).name in MODULES, (name, found)


def test_it_is_sent_whole_packed_or_by_its_head() -> None:
    api = FastAPI()
    api.include_router(front_router(page("https://clips.example:9000/bucket")))
    with TestClient(api) as client:
        first = client.get("/", headers={"Accept-Encoding": "identity"})
        assert "content-encoding" not in first.headers
        policy = first.headers["content-security-policy"]
        assert "require-trusted-types-for 'script'" in policy
        assert "media-src 'self' blob: https://clips.example:9000;" in policy
        packed = client.get("/", headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.text == first.text
        assert client.head("/").status_code == 200
        (main,) = re.findall(r'src="(/page/[^"]+/main\.js)"', first.text)
        assert "immutable" in client.get(main).headers["cache-control"]
        old = re.sub(r"/page/\w+/", "/page/0123456789abcdef/", main)
        assert client.get(old).status_code == 404
