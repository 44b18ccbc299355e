"""Finding plates at a million passes and ten million detections: each answer of the API, and a CSV
of everything in bounded memory.
"""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median
from typing import Any
from urllib.parse import urlencode

import urllib3

from benchmarks.harness import Row, compare, report
from benchmarks.reads import RARE, fill
from benchmarks.site import Site, site, wait_for
from platereel.embedded.processes import free_ports
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.passes import PostgresPassRows
from shared.domain.found_passes import FoundPass
from shared.domain.ports import PassFilter, ReadOrder
from shared.domain.timing import from_ms

PASSES, ROUNDS, LIMIT, CSV_ROWS = 1_000_000, 15, 20, 300_000
PREFIX, OK = "/v2/video", 200
HALF = 0.5


def run(*, quick: bool) -> list[Row]:
    """Milliseconds of an answer; rows a second and megabytes of a CSV."""
    passes, rounds, lines = (2_000, 3, 2_000) if quick else (PASSES, ROUNDS, CSV_ROWS)
    (port,) = free_ports(1)
    with site(f"api: {{port: {port}}}\ncameras: {{}}\n") as place, place.database() as rows:
        fill(rows, passes, last_at=from_ms(SystemClock().now_ms()).isoformat())
        place.run("api", "api")
        client, base = urllib3.PoolManager(maxsize=1), f"http://127.0.0.1:{port}"
        wait_for("the API", lambda: _alive(client, base), every_s=0.1)
        database = Database(place.addresses.database, max_size=1)
        database.open()
        try:
            middle = _middle(PostgresPassRows(database), passes)
        finally:
            database.close()
        found = _lists(client, base, middle, rounds)
        return [*found, *_csv(place, client, base, lines)]


def _alive(client: urllib3.PoolManager, base: str) -> bool:
    try:
        return client.request("GET", f"{base}/readyz", retries=False, timeout=5).status == OK
    except urllib3.exceptions.HTTPError:
        return False


def _middle(rows: PostgresPassRows, passes: int) -> FoundPass:
    """A pass of the middle of the year."""
    half = SystemClock().now_ms() - round(HALF * 365 * 86_400_000)
    page = rows.search(PassFilter(to_ms=half), 1, None, ReadOrder.NEWEST)
    if not page.items:
        raise RuntimeError(f"nothing is in the middle of {passes} passes")
    return page.items[0]


def _lists(client: urllib3.PoolManager, base: str, middle: FoundPass, rounds: int) -> list[Row]:
    plate = str(middle.plate)
    hour = {
        "from": middle.first_at.isoformat(),
        "to": (middle.first_at + timedelta(hours=1)).isoformat(),
    }
    before = {"to": middle.first_at.isoformat(), "limit": LIMIT}
    rare = {"attribute.alarm": "true"}
    asked: list[tuple[str, str, dict[str, Any], str | None]] = [
        ("passes, first page", "passes", {}, "<= 50"),
        ("passes, one camera", "passes", {"camera_id": "cam7"}, "<= 50"),
        ("passes, one hour", "passes", hour, "<= 50"),
        ("passes, plate", "passes", {"plate": plate}, "<= 50"),
        ("passes, wildcard", "passes", {"plate": f"*{plate[1:]}"}, "<= 50"),
        ("passes, wide wildcard", "passes", {"plate": f"{plate[:2]}*"}, "<= 50"),
        ("passes, near misses", "passes", {"plate": plate, "fuzzy": "true"}, "<= 50"),
        ("passes, common attribute", "passes", {"attribute.color": "white"}, "<= 50"),
        (f"passes, one of {RARE:,}", "passes", rare, "<= 50"),
        ("passes, attribute and plate", "passes", {"attribute.color": "red", "plate": f"{plate[:3]}*"}, "<= 50"),
        ("detections, first page", "detections", {}, "<= 50"),
        ("detections, plate", "detections", {"plate": plate}, "<= 50"),
        ("detections, wildcard", "detections", {"plate": f"*{plate[1:]}"}, "<= 50"),
        ("detections, near misses", "detections", {"plate": plate, "fuzzy": "true"}, "<= 50"),
        ("detections, outcome", "detections", {"outcome": "below_threshold"}, "<= 50"),
        ("detections, rare attribute", "detections", rare, "<= 50"),
        ("plate by days", f"plates/{plate}", {}, "<= 50"),
        ("one pass", f"passes/{middle.id}", {}, "<= 50"),
    ]  # fmt: skip
    rows = []
    for case, path, query, target in asked:
        rows.append(report(case, "p50 ms", _ask(client, base, path, query, rounds)[0], target))
    for what in ("passes", "detections"):
        first_ms, _ = _ask(client, base, what, before, rounds)
        _, cursor = _ask(client, base, what, {"limit": LIMIT}, 1)
        deep = _deep(client, base, what, cursor)
        deep_ms, _ = _ask(client, base, what, before | {"cursor": deep}, rounds)
        rows.append(compare(f"{what}, deep page", "p50 ms", deep_ms, first_ms, "<= 1.2"))
    return rows


def _deep(client: urllib3.PoolManager, base: str, what: str, cursor: str | None) -> str | None:
    """Returns the cursor of a page some thousand further on."""
    for _ in range(50):
        _, further = _ask(client, base, what, {"limit": 100, "cursor": cursor}, 1)
        cursor = further or cursor
    return cursor


def _ask(
    client: urllib3.PoolManager, base: str, path: str, query: dict[str, Any], rounds: int
) -> tuple[float, str | None]:
    """Returns the median (ms) of an answer, and where it goes on."""
    given = {key: value for key, value in query.items() if value is not None}
    url = f"{base}{PREFIX}/{path}?{urlencode(given)}"
    taken, body = [], {}
    for _ in range(rounds + 1):
        began = time.perf_counter()
        answer = client.request("GET", url)
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status != OK:
            raise RuntimeError(f"{url} answered {answer.status}: {answer.data[:200]!r}")
        body = answer.json()
    return median(taken[1:] or taken), body.get("next_cursor")


def _csv(place: Site, client: urllib3.PoolManager, base: str, lines: int) -> list[Row]:
    """The first lines of everything; and the memory that the API takes for it."""
    rows = []
    for what in ("passes", "detections"):
        before, read = place.rss_bytes("api"), 0
        began = time.perf_counter()
        answer = client.request(
            "GET", f"{base}{PREFIX}/{what}", headers={"Accept": "text/csv"}, preload_content=False
        )
        for piece in answer.stream(1 << 16):
            read += piece.count(b"\n")
            if read >= lines:
                break
        taken = time.perf_counter() - began
        answer.close()
        rows.append(report(f"{what} as CSV", "rows a second", read / taken, ">= 20000"))
        rows.append(
            report(f"{what} as CSV", "MB more", (place.rss_bytes("api") - before) / 1e6, "<= 64")
        )
    return rows
