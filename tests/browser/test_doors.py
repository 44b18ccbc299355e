"""Coming in: the link that makes the first key, keys, roles and links to one clip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import Looker, looking
from tests.support.deployment import Deployment
from tests.support.site import clips
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.apt, pytest.mark.real_time]


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Deployment]:
    """A deployment without any key, and with one camera that cannot be reached."""
    camera = 'cameras:\n  roof: {source: "rtsp://user:secret@127.0.0.1:9/none"}\n'
    deployment = Deployment(tmp_path / "fresh", camera)
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()


def first_key(owner: Looker, place: str) -> str:
    """Make the first key as its owner does, and return its secret."""
    page = owner.page
    owner.open(place)
    page.get_by_label("Name of the key").fill("ada")
    page.get_by_role("button", name="Make the key").click()
    secret = page.locator("output.secret").inner_text()
    assert place.rpartition("/")[2] not in page.url
    page.get_by_role("button", name="I have kept it").click()
    expect(page.locator(".standing")).to_contain_text("No vehicle")
    return secret


def log_in(somebody: Looker, key: str) -> None:
    somebody.page.get_by_label("API key").fill(key)
    somebody.page.get_by_role("button", name="Log in").click()


def key_of(owner: Looker, name: str) -> str:
    """Make a viewer's key on the page."""
    page = owner.page
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Role").select_option("viewer")
    dialog.get_by_role("button", name="New key").click()
    made = dialog.locator("output.secret").inner_text()
    page.keyboard.press("Escape")
    expect(page.locator("tr", has_text=name)).to_be_visible()
    return made


def test_from_the_printed_link_to_a_door_that_is_shut(browser: Browser, fresh: Deployment) -> None:
    url, log = fresh.run["api_url"], fresh.folder / "up.log"
    found: list[str] = []

    def printed() -> bool:
        found[:] = re.findall(r"http://\S+/(#/welcome/\S+)", log.read_text())
        return bool(found)

    wait_until("the link", printed)
    with looking(browser, url) as owner, looking(browser, url) as other:
        secret = first_key(owner, found[0])
        guard = key_of(owner, "guard")

        seen = other.page
        other.open("#/settings")
        log_in(other, "no such key")
        expect(seen.get_by_role("alert")).to_have_text("This key is not valid.")
        log_in(other, guard)
        expect(seen.locator(".standing")).to_have_text("Your key does not allow this view.")
        expect(seen.get_by_role("link", name="Settings")).to_be_hidden()

        seen.keyboard.press("?")
        row = owner.page.locator("tr", has_text="guard")
        row.get_by_role("button", name="Revoke").click()
        owner.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
        expect(row).to_contain_text("revoked")
        expect(seen.get_by_label("API key")).to_be_visible()
        expect(seen.get_by_role("dialog")).to_have_count(0)
        other.excuse("401")

        other.open(found[0])
        seen.get_by_role("button", name="Make the key").click()
        expect(seen.locator(".wrong")).to_be_visible()
        other.excuse("409")

        owner.page.get_by_role("button", name="ada").click()
        owner.page.get_by_role("button", name="Log out").click()
        log_in(owner, secret)
        expect(owner.page.get_by_role("link", name="Settings")).to_be_visible()
        owner.complaints = [each for each in owner.complaints if "401" not in each]


def test_a_link_shows_one_clip_until_it_is_revoked(browser: Browser, site: Deployment) -> None:
    url = site.run["api_url"]
    clip = clips(site, "gate-2")[0]
    with looking(browser, url) as owner, looking(browser, url) as stranger:
        page = owner.page
        owner.open(f"#/clip/{clip['id']}")
        page.get_by_role("button", name="Share").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Valid for").select_option("1")
        dialog.get_by_label("Note").fill("insurer")
        dialog.get_by_role("button", name="Make a link").click()
        link = dialog.locator("output.secret").inner_text()
        stranger.page.route("**/v2/video/session", lambda route: route.fulfill(status=401, json={}))
        stranger.open(link.removeprefix(f"{url}/"))
        video = stranger.page.locator("video")
        expect(stranger.page.locator("h1")).to_contain_text("gate-2")
        wait_until("the film", lambda: video.evaluate("v => v.readyState > 0"))
        assert video.evaluate("v => v.duration") == pytest.approx(clip["duration_seconds"], abs=0.2)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Share").click()
        row = dialog.locator("tr", has_text="insurer")
        expect(row.locator("td").nth(2)).to_have_text("1")
        row.get_by_role("button", name="Revoke").click()
        expect(row).to_contain_text("revoked")
        stranger.page.reload()
        expect(stranger.page.get_by_role("alert")).to_be_visible()
        stranger.complaints = []  # a refusal, told by the browser too


def test_what_was_looked_at_stands_in_the_access_log(browser: Browser, site: Deployment) -> None:
    with looking(browser, site.run["api_url"]) as owner:
        page = owner.page
        owner.open("#/passes?plate=ACCESS1")
        expect(page.locator(".standing")).to_contain_text("No pass matches")
        owner.open("#/settings?tab=access")
        expect(page.locator(".logrow", has_text="ACCESS1").first).to_be_visible()
        page.get_by_label("Action").fill("no such action")
        page.keyboard.press("Tab")
        expect(page.locator(".standing")).to_have_text("No line matches.")
        page.get_by_role("link", name="Configuration").click()
        expect(page.locator("tr.own").first).to_be_visible()
        expect(page.locator("#content")).not_to_contain_text("secret@")
        page.get_by_role("link", name="Signing key").click()
        shown = page.locator("code.big").inner_text()
        assert shown == site.get("/v2/video/signing-key")["fingerprint"]


def test_health_says_what_is_wrong_and_retention_what_it_would_take(
    browser: Browser, site: Deployment
) -> None:
    with looking(browser, site.run["api_url"]) as owner:
        page = owner.page
        owner.open("#/health")
        problem = page.locator(".problem", has_text="roof")
        expect(problem).to_be_visible()
        expect(problem).not_to_contain_text("secret")
        expect(page.locator("tr", has_text="database")).to_contain_text("up")
        page.get_by_role("button", name="What would retention take?").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Older than").fill("365")
        dialog.get_by_role("button", name="Preview").click()
        expect(dialog).to_contain_text("0 clips")
        expect(dialog.get_by_role("button", name="Delete them")).to_have_count(0)
        dialog.get_by_label("Older than").fill("0")
        dialog.get_by_role("button", name="Preview").click()
        expect(dialog.get_by_role("button", name="Delete them")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".chart rect").first).to_be_visible()
