"""Debian's Chromium, driven by Playwright, that reaches this machine alone and fails where a page
complains.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Route, expect

from benchmarks.browser import chromium as opened_chromium

LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
SIZES = (360, 1280, 3840)
ALL_LOOKS = [(width, scheme) for width in SIZES for scheme in ("light", "dark")]
HEIGHTS = {360: 740, 1280: 800, 3840: 2160}
PATIENCE_MS = 30_000
DOWNLOADS, DOWNLOAD_AGAIN_MS = 8, 1_000
# A server on a busy machine says: ask again. The page does, and its tests look at what comes of it;
# an address that is refused more often is complained of.
BUSY, BUSY_TIMES = re.compile(r"status of 503 .*/(v2/video/|readyz)"), 5
# Of a read in whose second a camera stood still there is no picture, and the page says so; of more
# than two passes that is complained of.
NO_FRAME, NO_FRAMES = re.compile(r"status of 404 .*/v2/video/passes/(.+)/(?:plate|scene)\.jpg"), 2
expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a process."""
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed (apt-get install chromium)")
    with opened_chromium() as browser:
        yield browser


@dataclass
class Looker:
    """Somebody who looks at the page, and what the browser complained of."""

    context: BrowserContext
    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def open(self, place: str = "#/") -> None:
        """Go to a place of the page, or to another one of it, and wait for it to stand there."""
        self.page.goto(f"{self.url}/{place}")
        self.page.locator("#content").wait_for()

    def excuse(self, *patterns: str) -> None:
        """Forget complaints that a test has caused on purpose; each pattern must be among them."""
        for pattern in patterns:
            assert any(re.search(pattern, each) for each in self.complaints), self.complaints
        self.complaints = [
            each for each in self.complaints if not any(re.search(one, each) for one in patterns)
        ]

    def download(self, begin: Callable[[], object]) -> Path:
        """Return a file that the browser has fetched after `begin`, which is done again where a
        busy server had none.
        """
        for _ in range(DOWNLOADS):
            with self.page.expect_download() as download:
                begin()
            if download.value.failure() is None:
                return download.value.path()
            self.page.wait_for_timeout(DOWNLOAD_AGAIN_MS)
        answer = self.page.request.get(download.value.url)
        raise AssertionError(f"{DOWNLOADS} downloads failed: {answer.status} {answer.text()[:500]}")

    def ms(self, element: str = "video", name: str = "shown") -> int:
        """Return a number that an element tells by its data attribute."""
        return int(self.page.locator(element).first.get_attribute(f"data-{name}") or 0)


@contextmanager
def looking(browser: Browser, url: str, **given: Any) -> Iterator[Looker]:
    """Open a fresh window. At the end nothing may have been complained of, or asked elsewhere."""
    options = {"viewport": {"width": 1280, "height": 800}, "locale": "en-GB"} | given
    context = browser.new_context(timezone_id="Europe/Berlin", **options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    looker = Looker(context, page, url)

    def guard(route: Route) -> None:
        if urlsplit(route.request.url).hostname in LOOPBACK:
            route.continue_()
        else:
            looker.strangers.append(route.request.url)
            route.abort()

    context.route(re.compile(r"^https?://(?!127\.0\.0\.1[:/])"), guard)
    page.on("pageerror", lambda error: looker.complaints.append(f"{error}\n{error.stack}"))

    busy: Counter[str] = Counter()
    unseen: set[str] = set()

    def heard(said: ConsoleMessage) -> None:
        text = f"{said.text} ({said.location.get('url', '')})"
        if BUSY.search(text):
            busy[text] += 1
        without = NO_FRAME.search(text)
        if without is not None:
            unseen.add(without[1])
            if len(unseen) <= NO_FRAMES:
                return
        if said.type in {"error", "warning"} and busy[text] in {0, BUSY_TIMES + 1}:
            looker.complaints.append(text)

    page.on("console", heard)
    try:
        yield looker
        assert looker.complaints == [], looker.complaints
        assert looker.strangers == [], looker.strangers
    finally:
        context.close()
