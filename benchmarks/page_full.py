"""The page where there is very much: a day with bars and marks without end, and a million passes.
What the API would answer is made up here, and given to the browser in its place.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from playwright.sync_api import Browser, Page, Route

from benchmarks.browser import numbers, p95, window
from benchmarks.harness import Row, compare, report

DAY_MS = 86_400_000
CAMERAS = 10
TOTAL = 1_000_000
PICTURE = b'<svg xmlns="http://www.w3.org/2000/svg" width="96" height="54"/>'


@dataclass(frozen=True)
class Size:
    """How much there is, and how long it is looked at."""

    bars: int
    marks: int
    deep: int  # rows that have been scrolled through
    frames: int


WHOLE = Size(bars=10_000, marks=50_000, deep=4_000, frames=600)
QUICK = Size(bars=100, marks=500, deep=300, frames=20)


def day(browser: Browser, url: str, size: Size) -> list[Row]:
    """A full day that is zoomed and moved without a pause."""
    answer = json.dumps(_timeline(size)).encode()
    with window(browser) as page:
        page.route(
            re.compile("/v2/video/timeline"),
            lambda route: route.fulfill(body=answer, content_type="application/json"),
        )
        page.goto(f"{url}/#/timeline")
        page.locator(".rownames span", has_text=f"cam{CAMERAS - 1}").wait_for()
        page.wait_for_timeout(500)
        page.evaluate(
            """async (frames) => {
              const canvas = document.querySelector(".canvasbox > canvas");
              const box = canvas.getBoundingClientRect();
              const turn = (more) => canvas.dispatchEvent(new WheelEvent("wheel", { cancelable: true, ...more }));
              bench.draws = [];
              bench.times = [];
              for (let at = 0; at < frames; at += 1) {
                bench.times.push(await bench.frame());
                bench.draws.push(Number(canvas.dataset.drawMs));
                const share = 0.5 + 0.3 * Math.sin(at / 40);
                const place = { clientX: box.left + box.width * share, clientY: box.top + 60 + at % 400 };
                turn({ ...place, deltaY: Math.floor(at / 60) % 2 ? 40 : -40 });
                turn({ ...place, deltaY: 20 * Math.cos(at / 30), shiftKey: true });
                canvas.dispatchEvent(new PointerEvent("pointermove", place));
              }
            }""",
            size.frames,
        )
        draws = numbers(page, "bench.draws")
        gaps = numbers(page, "bench.times.slice(1).map((each, at) => each - bench.times[at])")
    case = f"timeline, {size.bars:,} bars, {size.marks:,} marks"
    return [
        report(f"{case}, drawing", "p50 ms", median(draws)),
        report(f"{case}, drawing", "p95 ms", p95(draws), "<= 16"),
        report(f"{case}, frame to frame", "p50 ms", median(gaps)),
        report(f"{case}, frame to frame", "p95 ms", p95(gaps)),
    ]


def _timeline(size: Size) -> Any:
    """Columns of a day from this midnight on."""
    midnight = int(time.time() * 1000) // DAY_MS * DAY_MS
    return {
        "from": "2026-01-01T00:00:00Z",
        "to": "2026-01-02T00:00:00Z",
        "complete": True,
        "cameras": [
            _row(f"cam{at}", midnight + at * 900, size.bars // CAMERAS, size.marks // CAMERAS)
            for at in range(CAMERAS)
        ],
    }


def _row(camera: str, from_ms: int, bars: int, marks: int) -> Any:
    starts = [from_ms + at * DAY_MS // bars for at in range(bars)]
    firsts = [from_ms + at * DAY_MS // marks for at in range(marks)]
    ids = [str(UUID(int=at)) for at in range(max(bars, marks))]
    return {
        "camera_id": camera,
        "segments": {
            "ids": ids[:bars], "start_ms": starts, "end_ms": [each + DAY_MS // bars // 2 for each in starts],
            "status": ["ready"] * bars, "protected": [at % 9 == 0 for at in range(bars)], "strip": [False] * bars,
        },
        "passes": {
            "ids": ids[:marks], "first_ms": firsts, "last_ms": [each + 3000 for each in firsts],
            "plates": [f"AB{at:05}" for at in range(marks)], "hit": [at % 50 == 0 for at in range(marks)],
            "recorded": [True] * marks,
        },
        "gaps": {"segment_ids": [], "from_ms": [], "to_ms": [], "frames": [], "cause": []},
    }  # fmt: skip


def passes(browser: Browser, url: str, size: Size) -> list[Row]:
    """A list of a million passes: its beginning, and where somebody has scrolled through many
    pages of it.
    """
    with window(browser) as page:
        page.route(re.compile(r"/v2/video/passes\?"), _answer)
        page.route(
            re.compile(r"/v2/video/passes/"),
            lambda route: route.fulfill(body=PICTURE, content_type="image/svg+xml"),
        )
        page.goto(f"{url}/#/passes")
        page.evaluate("bench.first")
        at_top = _scrolled(page, have=200, row=0, frames=size.frames)
        down = _scrolled(page, have=size.deep, row=size.deep - 100, frames=size.frames)
    case = "a million passes"
    return [
        report(case, "rows in the document", max(at_top.rows, down.rows), "<= 60"),
        report(f"{case}, at the top", "p50 ms a frame", median(at_top.work)),
        report(f"{case}, at the top", "p95 ms a frame", p95(at_top.work)),
        report(f"{case}, row {size.deep:,}", "p95 ms a frame", p95(down.work)),
        compare(
            case=f"{case}, row {size.deep:,} / at the top",
            metric="p50 ms a frame",
            ours=median(down.work),
            peer=median(at_top.work),
            target="<= 1.2",
        ),
    ]


@dataclass(frozen=True)
class Scrolled:
    """The work of each frame, from its scroll event until it is painted, and the most rows that
    were in the document.
    """

    work: list[float]
    rows: int


def _scrolled(page: Page, *, have: int, row: int, frames: int) -> Scrolled:
    """Scroll down until the list has so many rows; then up and down from `row` to the fortieth
    after it.
    """
    page.evaluate(
        """async ([have, row, frames]) => {
          const box = document.querySelector(".rows");
          const high = document.querySelector(".row.pass").offsetHeight;
          const rows = () => (bench.rows = Math.max(bench.rows ?? 0, document.querySelectorAll(".row.pass").length));
          while (box.scrollHeight < have * high) {
            box.scrollTop = box.scrollHeight;
            await bench.frame();
            rows();
          }
          bench.work = [];
          let began = null;
          document.addEventListener("scroll", () => (began ??= bench.now()), true);
          for (let at = 0; at < frames; at += 1) {
            box.scrollTop = high * (row + 40 * (1 - Math.abs(((at / 60) % 2) - 1)));
            await bench.frame();
            const from = began;
            began = null;
            const to = await bench.after();
            rows();
            if (from !== null) bench.work.push(to - from);
          }
        }""",
        [have, row, frames],
    )
    return Scrolled(numbers(page, "bench.work"), int(page.evaluate("bench.rows")))


def _answer(route: Route) -> None:
    query = parse_qs(urlsplit(route.request.url).query)
    first = int(query.get("cursor", ["0"])[0])
    limit = int(query["limit"][0])
    body = {
        "items": [_pass(at) for at in range(first, first + limit)],
        "total": TOTAL,
        "more_than_total": False,
        "next_cursor": str(first + limit),
    }
    route.fulfill(json=body)


def _pass(number: int) -> Any:
    """The pass at a place of the list, the newest first."""
    at = datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=number)
    moment = at.isoformat()
    plate = f"AB{number:06}"
    return {
        "id": str(UUID(int=number)), "camera_id": f"cam{number % CAMERAS}", "first_at": moment, "last_at": moment,
        "ended_at": moment, "dwell_seconds": 3.0, "reads": 4, "plate": plate, "read_plate": plate, "confidence": 0.9,
        "best_detection_id": f"d{number}", "best_at": moment, "attributes": {}, "recorded": True, "hit": False,
        "quiet_since": None, "corrected_plate": None, "review": None, "note": None, "variants": [], "distance": 0.0,
    }  # fmt: skip
