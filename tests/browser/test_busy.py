"""The page beside servers and a browser that have no time: what did not come is asked for again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.support.browser import Looker
from tests.support.deployment import Deployment
from tests.support.site import clips, recorded_pass
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.apt, pytest.mark.real_time]

# Each second painted frame is told to nobody, but for those of a seek that is done for that reason.
DEAF = """
const ask = HTMLVideoElement.prototype.requestVideoFrameCallback;
let told = 0;
HTMLVideoElement.prototype.requestVideoFrameCallback = function (work) {
  return ask.call(this, (now, meta) => {
    told += 1;
    if (told % 2) work(now, meta);
    else this.requestVideoFrameCallback(work);
  });
};
"""
HASTY = """
const wait = window.setTimeout;
window.setTimeout = (work, ms, ...given) => wait(work, ms / 10, ...given);
"""
BROKEN = """v => {
  Object.assign(window, { begun: 0, before: v.currentTime });
  v.addEventListener("loadstart", () => (window.begun += 1));
  v.dispatchEvent(new Event("error"));
}"""
# Whether the frame that is said to be on the screen is the one of where the film is: ten a second.
COVERED = """v => {
  const late = v.currentTime * 1000 - (v.dataset.shown - v.dataset.origin);
  return v.readyState > 1 && !v.seeking && late > -10 && late < 105;
}"""


def busy_at_first(looker: Looker, pattern: str, times: int = 1) -> list[str]:
    """Answer the first requests of each address with 503. Return the addresses, once for each."""
    refused: list[str] = []

    def answer(route: Route) -> None:
        address = route.request.url
        if refused.count(address) < times:
            refused.append(address)
            route.fulfill(status=503, json={"detail": "the database does not answer"})
        else:
            route.continue_()

    looker.page.route(re.compile(pattern), answer)
    return refused


def test_a_film_that_did_not_come_comes_by_itself(looker: Looker, site: Deployment) -> None:
    """The server gives its first byte: soon. It does not: once it is ready again."""
    page = looker.page
    clip = next(each for each in clips(site, "gate-1") if each["strip_path"])
    refused = busy_at_first(looker, r"/segments/[^/]+/(download|strip\.\w+)(\?.*)?$", times=2)
    looker.open(f"#/clip/{clip['id']}")
    video = page.locator("video")
    wait_until("a film", lambda: video.count() and video.evaluate("v => v.readyState > 1"))
    assert sum(each.endswith("/download") for each in refused) == 2
    assert sum(each.endswith("through=true") for each in refused) == 2
    expect(page.locator(".refused")).to_have_count(0)
    page.get_by_role("slider", name="Place in the clip").hover()
    expect(page.locator(".seek canvas.tip")).to_be_visible()


def test_a_film_that_breaks_off_goes_on(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open(f"#/clip/{clips(site, 'gate-1')[0]['id']}?at=1000")
    video = page.locator("video")
    wait_until("the frame", lambda: video.evaluate(COVERED))
    page.keyboard.press("-")
    page.keyboard.press("-")  # so that it does not end meanwhile
    page.keyboard.press(" ")
    wait_until("it to play", lambda: video.evaluate("v => v.currentTime > 1.2"))
    # what a connection that breaks off makes of a film that is not here whole
    video.evaluate(BROKEN)
    wait_until("another try", lambda: page.evaluate("begun"))
    wait_until("it to go on", lambda: video.evaluate("v => v.currentTime > before && !v.paused"))
    expect(page.locator(".refused")).to_have_count(0)
    assert video.evaluate("v => v.playbackRate") == 0.25


def test_a_film_that_no_browser_takes_is_not_asked_for_for_ever(
    looker: Looker, site: Deployment
) -> None:
    page = looker.page
    page.add_init_script(HASTY)
    asked: list[str] = []

    def broken(route: Route) -> None:
        asked.append(route.request.url)
        if "range" in route.request.headers and "through" in route.request.url:
            route.continue_()
        else:
            route.fulfill(status=200, content_type="video/mp4", body="no film")

    page.route(re.compile(r"/download(\?.*)?$"), broken)
    looker.open(f"#/clip/{clips(site, 'gate-1')[0]['id']}")
    expect(page.locator(".refused")).to_contain_text("broke off")
    expect(page.locator(".refused")).to_contain_text("cannot play h264")
    tries = len(asked)
    page.wait_for_timeout(3000)
    assert len(asked) == tries


def test_a_codec_that_the_browser_lacks_is_told_at_once(looker: Looker, site: Deployment) -> None:
    page = looker.page
    page.add_init_script("HTMLMediaElement.prototype.canPlayType = () => ''")
    refused = busy_at_first(looker, r"/download$", times=9)
    looker.open(f"#/clip/{clips(site, 'gate-1')[0]['id']}")
    expect(page.locator(".refused")).to_contain_text("cannot play h264")
    page.wait_for_timeout(2500)
    assert len(refused) == 1


def test_a_frame_that_a_browser_does_not_tell_of_is_known(looker: Looker, site: Deployment) -> None:
    page = looker.page
    page.add_init_script(DEAF)
    looker.open(f"#/clip/{clips(site, 'gate-1')[0]['id']}?at=2000")
    video = page.locator("video")
    for key in ("ArrowRight", ".", ".", "ArrowLeft", ",", ",", "."):
        wait_until("the frame", lambda: video.evaluate(COVERED))
        video.evaluate("v => { window.before = v.currentTime; }")
        page.keyboard.press(key)
        wait_until("a seek", lambda: video.evaluate("v => Math.abs(v.currentTime - before) > 0.02"))
    wait_until("the frame", lambda: video.evaluate(COVERED))


def test_a_picture_that_did_not_come_comes_later(looker: Looker, site: Deployment) -> None:
    found: Any = recorded_pass(site)
    looker.page.route(re.compile("/v2/video/events"), lambda _: None)  # no news draws it anew
    refused = busy_at_first(looker, r"/(plate|scene)\.jpg")
    looker.open(f"#/passes?pass={found['id']}&plate={found['plate']}")
    for place in (".row.pass img", ".scene img"):
        picture = looker.page.locator(place).first.element_handle()
        wait_until("a picture", lambda: picture.evaluate("i => i.naturalWidth"))  # noqa: B023 - called at once
    assert {each.partition("?")[0].rpartition("/")[2] for each in refused} == {
        "plate.jpg",
        "scene.jpg",
    }
