"""Retention: expired segments cleaned up, rows and objects, against deleting the same keys and rows
alone.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
from minio import Minio

from benchmarks.harness import ROUNDS, Row, compare, report
from benchmarks.segments import fill
from benchmarks.site import site
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.pictures import PostgresPictureRows
from shared.adapters.postgres.retention import PostgresRetentionRows
from shared.adapters.storage.address import parse_storage_url
from shared.adapters.storage.opening import open_store
from shared.domain.ports import ObjectStore
from shared.domain.retention import RetentionPolicy
from shared.domain.timing import from_ms
from tests.support.jobs import cleanup
from workers.retention.parts import PartsPorts
from workers.retention.ports import CleanupPorts

# so many segments a round, and how many rounds
SIZES = ((10_000, ROUNDS), (100_000, 1))
AT_ONCE, UPLOADS = 1000, 8
OLD_DAYS = 40


def run(*, quick: bool) -> list[Row]:
    """Segments a second; half of them are cleaned up, half are deleted bare, in turn."""
    sizes = ((100, 1), (50, 1)) if quick else SIZES
    count = sum(2 * size * rounds for size, rounds in sizes)
    with site("cameras: {}\n") as place, place.database() as rows:
        store = open_store(place.addresses.storage, SystemClock())
        before = from_ms(SystemClock().now_ms() - OLD_DAYS * 86_400_000)
        fill(rows, count, last_at=before.isoformat())
        _upload(rows, place.addresses.storage)
        database = Database(place.addresses.database, max_size=2)
        database.open()
        try:
            PostgresCounterRows(database).fold(10**9)
            compared = [
                _rounds(rows=rows, database=database, store=store, size=size, rounds=rounds)
                for size, rounds in sizes
            ]
            wrong = len(PostgresCounterRows(database).differences())
            return [*compared, report("what is left", "wrong counters", wrong, "<= 0")]
        finally:
            database.close()


def _upload(rows: psycopg.Connection[dict[str, Any]], url: str) -> None:
    """A clip for every row, and no picture; tiny, for what is measured is their number."""
    rows.execute("UPDATE video_segments SET thumbnail_path = NULL")
    address = parse_storage_url(url)
    if isinstance(address, Path):
        raise TypeError("this benchmark measures an S3 server")
    client = Minio(
        address.endpoint,
        address.access_key,
        address.secret_key,
        secure=address.secure,
        region=address.region,
    )
    found = rows.execute("SELECT file_path FROM video_segments")
    with ThreadPoolExecutor(UPLOADS) as pool:
        while batch := list(islice(found, AT_ONCE)):
            keys = [row["file_path"] for row in batch]
            list(
                pool.map(
                    lambda key: client.put_object(address.bucket, key, BytesIO(b"clip"), 4), keys
                )
            )


def _rounds(
    rows: psycopg.Connection[dict[str, Any]],
    database: Database,
    store: ObjectStore,
    size: int,
    rounds: int,
) -> Row:
    """Ours and the bare way in turn, on as many segments each."""
    ours, peer = [], []
    for _ in range(rounds):
        rows.execute("UPDATE video_segments SET protected = true WHERE status = 'ready'")
        rows.execute(
            """
            UPDATE video_segments SET protected = false WHERE id IN (
                SELECT id FROM video_segments WHERE status = 'ready' ORDER BY end_time LIMIT %s)
            """,
            [size],
        )
        began = time.perf_counter()
        result = cleanup(_ports(database, store), {})
        ours.append(size / (time.perf_counter() - began))
        if (result["archived"], result["deleted"], result["failed"]) != (size, size, 0):
            raise RuntimeError(f"the cleanup says {result}")
        peer.append(size / _bare(rows, store, size))
    return compare(
        case=f"{size} a round",
        metric="segments per s",
        ours=median(ours),
        peer=median(peer),
        target=">= 0.8",
    )


def _ports(database: Database, store: ObjectStore) -> CleanupPorts:
    parts = PartsPorts(rows=PostgresConsistencyRows(database), store=store, kept_s=0.0)
    return CleanupPorts(
        pictures=PostgresPictureRows(database),
        rows=PostgresRetentionRows(database),
        counters=PostgresCounterRows(database),
        store=store,
        jobs=PostgresJobRows(database),
        clock=SystemClock(),
        policy=RetentionPolicy(),
        grace_s=0.0,
        parts=parts,
    )


def _bare(rows: psycopg.Connection[dict[str, Any]], store: ObjectStore, size: int) -> float:
    """Seconds to delete the oldest: their objects, a thousand keys a request, and their rows, a
    statement a request.
    """
    chosen = rows.execute(
        "SELECT id, file_path FROM video_segments WHERE status = 'ready' ORDER BY end_time LIMIT %s",
        [size],
    ).fetchall()
    began = time.perf_counter()
    for at in range(0, size, AT_ONCE):
        batch = chosen[at : at + AT_ONCE]
        store.delete([row["file_path"] for row in batch])
        rows.execute(
            "DELETE FROM video_segments WHERE id = ANY(%s)", [[row["id"] for row in batch]]
        )
    return time.perf_counter() - began
