"""Every view at three sizes, light and dark, as the accessibility checker axe sees it."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from tests.support.browser import ALL_LOOKS, HEIGHTS, Looker
from tests.support.chaos import FULL
from tests.support.deployment import Deployment
from tests.support.site import VIEWS, read

pytestmark = [pytest.mark.apt, pytest.mark.real_time]


@pytest.mark.parametrize("view", VIEWS if FULL else list(VIEWS)[::3])
def test_nothing_stands_in_anybodys_way(
    view: str, looker: Looker, site: Deployment, subtests: pytest.Subtests
) -> None:
    page = looker.page
    read(site)
    looker.open(VIEWS[view](site))
    expect(page.locator(".standing", has_text="Loading")).to_have_count(0)
    page.wait_for_timeout(500)
    # make chaos looks at every view in every way; else each third has one of them, in turn
    turn = list(VIEWS).index(view) % len(ALL_LOOKS)
    for width, scheme in ALL_LOOKS if FULL else ALL_LOOKS[turn : turn + 1]:
        page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.wait_for_timeout(250)
        # colours alone are others in the dark
        rules = {"runOnly": ["color-contrast"]} if scheme == "dark" and FULL else {}
        found = Axe().run(page, options={"resultTypes": ["violations"]} | rules).response
        told = [
            f"{each['id']} ({each['impact']}): {node['html'][:160]} {node['failureSummary'][:300]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]
        with subtests.test(f"{width} {scheme}"):
            assert told == []
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, "the page is wider than the window"
