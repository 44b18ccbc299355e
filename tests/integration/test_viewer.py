"""The page of an evidence archive: that nothing in it can do harm, and that it plays."""

from __future__ import annotations

import base64
import json
import re
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Page, expect

from services.api.media.viewer import embedded
from shared.domain.found_passes import Review
from shared.domain.media import Box
from tests.support.browser import chromium, looking
from tests.support.evidence import OURS, THEIRS, Archive, Read, found_passes, recorded
from tests.support.waiting import wait_until
from tests.support.world import World

HARM = '</script><script>alert(1)</script><!-- <img src=x onerror="alert(2)"> & \u2028 \'"'
READS = [
    Read(400, THEIRS, Box(20, 50, 80, 24)),
    Read(1200, OURS, Box(200, 110, 80, 24)),
]


class Elements(HTMLParser):
    """Every element with its attributes, and the text in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("/" + tag, {}, ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, given, before = self.found[-1]
            self.found[-1] = (tag, given, before + data)

    def of(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(given, text) for name, given, text in self.found if name == tag]


@pytest.fixture
def archive(world: World, api: TestClient, tmp_path: Path) -> Archive:
    segment_id = recorded(world, tmp_path, READS)
    (ours,) = [each for each in found_passes(api) if each["plate"] == OURS]
    world.passes.review(UUID(ours["id"]), Review.CONFIRMED, None, HARM, "ann")
    return Archive(api, segment_id, tmp_path, "overlay=true&tz=Asia/Tokyo")


def test_the_page_is_whole_and_harmless(archive: Archive) -> None:
    page = (archive.folder / "viewer.html").read_text()
    elements = Elements(page)
    (data,), (script,) = (
        [text for given, text in elements.of("script") if ("type" in given) is typed]
        for typed in (True, False)
    )
    ((_, style),) = elements.of("style")
    told = json.loads(data)
    assert told["passes"] == archive.json("passes.json")["passes"]
    assert HARM in [each["note"] for each in told["passes"]]
    assert told["log"] == archive.json("access-log.json")
    assert told["clocks"] == archive.json("clocks.json")
    listed = {each.name: each for each in archive.verdict.manifest.files}
    assert {each["name"] for each in told["files"]} == set(listed) - {"viewer.html"}
    assert [each["name"] for each in told["films"]] == [archive.film().name, "overlay.mp4"]
    assert [each["offset_ms"] for each in told["reads"]] == [400, 1200]
    assert [each["label"] for each in told["tracks"]] == [THEIRS, OURS]
    assert not re.search(r"[a-z]{2,}://", page)
    assert not [
        given
        for _, given, _ in elements.found
        if {"src", "href", "style", "onerror", "onload"} & set(given)
    ]
    (policy,) = [str(given["content"]) for given, _ in elements.of("meta") if "http-equiv" in given]
    allowed = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert allowed["default-src"] == "'none'"
    for kind, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(sha256(text.encode()).digest()).decode()
        assert allowed[kind] == f"'sha256-{digest}'"


@pytest.mark.parametrize("text", [HARM, "</SCRIPT >", "<!--<script>", "]]>", "\ud800", "Ö 京"])
def test_nothing_ends_the_data(text: str) -> None:
    written = embedded({"plate": text, text: 1})
    assert not {"<", ">", "&"} & set(written)
    assert json.loads(written) == {"plate": text, text: 1}


def holds(page: Page, expression: str) -> None:
    """Wait until it does. The page's policy lets no waiting be evaluated in it."""
    wait_until(expression, lambda: page.evaluate(expression))


@pytest.mark.apt
def test_it_plays_from_a_folder(archive: Archive) -> None:
    """A click on a read shows its moment, with the box; keys step; nothing is said on the
    console.
    """
    with chromium() as browser, looking(browser, "") as looker:
        page = looker.page
        page.goto((archive.folder / "viewer.html").as_uri())
        holds(page, "document.readyState === 'complete' && video.readyState >= 2")
        expect(page.locator("#reads button")).to_have_count(2)
        page.locator("#reads [data-detection^='AB'] button").click()
        holds(page, "!video.seeking && Math.abs(video.currentTime - 1.2) < 0.07")
        holds(page, "canvas.dataset.drawn === '1'")
        expect(page.locator("#clock")).to_contain_text("Asia/Tokyo")
        page.keyboard.press(".")
        holds(page, "video.currentTime > 1.23")
        page.keyboard.press(",")
        holds(page, "video.currentTime < 1.23")
        page.keyboard.press("ArrowLeft")
        holds(page, "video.currentTime < 0.3 && canvas.dataset.drawn === '1'")
        page.evaluate("document.activeElement.blur()")  # else the space is the button's
        page.keyboard.press(" ")
        holds(page, "!video.paused && video.currentTime > 0.5")
        page.locator("#films button").nth(1).click()
        holds(page, "video.currentSrc.endsWith('overlay.mp4') && video.readyState >= 2")
        facts: Any = page.evaluate("[document.scripts.length, document.images.length, film.drawn]")
        assert facts == [2, 0, True]
