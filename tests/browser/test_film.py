"""Clips, the timeline and incidents, in a browser, on recordings of this minute."""

from __future__ import annotations

import re
import zipfile
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Route, expect

from tests.support.browser import Looker, looking
from tests.support.deployment import Deployment
from tests.support.site import WANTED, clips, read, recorded_pass
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.apt, pytest.mark.real_time]

FRAME_MS = 100  # ten a second


def ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000


# A busy browser ends a seek before it paints the frame that it found, and may paint the next one
# first: the player has it look again.
PAINTED = """v => {
    const past = v.currentTime * 1000 - (v.dataset.shown - v.dataset.origin);
    return v.readyState > 1 && !v.seeking && past > -5 && past < 150;
}"""


def settled(looker: Looker) -> int:
    """Wait until the film stands still, and return the capture time of its frame."""
    looker.page.wait_for_timeout(150)
    wait_until("a frame", lambda: looker.page.locator("video").evaluate(PAINTED))
    return looker.ms()


def stepped(looker: Looker, key: str) -> int:
    """Press a key that shows another frame, and return that one's capture time."""
    before = looker.ms()
    looker.page.keyboard.press(key)
    wait_until(f"another frame after {key}", lambda: looker.ms() != before)
    return settled(looker)


def test_a_result_opens_paused_on_the_plates_best_frame(looker: Looker, site: Deployment) -> None:
    page = looker.page
    found = recorded_pass(site)
    looker.open(f"#/passes?plate={found['plate']}&all=1")
    page.locator(".row.pass .crop").first.click()
    video = page.locator("video")
    expect(video).to_be_visible()
    shown = settled(looker)
    assert video.evaluate("v => v.paused")
    assert abs(shown - ms(found["best_at"])) <= FRAME_MS
    assert int(page.locator("canvas.boxes").first.get_attribute("data-drawn") or 0) >= 1


def test_a_step_is_one_frame_both_ways(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open(f"#/clip/{clips(site, 'gate-1')[0]['id']}?at=2000")
    expect(page.locator("video")).to_be_visible()
    first = settled(looker)
    on = [first, *(stepped(looker, ".") for _ in range(6))]
    back = [on[-1], *(stepped(looker, ",") for _ in range(6))]
    assert back[::-1] == on  # the same frames
    steps = [after - before for before, after in pairwise(on)]
    assert all(0 < each < 2 * FRAME_MS for each in steps), steps


def test_speeds_and_keys_of_the_player(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open(f"#/clip/{clips(site, 'gate-2')[0]['id']}?at=0")
    video = page.locator("video")
    settled(looker)
    page.keyboard.press("l")
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    page.keyboard.press("l")
    assert video.evaluate("v => v.playbackRate") == 2
    wait_until("it to play", lambda: video.evaluate("v => v.currentTime") > 0.3)
    page.keyboard.press("k")
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    before = video.evaluate("v => v.currentTime")
    page.keyboard.press("j")
    wait_until("it to go back", lambda: video.evaluate("v => v.currentTime") < before)
    page.keyboard.press("k")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("]")
    assert settled(looker)


def test_scrubbing_shows_the_strip_and_asks_for_nothing(looker: Looker, site: Deployment) -> None:
    page = looker.page
    clip = next(each for each in clips(site, "gate-1") if each["strip_path"])
    looker.open(f"#/clip/{clip['id']}")
    settled(looker)
    bar = page.get_by_role("slider", name="Place in the clip")
    box = bar.bounding_box()
    assert box
    page.wait_for_timeout(500)
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url) if "segments/" in each.url else None)
    page.mouse.move(box["x"] + 5, box["y"] + 10)
    page.mouse.down()
    preview = page.locator("canvas.boxes").nth(1)
    places = []
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + 10)
        expect(preview).to_be_visible()
        places.append(int(preview.get_attribute("data-place") or -1))
    assert asked == []
    assert places == sorted(set(places)), places
    page.mouse.up()
    expect(preview).to_be_hidden()
    goal = (clip["duration_seconds"] * 0.9) * 1000
    shown = settled(looker) - ms(site.get(f"/v2/video/segments/{clip['id']}")["first_frame_at"])
    assert abs(shown - goal) <= 3 * FRAME_MS


def test_a_recording_plays_while_it_is_made(looker: Looker, site: Deployment) -> None:
    page = looker.page
    read(site, "gate-2", "GR0W1NG")
    running: list[Any] = []

    def begun() -> bool:
        query = "/v2/video/segments?camera_id=gate-2&status=recording"
        running[:] = site.get(query)["items"]
        return bool(running)

    wait_until("a recording", begun)
    for _ in range(3):  # it goes on
        read(site, "gate-2", "GR0W1NG")
    looker.open(f"#/clip/{running[0]['id']}")
    video = page.locator("video")
    expect(page.locator(".heading .badge").first).to_have_text(
        re.compile("recording|being finished|ready")
    )
    wait_until("a picture", lambda: video.evaluate("v => v.readyState >= 2"))
    length = video.evaluate("v => v.buffered.length ? v.buffered.end(v.buffered.length - 1) : 1e9")
    wait_until(
        "more of it, or its end",
        lambda: (
            video.evaluate("v => v.buffered.length && v.buffered.end(v.buffered.length - 1)")
            > length
            or page.locator(".heading .badge").first.inner_text() == "ready"
        ),
    )
    expect(page.locator(".refused")).to_have_count(0)
    # before its first part is written there is no playlist yet, and the page asks again
    looker.complaints = [
        each for each in looker.complaints if not re.search(r"409.*stream\.m3u8", each)
    ]


def test_a_clip_is_protected_taken_along_and_deleted(looker: Looker, site: Deployment) -> None:
    page = looker.page
    clip = clips(site, "gate-1")[-1]
    looker.open(f"#/clip/{clip['id']}")
    page.get_by_role("button", name="Protect").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("case 12")
    dialog.get_by_role("button", name="Protect").click()
    expect(page.locator(".badge", has_text="protected")).to_be_visible()
    expect(page.get_by_role("button", name="Delete")).to_be_disabled()
    film = looker.download(page.get_by_role("button", name="Download").click)
    assert film.stat().st_size == clip["file_size_bytes"]

    def evidence() -> None:
        page.get_by_role("button", name="Evidence").click()
        dialog.get_by_role("button", name="Download").click()

    with zipfile.ZipFile(looker.download(evidence)) as opened:
        assert any(name.endswith(".mp4") for name in opened.namelist())
    page.get_by_role("button", name="Lift the protection").click()
    dialog.get_by_role("button", name="Lift the protection").click()
    page.get_by_role("button", name="Delete").click()
    dialog.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile("#/passes"))
    assert site.ask("GET", f"/v2/video/segments/{clip['id']}/download")[0] in {404, 410}


def shown_stretch(looker: Looker) -> tuple[int, int]:
    canvas = looker.page.locator(".canvasbox > canvas")
    ends = "c => c.dataset.to && [Number(c.dataset.from), Number(c.dataset.to)]"
    begin, end = wait_until("something drawn", lambda: canvas.evaluate(ends))
    return begin, end


def zoomed(looker: Looker, length_ms: float, near_ms: float) -> tuple[int, int] | None:
    """The stretch that is shown, once it is that long."""
    begin, end = shown_stretch(looker)
    return (begin, end) if abs(end - begin - length_ms) <= near_ms else None


def test_the_timeline_zooms_around_the_pointer(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open("#/timeline")
    canvas = page.locator(".canvasbox > canvas")
    box = canvas.bounding_box()
    assert box
    expect(page.locator(".rownames")).to_contain_text("gate-1")
    before = shown_stretch(looker)
    x = round(box["x"] + box["width"] * 0.3)
    share = (x - box["x"]) / box["width"]
    page.mouse.move(x, box["y"] + 60)
    at = before[0] + share * (before[1] - before[0])
    for _ in range(40):
        page.mouse.wheel(0, -240)
    # from a day to two seconds
    after = wait_until("the last turn of the wheel", lambda: zoomed(looker, 2000, 10))
    length = after[1] - after[0]
    assert abs(after[0] + share * length - at) <= 5  # what was under the pointer is there still
    clock = page.locator("output.count")
    assert re.search(r"\d\d:\d\d:\d\d\.\d{3}", clock.inner_text())
    page.keyboard.press("-")
    wait_until("twice as much", lambda: zoomed(looker, 2 * length, 5))


def test_the_timeline_goes_to_times_passes_and_clips(looker: Looker, site: Deployment) -> None:
    page = looker.page
    clip = next(each for each in clips(site, "gate-1") if each["strip_path"])
    read(site, "gate-1", "LATER1")
    looker.open(f"#/timeline?at={int(ms(clip['trigger_time'])) + 3000}&camera=gate-1")
    expect(page.locator(".rownames span")).to_have_count(1)
    cursor = page.locator("output.count")
    began = cursor.inner_text()

    def pressed(key: str) -> str:
        page.keyboard.press(key)
        return cursor.inner_text()

    wait_until("a pass before", lambda: pressed("[") < began)
    first = cursor.inner_text()
    wait_until("a pass after", lambda: pressed("]") > first)
    page.keyboard.press("t")
    page.get_by_role("dialog").get_by_label("Time").fill("yesterday 7pm")
    page.keyboard.press("Enter")
    expect(cursor).to_contain_text("19:00:00.000")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("t")
    page.get_by_role("dialog").get_by_label("Time").fill("soon")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("no time")
    page.keyboard.press("Escape")
    looker.open(f"#/timeline?at={int(ms(clip['trigger_time']))}&camera=gate-1")
    page.reload()
    canvas = page.locator(".canvasbox > canvas")
    box = canvas.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 34 + 30)
    expect(page.locator(".canvasbox .tip canvas")).to_be_visible()
    expect(page.locator(".canvasbox .tip")).to_contain_text("ready")
    page.mouse.down()
    page.mouse.up()
    expect(page).to_have_url(re.compile(f"#/clip/{clip['id']}"))


def test_an_incident_keeps_its_cameras_in_step(looker: Looker, site: Deployment) -> None:
    page = looker.page
    read(site, "gate-1", WANTED)
    read(site, "gate-2", WANTED)

    def overlaps() -> list[tuple[float, float]]:
        """Lengths and beginnings of what both have."""
        ones = [(ms(c["start_time"]), ms(c["end_time"])) for c in clips(site, "gate-1")]
        others = [(ms(c["start_time"]), ms(c["end_time"])) for c in clips(site, "gate-2")]
        both = [(min(b, d) - max(a, c), max(a, c)) for a, b in ones for c, d in others]
        return [each for each in both if each[0] > 4000]

    wait_until("clips of both at once", overlaps)
    at = round(max(overlaps())[1] + 1000)
    looker.open(f"#/incident?at={at}")
    expect(page.locator("video")).to_have_count(2)
    wait_until(
        "both films",
        lambda: page.evaluate(
            "[...document.querySelectorAll('video')].every(v => v.readyState > 1)"
        ),
    )
    page.keyboard.press(" ")
    drifts = (
        "[...document.querySelectorAll('video')].map(v => Math.abs(Number(v.dataset.drift ?? 9)))"
    )
    wait_until("films in step", lambda: max(page.evaluate(drifts)) <= FRAME_MS / 1000, 20)
    page.keyboard.press(" ")
    shown = "[...document.querySelectorAll('video')].map(v => Number(v.dataset.shown))"
    wait_until(
        "the same moment",
        lambda: max(page.evaluate(shown)) - min(page.evaluate(shown)) <= 2 * FRAME_MS,
        20,
    )

    def archive() -> None:
        page.get_by_role("button", name="One archive of all").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Title").fill("Gate, both sides")
        dialog.get_by_role("button", name="Download").click()

    with zipfile.ZipFile(looker.download(archive)) as opened:
        assert sum(name.endswith(".mp4") for name in opened.namelist()) >= 2
    clock = page.locator("output.clock").inner_text()
    page.get_by_role("checkbox", name="gate-2").uncheck()
    expect(page.locator("video")).to_have_count(1)
    assert page.locator("output.clock").inner_text() == clock
    bar = page.get_by_label("Moment of the incident")
    bar.fill(str(at - 60_000))
    expect(page.locator(".nothing").first).to_be_visible()


def test_of_many_clips_an_archive_has_those_that_are_nearest(
    looker: Looker, site: Deployment
) -> None:
    """As many as one may have; the dialog tells of the others."""
    page = looker.page
    clip = clips(site, "gate-1")[0]

    def many(route: Route) -> None:
        body = route.fetch().json()
        (row,) = [each for each in body["cameras"] if each["camera_id"] == "gate-1"]
        place = row["segments"]["ids"].index(clip["id"])
        row["segments"] = {name: [each[place]] * 20 for name, each in row["segments"].items()}
        route.fulfill(json=body)

    page.route("**/v2/video/timeline*", many)
    looker.open(f"#/incident?at={round(ms(clip['trigger_time']))}&cameras=gate-1")
    expect(page.locator("video")).to_have_count(1)

    def archive() -> None:
        page.get_by_role("button", name="One archive of all").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("of 16 clips")
        expect(dialog).to_contain_text("There are 20")
        dialog.get_by_role("button", name="Download").click()

    with zipfile.ZipFile(looker.download(archive)) as opened:
        assert sum(name.endswith(".mp4") for name in opened.namelist()) == 1


def test_a_purpose_is_asked_for_where_it_must_be_stated(browser: Browser, site: Deployment) -> None:
    with looking(browser, site.run["api_url"]) as looker:
        page = looker.page

        def required(route: Any) -> None:
            body = route.fetch().json()
            route.fulfill(json=body | {"purpose_rule": "required"})

        page.route("**/v2/video/session", required)
        sent: list[str | None] = []
        page.on(
            "request",
            lambda each: (
                sent.append(each.headers.get("x-purpose")) if "/passes?" in each.url else None
            ),
        )
        looker.open("#/passes")
        expect(page.locator(".standing")).to_contain_text("asks why you look")
        assert sent == []
        page.get_by_role("button", name="State the purpose").click()
        page.get_by_role("dialog").get_by_label("Purpose").fill("stolen vehicle")
        page.keyboard.press("Enter")
        expect(page.locator(".row.pass").first).to_be_visible()
        assert set(sent) == {"stolen vehicle"}
