"""The API at a million segments: each answer against its own SQL sent by psycopg alone, and
downloads against the S3 server that has the clips.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode

import psycopg
import urllib3

from benchmarks import nginx
from benchmarks.harness import Row, compare, report
from benchmarks.segments import fill
from benchmarks.site import Site, site, wait_for
from platereel.embedded.processes import free_ports
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.storage.address import parse_storage_url
from shared.adapters.storage.opening import open_store
from shared.domain.ports import Order, SegmentFilter
from shared.domain.segment import Segment
from shared.domain.timing import from_ms, to_ms

COUNT, ROUNDS, LIMIT = 1_000_000, 21, 20
CLIP_BYTES, RANGE_BYTES, LINK_SECONDS = 64_000_000, 4_000_000, 3600.0
PREFIX = "/v2/video"


def run(*, quick: bool) -> list[Row]:
    """Milliseconds of a request and of its SQL; megabytes a second of a download."""
    count, rounds, clip_bytes = (2_000, 3, 2_000_000) if quick else (COUNT, ROUNDS, CLIP_BYTES)
    (port,) = free_ports(1)
    with site(f"api: {{port: {port}}}\ncameras: {{}}\n") as place, place.database() as rows:
        fill(rows, count, last_at=from_ms(SystemClock().now_ms()).isoformat())
        database = Database(place.addresses.database, max_size=1)
        database.open()
        PostgresCounterRows(database).fold(10**9)
        place.run("api", "api")
        client = urllib3.PoolManager(maxsize=1)
        base = f"http://127.0.0.1:{port}"
        wait_for("the API", lambda: _alive(client, base), every_s=0.1)
        try:
            answers = _lists(
                client=client, base=base, database=database, count=count, rounds=rounds
            )
            return [
                *answers,
                *_downloads(
                    place=place, client=client, base=base, rows=rows, how=(clip_bytes, rounds)
                ),
            ]
        finally:
            database.close()


def _alive(client: urllib3.PoolManager, base: str) -> bool:
    try:
        return client.request("GET", f"{base}/readyz", retries=False, timeout=5).status == 200  # noqa: PLR2004 - OK
    except urllib3.exceptions.HTTPError:
        return False


def _lists(
    client: urllib3.PoolManager, base: str, database: Database, count: int, rounds: int
) -> list[Row]:
    videos, counters = PostgresSegmentRows(database), PostgresCounterRows(database)
    middle = videos.search(
        where=SegmentFilter(), limit=1, offset=count // 2, cursor=None, order=Order.NEWEST
    ).items[0]
    deep = videos.search(
        where=SegmentFilter(), limit=LIMIT, offset=count // 2, cursor=None, order=Order.NEWEST
    ).next_cursor
    plate = str(middle.plates[0])
    hour = {
        "from": middle.start_time.isoformat(),
        "to": from_ms(_ms(middle) + 3_600_000).isoformat(),
    }

    def listed(
        where: SegmentFilter,
        offset: int = 0,
        cursor: str | None = None,
        order: Order = Order.NEWEST,
    ) -> Callable[[], object]:
        return lambda: videos.search(
            where=where, limit=LIMIT, offset=offset, cursor=cursor, order=order
        )

    cases: list[tuple[str, dict[str, Any], Callable[[], object], str | None]] = [
        ("first page", {}, listed(SegmentFilter()), None),
        ("one camera", {"camera_id": "cam7"}, listed(SegmentFilter(camera_id="cam7")), None),
        ("one hour", hour, listed(SegmentFilter(from_ms=_ms(middle), to_ms=_ms(middle) + 3_600_000)), None),
        ("deep page, cursor", {"cursor": deep}, listed(SegmentFilter(), cursor=deep), None),
        ("deep page, offset", {"offset": count // 2}, listed(SegmentFilter(), count // 2), None),
        ("plate", {"plate": plate}, listed(SegmentFilter(plate=plate)), "<= 50"),
        ("plate, wildcard", {"plate": f"*{plate[1:]}"}, listed(SegmentFilter(plate=f"*{plate[1:]}")), "<= 50"),
        (
            "plate, near misses", {"plate": plate, "fuzzy": "true"},
            listed(SegmentFilter(plate=plate, fuzzy=True), order=Order.NEAREST), "<= 50",
        ),
    ]  # fmt: skip
    rows: list[Row] = []
    measured: dict[str, float] = {}
    for name, query, sql, target in cases:
        measured[name], alone = _in_turn(
            _getter(client, f"{base}{PREFIX}/segments?{urlencode(query)}"), sql, rounds
        )
        rows.append(compare(name, "ms", measured[name], alone))
        if target is not None:
            rows.append(report(name, "ms, p50", measured[name], target))
    detection = str(middle.detection_ids)
    for name, path, sql in (
        (
            "by detection",
            f"by-detection/{detection}",
            lambda: videos.by_detection(str(middle.camera_id), detection),
        ),
        ("stats", "stats", lambda: counters.stats(30)),
    ):
        rows.append(
            compare(name, "ms", *_in_turn(_getter(client, f"{base}{PREFIX}/{path}"), sql, rounds))
        )
    first = measured["first page"]
    deep_pages = ("deep page, cursor", "deep page, offset")
    return rows + [
        compare(
            case=f"{name} / first page",
            metric="ms",
            ours=measured[name],
            peer=first,
            target="<= 1.2",
        )
        for name in deep_pages
    ]


def _ms(row: Segment) -> int:
    return to_ms(row.start_time)


def _getter(client: urllib3.PoolManager, url: str, **headers: str) -> Callable[[], object]:
    def get() -> None:
        answer = client.request("GET", url, headers=headers, retries=False, timeout=30)
        if answer.status not in {200, 206}:
            raise RuntimeError(f"{url}: {answer.status}")

    return get


def _in_turn(
    ours: Callable[[], object], peer: Callable[[], object], rounds: int
) -> tuple[float, float]:
    """Medians in milliseconds, after one round that warms both."""
    spent: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(rounds + 1):
        for name, work in (("ours", ours), ("peer", peer)):
            began = time.perf_counter()
            work()
            spent[name].append((time.perf_counter() - began) * 1000)
    return median(spent["ours"][1:]), median(spent["peer"][1:])


def _downloads(
    place: Site,
    client: urllib3.PoolManager,
    base: str,
    rows: psycopg.Connection[dict[str, Any]],
    how: tuple[int, int],
) -> list[Row]:
    """The same bytes from the API, which reads them from S3, and from that S3 server itself; and
    from nginx, which has them on its disk, where there is one.

    how: bytes of the clip, rounds.
    """
    size, rounds = how
    row = rows.execute(
        """
        UPDATE video_segments SET file_size_bytes = %s WHERE id = (SELECT id FROM video_segments LIMIT 1)
        RETURNING id, file_path
        """,
        [size],
    ).fetchone()
    if row is None:
        raise RuntimeError("there is no segment")
    root = place.folder / "served"
    root.mkdir()
    clip: Path = root / "clip.mp4"
    clip.write_bytes(os.urandom(size))
    own = place.addresses.storage
    open_store(own, SystemClock()).put(row["file_path"], clip, "video/mp4")
    public = f"http://{parse_storage_url(own).endpoint}"  # type: ignore[union-attr]
    signing = open_store(own, SystemClock(), public_url=public)
    direct = signing.presigned(row["file_path"], LINK_SECONDS, "clip.mp4", "video/mp4")
    peers: dict[str, tuple[str, tuple[str | None, str | None]]] = {
        "": (str(direct), (">= 0.8", ">= 0.6"))
    }
    url = f"{base}{PREFIX}/segments/{row['id']}/download"
    with ExitStack() as stack:
        if nginx.available():
            served = stack.enter_context(nginx.serving(root, place.folder / "nginx"))
            peers[" / nginx"] = (f"{served}/clip.mp4", (None, None))
        return [
            row
            for name, (peer, targets) in peers.items()
            for row in _download(client, (url, peer), name, targets, (size, rounds))
        ]


def _download(
    client: urllib3.PoolManager,
    urls: tuple[str, str],
    name: str,
    targets: tuple[str | None, str | None],
    how: tuple[int, int],
) -> list[Row]:
    """Megabytes a second of the whole clip and of a range, ours and the peer's in turn."""
    size, rounds = how
    length = min(RANGE_BYTES, size // 2)
    found: list[Row] = []
    for case, headers, sent, target in (
        ("download", {}, size, targets[0]),
        ("download, range", {"Range": f"bytes={length}-{2 * length - 1}"}, length, targets[1]),
    ):
        own, other = (_getter(client, url, **headers) for url in urls)
        ours, theirs = _in_turn(own, other, rounds)
        found.append(
            compare(
                case=f"{case}{name}",
                metric="MB/s",
                ours=sent / ours / 1000,
                peer=sent / theirs / 1000,
                target=target,
            )
        )
    return found
