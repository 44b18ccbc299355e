"""Who gets a lock late sees what its last holder has written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

import pytest
from psycopg import sql

from shared.adapters.postgres.acceptance import ask, record
from shared.adapters.postgres.database import Database, connect
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.domain.job import JobKind
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.plate_lists import ListKind
from shared.domain.ports import CameraBatch
from tests.support.lists import Lists
from tests.support.waiting import WAIT_SECONDS, wait_until
from tests.support.world import POLICY, World

AT_ONCE = 4
Answer = TypeVar("Answer")
# Locks of everybody who connects from now on come after up to a tenth of a second.
_LATE = """
CREATE SCHEMA late;
CREATE FUNCTION late.pg_try_advisory_xact_lock(key bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(random() * 0.1);
    RETURN pg_catalog.pg_try_advisory_xact_lock(key);
END $$;
CREATE FUNCTION late.pg_advisory_xact_lock(key bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_sleep(random() * 0.1);
    PERFORM pg_catalog.pg_advisory_xact_lock(key);
END $$;
"""


@pytest.fixture
def late(world: World) -> Iterator[Database]:
    name = urlsplit(world.database.url).path.lstrip("/")
    with connect(world.database.url) as connection:
        connection.execute(_LATE)
        connection.execute(
            sql.SQL("ALTER DATABASE {} SET search_path = late, pg_catalog, public").format(
                sql.Identifier(name)
            )
        )
    database = Database(world.database.url, max_size=AT_ONCE, patience_s=WAIT_SECONDS)
    database.open()
    yield database
    database.close()


def at_once(ask_for: Callable[[], Answer]) -> list[Answer]:
    together = threading.Barrier(AT_ONCE)

    def one(_: int) -> Answer:
        together.wait(WAIT_SECONDS)
        return ask_for()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def test_a_turn_is_taken_once(late: Database) -> None:
    jobs = PostgresJobRows(late)
    taken = at_once(lambda: jobs.begin_turn(JobKind.CLEANUP, 60))
    assert sum(each is not None for each in taken) == 1


def test_a_night_is_taken_once(late: Database, world: World) -> None:
    jobs, since_ms = PostgresJobRows(late), world.base_ms
    taken = at_once(lambda: jobs.begin_nightly(JobKind.BACKUP, since_ms))
    assert sum(each is not None for each in taken) == 1


def test_a_missed_turn_is_made_up_once(late: Database, world: World) -> None:
    world.database.execute("UPDATE deployment SET created_at = now() - interval '3 min'")
    jobs = PostgresJobRows(late)
    offered = at_once(lambda: jobs.due({JobKind.CLEANUP: 60}))
    assert sum(map(len, offered)) == 1
    rows = world.database.fetch("SELECT FROM jobs")
    assert len(rows) == 1


def test_a_detection_that_waited_is_concluded_once(late: Database, world: World) -> None:
    """By several dispatchers that have it, and none of them meets an error."""
    detection = world.detection("cam1", 10, "d")
    world.detections.publish(detection)
    batch = CameraBatch(camera_id="cam1", detections=[detection], policy=POLICY)
    dispatchers = PostgresDetectionRows(late)
    answers = [found for found in at_once(lambda: dispatchers.accept_all([batch])) if found]
    assert answers
    assert {each.outcome for found in answers for each in found["cam1"]} == {
        DetectionOutcome.RECORDED
    }
    passes = world.database.fetch("SELECT reads FROM passes")
    assert [row["reads"] for row in passes] == [1]


def test_a_new_detection_is_stored_once(late: Database, world: World) -> None:
    """The others see it, and need no second try."""
    batch = CameraBatch(
        camera_id="cam1", detections=[world.detection("cam1", 10, "d")], policy=POLICY
    )
    dispatchers = PostgresDetectionRows(late)
    answers = [found for found in at_once(lambda: dispatchers.accept_all([batch])) if found]
    assert len({found["cam1"][0].segment_ids for found in answers}) == 1


def test_of_two_cameras_that_see_a_plate_at_once_one_alerts(world: World) -> None:
    """Two dispatchers have a camera each, and the list cools down."""
    lists = Lists(world)
    lists.make("stolen", ListKind.WATCH, "AB123CD", cool_down_seconds=60)

    def seen_by(camera_id: str) -> CameraBatch:
        detection = replace(world.detection(camera_id, 10, camera_id), plate="AB123CD")
        matches = {detection.detection_id: lists.known.of(detection)}
        return CameraBatch(
            camera_id=camera_id, detections=[detection], policy=POLICY, matches=matches
        )

    def somebody_waits() -> bool:
        return bool(world.database.fetch("SELECT FROM pg_locks WHERE NOT granted"))

    first, second = seen_by("front"), seen_by("rear")
    with ThreadPoolExecutor(1) as pool:
        with world.database.transaction() as connection:
            record(connection, ask(connection, [first]), [first])
            other = pool.submit(world.detections.accept_all, [second])
            wait_until("the second camera", lambda: other.done() or somebody_waits())
        assert list(other.result(WAIT_SECONDS)) == ["rear"]
    (alert,) = lists.told()
    assert alert["camera_id"] == "front"
    hits = world.database.fetch("SELECT alerted FROM pass_hits ORDER BY alerted")
    assert [row["alerted"] for row in hits] == [False, True]
