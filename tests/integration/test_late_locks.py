"""Who gets a lock late sees what its last holder has written, and who must not wait does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from psycopg import sql

from shared.adapters.postgres import read_counters
from shared.adapters.postgres.acceptance import ask, record
from shared.adapters.postgres.database import Database, connect
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.history import purge_reads
from shared.adapters.postgres.invitations import PostgresInvitationRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.plate_mentions import erase_notes
from shared.domain.job import JobKind
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.plate_lists import ListKind
from shared.domain.plate_mentions import ERASED, PlateMentions
from shared.domain.ports import CameraBatch
from shared.domain.retention import ReadsKept
from tests.support.at_once import AT_ONCE, at_once, beside
from tests.support.lists import Lists
from tests.support.rows import ready
from tests.support.waiting import WAIT_SECONDS
from tests.support.world import POLICY, World

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


def test_a_detection_of_two_segments_goes_with_the_second(world: World) -> None:
    """Two cleanups delete a segment each, at once."""
    ready(world, "cam1", -20 * 86_400.0, ["AB1"])
    ready(world, "cam1", -19 * 86_400.0, ["AB2"])
    world.database.execute(
        """
        INSERT INTO segment_detections (segment_id, detection_id, camera_id, offset_ms)
        SELECT s.id, d.detection_id, d.camera_id, 0 FROM video_segments s CROSS JOIN detections d
            ON CONFLICT DO NOTHING
        """
    )
    world.database.execute("UPDATE video_segments SET status = 'expiring'")
    world.database.execute(
        "UPDATE video_segments SET status = 'expired', expired_at = now() - interval '2 days'"
    )
    kept = ReadsKept(10)
    with world.database.transaction() as connection:
        assert purge_reads(connection, kept, 1) == 1
        other = beside(world.database, lambda: world.retention.purge_reads(kept, 1))
    assert other.result(WAIT_SECONDS) == 3
    assert world.database.fetch("SELECT FROM detections") == []


def test_counters_are_corrected_once(world: World) -> None:
    world.detections.accept([world.detection("cam1", 10, "d")], None, POLICY)
    world.counters.fold(1000)
    world.database.execute("UPDATE read_counters SET number = number + 5")
    with world.database.transaction() as connection:
        read_counters.recount(connection)
        other = beside(world.database, world.counters.recount)
    other.result(WAIT_SECONDS)
    assert world.counters.differences() == []


def test_one_link_makes_the_first_key(world: World) -> None:
    rows = PostgresInvitationRows(world.database)
    at_once(lambda: rows.invite_first(60, "up"))
    assert len(world.database.fetch("SELECT FROM invitations")) == 1


def test_a_note_that_is_written_while_its_plate_is_erased_stays_without_it(world: World) -> None:
    world.detections.accept([world.detection("cam1", 10, "d")], None, POLICY)
    world.database.execute("UPDATE passes SET note = 'AB123CD came'")
    mentions = PlateMentions("AB123CD")

    def erase() -> None:
        with world.database.transaction() as connection:
            erase_notes(connection, mentions)

    with world.database.transaction() as connection:
        connection.execute("UPDATE passes SET note = 'AB123CD came and went'")
        other = beside(world.database, erase)
    other.result(WAIT_SECONDS)
    assert world.database.fetch("SELECT note FROM passes") == [{"note": f"{ERASED} came and went"}]


def test_a_pass_that_somebody_changes_is_closed_later(world: World) -> None:
    """With the hit that is being written, and nobody waits."""
    world.detections.accept([world.detection("cam1", 10, "d")], None, POLICY)
    passes = world.passes.open_passes()
    with world.database.transaction() as connection:
        connection.execute("UPDATE passes SET hit = true")
        closed = beside(world.database, lambda: world.passes.close_passes(passes))
        assert closed.done()
        assert closed.result() == 0
    assert world.passes.close_passes(passes) == 1
    rows = world.database.fetch("SELECT body->'hit' AS hit FROM outbox WHERE name = 'pass.closed'")
    assert rows == [{"hit": True}]


def seen_by(lists: Lists, camera_id: str, at_s: float) -> CameraBatch:
    detection = replace(lists.world.detection(camera_id, at_s, camera_id), plate="AB123CD")
    matches = {detection.detection_id: lists.known.of(detection)}
    return CameraBatch(camera_id=camera_id, detections=[detection], policy=POLICY, matches=matches)


@pytest.mark.parametrize("rear_s", [10.0, 10.05, 9.95])
def test_of_two_cameras_that_see_a_plate_at_once_one_alerts(world: World, rear_s: float) -> None:
    """Two dispatchers have a camera each, and the list cools down. Nobody waits."""
    lists = Lists(world)
    lists.make("stolen", ListKind.WATCH, "AB123CD", cool_down_seconds=60)
    first, second = seen_by(lists, "front", 10), seen_by(lists, "rear", rear_s)
    other = CameraBatch(
        camera_id="yard", detections=[world.detection("yard", 10, "yard")], policy=POLICY
    )
    with world.database.transaction() as connection:
        record(connection, ask(connection, [first]), [first])
        meanwhile = beside(
            world.database, lambda: list(world.detections.accept_all([second, other]))
        )
        assert meanwhile.done()
        assert meanwhile.result() == ["yard"]
    assert list(world.detections.accept_all([second])) == ["rear"]
    (alert,) = lists.told()
    assert alert["camera_id"] == "front"
    hits = world.database.fetch("SELECT alerted FROM pass_hits ORDER BY alerted")
    assert [row["alerted"] for row in hits] == [False, True]


def test_a_camera_alone_waits_for_its_plate(world: World) -> None:
    lists = Lists(world)
    lists.make("stolen", ListKind.WATCH, "AB123CD", cool_down_seconds=60)
    first, second = seen_by(lists, "front", 10), seen_by(lists, "rear", 10)
    with world.database.transaction() as connection:
        record(connection, ask(connection, [first]), [first])
        waiting = beside(
            world.database,
            lambda: world.detections.accept(
                second.detections, None, POLICY, matches=second.matches
            ),
        )
        assert not waiting.done()
    (answer,) = waiting.result(WAIT_SECONDS)
    assert answer.outcome is DetectionOutcome.RECORDED
    assert len(lists.told()) == 1
