"""The least that could record a detection, as a process: XREADGROUP, one INSERT, XACK."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import redis

from benchmarks.site import Site

STREAM, GROUP, BATCH = "bare", "bare", 200
TABLE = "CREATE TABLE bare (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"


@contextmanager
def bare_loop(place: Site) -> Iterator[None]:
    """Run the loop for the length of a block; it reads STREAM and fills the table `bare`."""
    with place.database() as rows, place.broker() as broker:
        rows.execute(TABLE)
        broker.xgroup_create(STREAM, GROUP, "0", mkstream=True)
    process = multiprocessing.get_context("spawn").Process(
        target=_loop, args=(place.addresses.broker, place.addresses.database), daemon=True
    )
    process.start()
    try:
        yield
    finally:
        process.terminate()
        process.join()
        with place.database() as rows, place.broker() as broker:
            rows.execute("DROP TABLE bare")
            broker.delete(STREAM)


def _loop(broker_url: str, database_url: str) -> None:
    broker: redis.Redis = redis.Redis.from_url(broker_url, protocol=2)
    with psycopg.connect(database_url, autocommit=True) as rows:
        while True:
            found: Any = broker.xreadgroup(GROUP, "one", {STREAM: ">"}, count=BATCH, block=1000)
            for _, messages in found or []:
                for identifier, fields in messages:
                    rows.execute("INSERT INTO bare (name) VALUES (%s)", [fields[b"json"].decode()])
                    broker.xack(STREAM, GROUP, identifier)
