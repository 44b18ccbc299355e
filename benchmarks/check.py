"""The consistency check over a million segments, against listing every object and reading every row
alone.
"""

from __future__ import annotations

import json
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg

from benchmarks.harness import Row, compare, report
from benchmarks.segments import fill
from benchmarks.site import site
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.storage.files import FileObjects
from shared.adapters.video.av_video import AvVideo
from shared.domain.timing import from_ms
from tests.support.jobs import check
from workers.consistency.ports import CheckPorts
from workers.consistency.sentinel import claim_store

COUNT, FOLD_BATCH = 1_000_000, 100_000
LONGEST_SECONDS, LARGEST_MEGABYTES = 900, 300


def run(*, quick: bool) -> list[Row]:
    """Seconds and memory of one check; a clip and a picture a segment, one orphan and one lost clip
    among them.
    """
    count = 300 if quick else COUNT
    with site("cameras: {}\n") as place, place.database() as rows, TemporaryDirectory() as folder:
        fill(rows, count, last_at=from_ms(SystemClock().now_ms()).isoformat())
        root = Path(folder)
        _objects(rows, root)
        url = place.addresses.database
        ours = _apart(lambda: _check(url, root))
        bare = _apart(lambda: _bare(url, root))
    findings = ours["answer"]["findings"]
    if {kind: each["found"] for kind, each in findings.items()} != {"orphan": 1, "missing": 1}:
        raise RuntimeError(f"the check says {ours['answer']}")
    return [
        compare(f"{count:,} segments", "seconds", ours["seconds"], bare["seconds"]),
        report(
            f"{count:,} segments", "seconds of the check", ours["seconds"], f"<= {LONGEST_SECONDS}"
        ),
        report(f"{count:,} segments", "MB of memory", ours["megabytes"], f"<= {LARGEST_MEGABYTES}"),
    ]


def _objects(rows: psycopg.Connection[dict[str, Any]], root: Path) -> None:
    """Files of the recorded sizes that take no room, an hour old and older; one too many, and one
    too few.
    """
    last = ""  # page by page: the measured process begins with our memory
    with rows.transaction(), rows.cursor("keys") as found:
        found.execute("SELECT file_path, thumbnail_path, file_size_bytes FROM video_segments")
        for row in found:
            last = _file(root, row)
    (root / last).rename(root / "videos" / "2000-01-01.mp4")


def _file(root: Path, row: dict[str, Any]) -> str:
    """The files of one row; the key of its clip."""
    for key, size in ((row["file_path"], row["file_size_bytes"]), (row["thumbnail_path"], 1)):
        path = root / key
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
        with path.open("wb") as out:
            out.truncate(size)
    return str(row["file_path"])


def _check(url: str, root: Path) -> dict[str, Any]:
    store, database = FileObjects(root), Database(url, max_size=2)
    database.open()
    rows, counters = PostgresConsistencyRows(database), PostgresCounterRows(database)
    claim_store(store, rows)
    while counters.fold(FOLD_BATCH) == FOLD_BATCH:
        continue
    ports = CheckPorts(
        rows=rows,
        counters=counters,
        store=store,
        video=AvVideo(),
        jobs=PostgresJobRows(database),
        clock=SystemClock(),
        age_floor_s=-3600.0,
    )
    answer = check(ports, {"repair": False})
    database.close()
    return answer


def _bare(url: str, root: Path) -> dict[str, Any]:
    """The least that any check must do."""
    objects = sum(
        1 for prefix in ("videos/", "thumbnails/") for _ in FileObjects(root).walk(prefix)
    )
    with psycopg.connect(url) as connection, connection.cursor(name="rows") as rows:
        rows.itersize = 1000
        rows.execute("SELECT id, file_path, file_size_bytes FROM video_segments ORDER BY file_path")
        return {"objects": objects, "rows": sum(1 for _ in rows)}


def _apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run in a process of its own; its answer, seconds of the wall, and the most memory it had."""
    read, write = os.pipe()
    began = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            answer = work()
            megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
            with os.fdopen(write, "w", encoding="utf-8") as out:
                json.dump({"answer": answer, "megabytes": megabytes}, out)
            status = 0
        finally:
            os._exit(status)
    os.close(write)
    with os.fdopen(read, encoding="utf-8") as source:
        told = source.read()
    if os.waitpid(pid, 0)[1] != 0:
        raise RuntimeError("the measured work failed")
    return {**json.loads(told), "seconds": time.perf_counter() - began}
