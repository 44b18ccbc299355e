"""Page: what somebody who looks at the page waits for, in Chromium on loopback: on recordings of
two 720p cameras, and where a day or a list is very full.
"""

from __future__ import annotations

import json
import random
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playwright.sync_api import Browser, Page

from benchmarks import page_full
from benchmarks.browser import chromium, held, middle, most, numbers, window
from benchmarks.cameras import mjpeg_cameras
from benchmarks.harness import Row, report
from benchmarks.scene import jpegs
from benchmarks.site import site
from platereel.embedded.processes import free_ports
from shared.wire.keys import Keys

FPS = 15
EVERY_S = 3.0
FAR_MS = 500  # beside other work a camera's frames come late
# An event of a kind that comes, until the film stands still after it.
_ARMED = """(kind) => addEventListener(kind, (event) => {
  const began = performance.timeOrigin + event.timeStamp;
  bench.stood = bench.still().then((at) => at - began);
}, { once: true, capture: true })"""
CAMERAS = ("gate-1", "gate-2")
CONFIG = """
api: {{port: {api}}}
defaults: {{buffer_seconds: 4, post_event_seconds: 5}}
cameras:
  gate-1: {{source: "{address}/1", detect: false}}
  gate-2: {{source: "{address}/2", detect: false}}
  yard: {{source: "push:", detect: false}}
"""


@dataclass(frozen=True)
class Size:
    """How many of each."""

    picture: tuple[int, int]
    reads: int  # of each camera: one pass every EVERY_S
    views: int
    moves: int
    seeks: int
    news: int


WHOLE = Size((1280, 720), reads=20, views=25, moves=300, seeks=50, news=30)
QUICK = Size((320, 180), reads=1, views=1, moves=5, seeks=2, news=1)


@dataclass(frozen=True)
class Api:
    """The API, as a detector and a script use it."""

    url: str

    def get(self, path: str) -> Any:
        """What it answers."""
        with urllib.request.urlopen(f"{self.url}/v2/video/{path}", timeout=30) as answer:  # noqa: S310 - ours
            return json.load(answer)

    def detect(self, camera: str, plate: str) -> float:
        """Post a read of now. Returns when that began, in ms since 1970."""
        began = time.time()
        body = {
            "camera_id": camera, "captured_at": began, "confidence": 0.9, "plate": plate,
            "bbox": [500, 400, 200, 60],
        }  # fmt: skip
        request = urllib.request.Request(  # noqa: S310 - ours
            f"{self.url}/v2/video/detections",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310 - ours
            return began * 1000


def run(*, quick: bool) -> list[Row]:
    """A row for each thing that is waited for."""
    size = QUICK if quick else WHOLE
    full = page_full.QUICK if quick else page_full.WHOLE
    with _recorded(size) as api, chromium() as browser:
        return [
            *_first_views(browser, api, size),
            *_film(browser, api, size),
            *_news(browser, api, size),
            *page_full.day(browser, api.url, full),
            *page_full.passes(browser, api.url, full),
        ]


@contextmanager
def _recorded(size: Size) -> Iterator[Api]:
    """The API of a site whose cameras have recorded a clip each, with a pass every few seconds."""
    (port,) = free_ports(1)
    api = Api(f"http://127.0.0.1:{port}")
    with (
        mjpeg_cameras(jpegs(*size.picture, 150), FPS) as address,
        site(CONFIG.format(api=port, address=address)) as place,
        place.frames() as frames,
    ):
        place.record()
        place.run("api", "api")
        place.wait_for(
            "frames", lambda: min(frames.xlen(Keys().frames(each)) for each in CAMERAS) > 4 * FPS
        )
        place.wait_for("the API", lambda: _answers(api), every_s=0.1)
        chance = random.Random(7)  # noqa: S311 - plates, the same each time
        for _ in range(size.reads):
            for camera in CAMERAS:
                api.detect(camera, _plate(chance))
            time.sleep(EVERY_S)
        place.wait_for("clips", lambda: len(_clips(api)) == len(CAMERAS), 120, 0.2)
        place.wait_for(
            "closed passes", lambda: len(_passes(api)) == len(CAMERAS) * size.reads, 120, 0.2
        )
        yield api


def _plate(chance: random.Random) -> str:
    """A plate that is no misreading of another one."""
    return "".join(chance.choices("ABCDEFGHJKLMNPRSTUVWXYZ2345679", k=7))


def _answers(api: Api) -> bool:
    try:
        return bool(api.get("cameras"))
    except OSError:
        return False


def _clips(api: Api) -> list[Any]:
    found: list[Any] = api.get("segments?status=ready&limit=50")["items"]
    return [each for each in found if each["strip_path"]]


def _passes(api: Api) -> list[Any]:
    found: list[Any] = api.get("passes?plate=*&recorded=true&limit=100")["items"]
    return found


def _first_views(browser: Browser, api: Api, size: Size) -> list[Row]:
    """A fresh window each: its first view; then a pass that was searched for, and its film."""
    found = _passes(api)
    views, films, weights = [], [], []
    for number in range(size.views):
        wanted = found[number % len(found)]
        with window(browser) as page:
            page.goto(f"{api.url}/#/passes", wait_until="commit")
            views.append(page.evaluate("bench.first.then((at) => at - performance.timeOrigin)"))
            weights.append(_weight(page))
            films.append(_film_of(page, wanted))
    return [
        *middle("first view, empty cache", views, 1000, 500),
        *held("script and style", "kB, gzip", max(weights) / 1000, 100, 60),
        *middle("click on a result to its frame", films, 500, 300),
    ]


def _weight(page: Page) -> float:
    """Bytes of scripts and styles, as they were sent."""
    sent = """() => Object.entries(Object.fromEntries(performance.getEntriesByType("resource")
        .filter((each) => /\\.(js|css)$/.test(each.name)).map((each) => [each.name, each.encodedBodySize])))
        .map(([, bytes]) => bytes)"""
    return sum(numbers(page, sent))


def _film_of(page: Page, wanted: Any) -> float:
    """Milliseconds from the click on a result until the plate's best frame stands there."""
    page.get_by_role("searchbox").fill(wanted["plate"])
    alone = "document.querySelectorAll('.row.pass').length === 1 && bench.row(plate)"
    page.evaluate(f"(plate) => bench.seen(() => {alone})", wanted["plate"])
    page.evaluate(_ARMED, "click")
    page.locator(".row.pass .crop").first.click()
    return _stands(page, _ms(wanted["best_at"]))


def _stands(page: Page, goal_ms: float) -> float:
    """Milliseconds from the armed event until the frame of that moment stood there."""
    waited: float = page.evaluate("bench.stood")
    shown = float(page.evaluate("document.querySelector('video').dataset.shown"))
    if abs(shown - goal_ms) > FAR_MS:
        raise RuntimeError(f"the film stands {shown - goal_ms:.0f} ms from where it should")
    return waited


def _ms(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp() * 1000


def _film(browser: Browser, api: Api, size: Size) -> list[Row]:
    """Dragging on a clip's bar, and going to places of it."""
    clip = _clips(api)[0]
    chance = random.Random(7)  # noqa: S311 - places, the same each time
    with window(browser) as page:
        page.goto(f"{api.url}/#/clip/{clip['id']}")
        page.evaluate("bench.seen(() => document.querySelector('video')?.dataset.shown)")
        page.wait_for_timeout(500)  # the film's size moves what stands below it
        bar = page.get_by_role("slider", name="Place in the clip")
        box = bar.bounding_box()
        if box is None:
            raise RuntimeError("the clip has no bar")
        y = box["y"] + box["height"] / 2

        def to(share: float) -> None:
            page.mouse.move(box["x"] + box["width"] * share, y)

        to(0.5)
        page.locator(".seek canvas.tip").wait_for()
        rows = _scrub(page, to, [chance.random() for _ in range(size.moves)])
        first_ms = _ms(api.get(f"segments/{clip['id']}")["first_frame_at"])
        places = [(number % 2 + chance.uniform(0.02, 0.95)) / 2 for number in range(size.seeks)]
        waits = [_seek(page, to, first_ms, share) for share in places]
    return [*rows, *most("a place in a clip", waits, 300, 200)]


def _scrub(page: Page, to: Callable[[float], None], shares: list[float]) -> list[Row]:
    page.evaluate(
        """() => {
          const preview = document.querySelectorAll("canvas.boxes")[1];
          bench.drawn = [];
          bench.shown = [];
          let moved = null;
          document.querySelector(".seek").addEventListener("pointermove", (event) => (moved = event.timeStamp), true);
          new MutationObserver(() => {
            if (moved === null) return;
            const began = performance.timeOrigin + moved;
            moved = null;
            bench.drawn.push(bench.now() - began);
            void bench.painted().then((at) => bench.shown.push(at - began));
          }).observe(preview, { attributeFilter: ["data-place"] });
        }"""
    )
    asked: list[str] = []
    page.mouse.down()
    page.on("request", lambda each: asked.append(each.url))
    for share in shares:
        to(share)
    page.evaluate("bench.painted()")
    requests = len(asked)
    page.mouse.up()
    return [
        *most("a move on the bar to its picture", numbers(page, "bench.drawn"), 50, 16),
        *most("the same, on the screen", numbers(page, "bench.shown"), 50, 16),
        report("moves on the bar", "requests", requests, "<= 0"),
    ]


def _seek(page: Page, to: Callable[[float], None], first_ms: float, share: float) -> float:
    """Milliseconds from letting go of the bar until the frame of that place stands there."""
    page.evaluate(_ARMED, "pointerup")
    to(share)
    page.mouse.down()
    page.mouse.up()
    seconds = page.evaluate("document.querySelector('video').duration")
    return _stands(page, first_ms + share * seconds * 1000)


def _news(browser: Browser, api: Api, size: Size) -> list[Row]:
    """Passes that come while somebody looks."""
    chance = random.Random(8)  # noqa: S311 - plates and pauses, the same each time
    waits = []
    with window(browser) as page:
        page.goto(f"{api.url}/#/passes")
        page.evaluate("bench.first")
        page.wait_for_timeout(1000)
        arm = "(plate) => { bench.come = bench.seen(() => bench.row(plate)).then(bench.painted); }"
        for _ in range(size.news):
            plate = _plate(chance)
            page.evaluate(arm, plate)
            began = api.detect("yard", plate)
            waits.append(page.evaluate("bench.come") - began)
            page.wait_for_timeout(chance.uniform(300, 900))
    return middle("a new pass", waits, 1000, 300)
