"""What an operator does on the page, in a browser, on recordings of this minute."""

from __future__ import annotations

import os
import re
import signal
import time

import pytest
from playwright.sync_api import FilePayload, Route, expect

from tests.support.browser import Looker
from tests.support.deployment import Deployment
from tests.support.site import WANTED, clips, read
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.apt, pytest.mark.real_time]


def test_a_new_pass_stands_on_top_by_itself(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open()
    expect(page.locator(".row.pass").first).to_be_visible()
    plate = f"NEW{int(time.time()) % 10_000}"
    read(site, plate=plate)
    # docs/performance.md has the time that it takes
    expect(page.locator(".row.pass", has_text=plate)).to_be_visible()


def test_filters_are_the_address(looker: Looker, site: Deployment) -> None:
    page = looker.page
    read(site, plate=WANTED)
    looker.open()
    page.get_by_role("searchbox").fill("wa17*")
    expect(page.locator(".row.pass").first).to_contain_text("WA17NTD")
    expect(page).to_have_url(re.compile(r"#/passes\?plate=wa17"))
    page.get_by_role("searchbox").fill("WA17NT0")
    page.get_by_label("look-alikes").check()
    expect(page.locator(".row.pass mark").first).to_have_text("D")
    page.reload()
    expect(page.get_by_role("searchbox")).to_have_value("WA17NT0")
    expect(page.locator(".row.pass mark").first).to_have_text("D")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    text = saved.value.path().read_text()
    assert "WA17NTD" in text
    assert len(text.splitlines()) == 1 + page.locator(".row.pass").count()


def test_passes_are_reviewed_by_keyboard(looker: Looker, site: Deployment) -> None:
    page = looker.page
    read(site, plate="REV1EW")
    looker.open("#/passes?plate=REV1EW")
    expect(page.locator(".row.pass")).to_have_count(1)
    page.keyboard.press("j")
    expect(page.locator(".panel h2")).to_have_text("REV1EW")
    page.keyboard.press("c")
    expect(page.locator(".row.pass .badge.good")).to_have_text("confirmed")
    page.keyboard.press("e")
    page.get_by_role("dialog").get_by_label("Plate").fill("REVIEW")
    page.keyboard.press("Enter")
    expect(page.locator(".panel h2")).to_have_text("REVIEW")
    expect(page.locator(".panel")).to_contain_text("Read as")
    page.keyboard.press("u")
    expect(page.locator(".panel h2")).to_have_text("REV1EW")


def test_a_key_that_is_pressed_twice_confirms_one_pass(looker: Looker, site: Deployment) -> None:
    page = looker.page
    for plate in ("TW1CEAAA", "TW1CXKHM", "TW1CPVRE"):
        read(site, plate=plate)
    looker.open("#/passes?plate=TW1C*")
    expect(page.locator(".row.pass")).to_have_count(3)
    plates = page.locator(".row.pass button.plate").all_inner_texts()

    def slowly(route: Route) -> None:
        if route.request.method == "PATCH":
            page.wait_for_timeout(300)
        route.continue_()

    page.route(re.compile(r"/passes/[0-9a-f-]{36}$"), slowly)
    page.keyboard.press("j")
    expect(page.locator(".panel h2")).to_have_text(plates[0])
    expect(page.locator(".panel .actions")).to_be_visible()
    page.keyboard.press("c")
    page.keyboard.press("c")
    expect(page.locator(".panel h2")).to_have_text(plates[1])
    page.wait_for_timeout(500)
    expect(page.locator(".panel h2")).to_have_text(plates[1])


def test_an_address_that_was_cut_shows_a_page(looker: Looker) -> None:
    looker.open("#/%E0%A4")
    expect(looker.page.locator(".standing")).to_have_text("There is no such view.")


def test_a_dialog_closes_with_its_view(looker: Looker) -> None:
    page = looker.page
    looker.open("#/health")
    page.get_by_role("link", name="Settings").click()
    page.get_by_role("button", name="New key").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_hit_is_acknowledged_with_a_note(looker: Looker, site: Deployment) -> None:
    page = looker.page
    read(site)
    looker.open("#/lists")
    row = page.locator(".hitrow").first
    expect(row).to_contain_text("WA17NTD")
    page.get_by_label("sound").check()
    row.get_by_role("button", name="Acknowledge").click()
    page.get_by_role("dialog").get_by_label("Note").fill("police are told")
    page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    found = site.get("/v2/video/passes?hit=true&acknowledged=true")["items"]
    whole = site.get(f"/v2/video/passes/{found[0]['id']}")
    assert whole["hits"][0]["acknowledged_note"] == "police are told"


def test_a_list_is_made_filled_and_previewed(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open("#/lists")
    page.get_by_role("button", name="New list").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("neighbours")
    dialog.get_by_label("Kind").select_option("known")
    dialog.get_by_role("button", name="New list").click()
    page.get_by_role("link", name="neighbours").click()
    page.get_by_role("button", name="Import CSV").click()
    wrong = b"plate,name,tolerance\nAB12CDE,Ada,0.1\n,nobody,0\nXY98ZZZ,Bob,7\n"
    given = FilePayload(name="list.csv", mimeType="text/csv", buffer=wrong)
    dialog.get_by_label("File").set_input_files(given)
    dialog.get_by_label("Only look").uncheck()
    dialog.get_by_role("button", name="Import CSV").click()
    expect(dialog).to_contain_text("Line 3")
    expect(dialog).to_contain_text("Line 4")
    looker.excuse("422")
    dialog.get_by_label("Import right lines").check()
    dialog.get_by_role("button", name="Import CSV").click()
    expect(dialog).to_contain_text("1 added")
    page.keyboard.press("Escape")
    expect(page.locator(".row.entry")).to_have_count(1)
    page.get_by_role("button", name="AB12CDE").click()
    dialog.get_by_role("button", name="Preview").click()
    last = page.get_by_role("dialog", name="Preview")
    last.get_by_role("button", name="Preview").click()
    expect(last.locator(".accepted mark").first).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Add a plate").click()
    dialog.get_by_label("Plate *").fill("ZZ11ZZZ")
    dialog.get_by_role("button", name="Add a plate").click()
    expect(page.locator(".row.entry")).to_have_count(2)
    page.locator(".row.entry button").first.press("Enter")
    dialog.get_by_role("button", name="Take it off the list").click()
    page.get_by_role("dialog", name="Are you sure?").get_by_role("button", name="Delete").click()
    expect(page.locator(".row.entry")).to_have_count(1)
    expect(page.locator(".row.entry button")).to_be_focused()


def test_the_wall_shows_each_camera_and_why_one_is_lost(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open("#/live")
    expect(page.locator(".tile")).to_have_count(3)
    expect(page.locator(".tile.live")).to_have_count(2)
    lost = page.locator(".tile.lost")
    expect(lost).to_contain_text("roof")
    expect(lost).to_contain_text("cannot be reached")
    expect(page.locator(".tile.live time").first).to_have_text(re.compile(r"\d\d:\d\d:\d\d"))
    page.locator(".tile", has_text="gate-1").click()
    stage = page.locator(".stage.live img")
    expect(stage).to_be_visible()
    wait_until("a picture", lambda: stage.evaluate("each => each.naturalWidth") == 640)
    expect(page.locator(".beside")).not_to_contain_text("secret")
    page.keyboard.press("]")
    expect(page.locator("h1")).to_have_text("gate-2")
    page.keyboard.press("Escape")
    expect(page.locator(".tile")).to_have_count(3)


def test_a_viewers_wrong_clock_makes_no_camera_late(looker: Looker) -> None:
    looker.page.add_init_script(
        "const told = Date.now; Date.now = () => told() + 600_000; // ten minutes ahead"
    )
    looker.open("#/live")
    expect(looker.page.locator(".tile.live")).to_have_count(2)
    expect(looker.page.locator(".tile.late")).to_have_count(0)


def test_snapshots_wait_for_their_turn_and_stop_while_hidden(
    looker: Looker, site: Deployment
) -> None:
    page = looker.page
    cameras = site.get("/v2/video/cameras")
    model = next(each for each in cameras["items"] if each["camera_id"] == "gate-1")
    many = [model | {"camera_id": f"gate-1?{number}"} for number in range(12)]
    page.route(
        "**/v2/video/cameras", lambda route: route.fulfill(json={"items": many, "total": 12})
    )
    page.route("**/snapshot.jpg*", lambda _: None)  # never answered
    asked: list[str] = []
    page.on("request", lambda each: asked.append(each.url) if "snapshot.jpg" in each.url else None)
    began = time.monotonic()
    looker.open("#/live")
    expect(page.locator(".tile")).to_have_count(12)
    page.wait_for_timeout(2500)
    # each gives up after five seconds, and the next one has its turn
    assert len(asked) == 4 or time.monotonic() - began > 5
    page.unroute("**/snapshot.jpg*")
    page.evaluate("Object.defineProperty(document, 'visibilityState', {value: 'hidden'})")
    page.wait_for_timeout(6500)  # those four give up after five seconds
    asked.clear()
    page.wait_for_timeout(2000)
    assert asked == []
    looker.complaints.clear()


def test_the_page_outlives_a_restart_of_the_api(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open()
    expect(page.locator(".row.pass").first).to_be_visible()
    (pid,) = site.refresh()["pids"]["api"]
    os.kill(pid, signal.SIGKILL)
    # the page only listened, and asked for nothing
    expect(page.get_by_role("alert").first).to_contain_text("The API does not answer")
    page.get_by_role("searchbox").fill("WA17*")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".row.pass").first).to_contain_text("WA17NTD")
    looker.complaints.clear()  # the browser tells each refused connection


def test_it_speaks_german_and_lists_its_keys(looker: Looker) -> None:
    page = looker.page
    looker.open()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("Timeline")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="local", exact=True).click()
    page.get_by_label("Language").select_option("de")
    expect(page.get_by_role("link", name="Durchfahrten")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "de"
    page.reload()
    expect(page.get_by_role("link", name="Zeitleiste")).to_be_visible()


def test_keyboard_alone_reaches_everything_and_is_caught_nowhere(looker: Looker) -> None:
    page = looker.page
    looker.open()
    expect(page.locator(".row.pass").first).to_be_visible()
    seen = []
    for _ in range(24):
        page.keyboard.press("Tab")
        seen.append(page.evaluate("document.activeElement.outerHTML.slice(0, 90)"))
    assert len(set(seen)) > 20, seen
    focused = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert focused == "solid"


def test_times_are_of_the_viewers_zone_or_utc(looker: Looker, site: Deployment) -> None:
    page = looker.page
    looker.open(f"#/clip/{clips(site, 'gate-1')[0]['id']}")
    expect(page.locator(".controls .clock")).to_contain_text("UTC+0")
    page.keyboard.press("z")
    expect(page.locator(".controls .clock")).to_contain_text(re.compile(r"UTC$"))
