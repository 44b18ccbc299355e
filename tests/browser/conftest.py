"""One deployment with recordings, and one browser, for the tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import Looker, chromium, looking
from tests.support.deployment import Deployment
from tests.support.site import CONFIG, WANTED, both
from tests.support.waiting import wait_until


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


# Not for the session: its cameras would take a core from whatever comes after these tests.
@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment whose two cameras have recorded, with a watch list that one pass is on."""
    deployment = Deployment(tmp_path_factory.mktemp("site"), CONFIG)
    try:
        deployment.start()
        lists = "/v2/video/lists"
        deployment.ask("POST", lists, {"name": "wanted", "kind": "watch"})
        deployment.ask(
            "POST",
            f"{lists}/wanted/entries",
            {"plate": WANTED, "reason": "stolen", "tolerance": 0.1},
        )
        wait_until("clips of both cameras", lambda: both(deployment), 120)
        yield deployment
    finally:
        deployment.stop()


@pytest.fixture
def looker(browser: Browser, site: Deployment) -> Iterator[Looker]:
    """A window on the page."""
    with looking(browser, site.run["api_url"]) as opened:
        yield opened
