"""What becomes of runs that fail, in the rows: charged, put off, given up, and counted under the
row's lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from uuid import UUID

import pytest

from shared.adapters.postgres import database as database_module
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.writer import PostgresWriterRows
from shared.domain.ports import Offer
from shared.domain.retry import MAX_ATTEMPTS
from tests.support.waiting import WAIT_SECONDS, wait_until
from tests.support.world import POLICY, World
from workers.writer.write_part import write_part


def offered_parts(world: World) -> list[Offer]:
    """Record one event and offer all of its parts, as a pacer does."""
    world.film("cam", 0, 30)
    (answer,) = world.detections.accept([world.detection("cam", 10, "d1")], None, POLICY)
    world.pacing.advance("cam", world.base_ms + 1_000_000, silent=False)
    return world.offers.offer_parts(dict.fromkeys(answer.segment_ids), 1000)


def due_part(world: World) -> UUID:
    """A part that a writer can take."""
    return offered_parts(world)[0].row_id


def run_of(world: World, part_id: UUID) -> str:
    """Begin a run of the part; its token."""
    world.database.execute(
        "UPDATE segment_parts SET state = 'queued' WHERE id = %s AND state = 'due'", part_id
    )
    row = world.database.fetch_one("SELECT offer FROM segment_parts WHERE id = %s", part_id)
    assert row is not None
    run = world.writing.begin_part(part_id, row["offer"])
    assert run is not None
    return run.token


def counts(world: World, part_id: UUID) -> tuple[str, int, int, str | None]:
    row = world.database.fetch_one(
        "SELECT state, attempts, retries, error FROM segment_parts WHERE id = %s", part_id
    )
    assert row is not None
    return row["state"], row["attempts"], row["retries"], row["error"]


def not_before_ms(world: World, part_id: UUID) -> int:
    row = world.database.fetch_one(
        """
        SELECT (extract(epoch FROM not_before) * 1000)::bigint AS not_before_ms
          FROM segment_parts WHERE id = %s
        """,
        part_id,
    )
    assert row is not None
    return int(row["not_before_ms"])


@contextmanager
def puts_off(world: World, part_id: UUID, pause_s: int) -> Iterator[None]:
    """What the block does puts the part off by so long, however long the block takes."""
    began_ms = world.database.now_ms()
    yield
    at_ms = not_before_ms(world, part_id) - pause_s * 1000
    assert began_ms <= at_ms <= world.database.now_ms()


def test_a_part_that_fails_five_times_is_a_gap(world: World) -> None:
    part_id = due_part(world)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        token = run_of(world, part_id)
        with puts_off(world, part_id, 1) if attempt < MAX_ATTEMPTS else nullcontext():
            world.writing.fail_part(part_id, token, "poisonous", retryable=False)
        state, attempts, retries, error = counts(world, part_id)
        assert (attempts, retries) == (attempt, 0)
        if attempt < MAX_ATTEMPTS:
            assert (state, error) == ("due", "poisonous")
    assert (state, error) == ("gap", "writer_failed")


def test_a_part_that_is_put_off_waits_longer_each_time(world: World) -> None:
    part_id = due_part(world)
    for retries, pause_s in enumerate((1, 2, 4, 8, 15, 15), 1):
        token = run_of(world, part_id)
        with puts_off(world, part_id, pause_s):
            world.writing.fail_part(part_id, token, "storage away", retryable=True)
        assert counts(world, part_id) == ("due", 0, retries, "storage away")


def test_a_lease_that_ran_out_is_charged_and_tried_again_at_once(world: World) -> None:
    part_id = due_part(world)
    run_of(world, part_id)
    world.database.execute(
        "UPDATE segment_parts SET lease_until = now() - interval '1 s' WHERE id = %s", part_id
    )
    assert world.pacing.expire_leases() == 1
    assert counts(world, part_id) == ("due", 1, 0, "lease_expired")
    assert not_before_ms(world, part_id) <= world.database.now_ms()


def finalising(world: World) -> UUID:
    for part in offered_parts(world):
        assert write_part(part.row_id, part.number, world.writer) == "done"
    (clip,) = world.offers.offer_clips(10)
    return clip.row_id


def begun(world: World, segment_id: UUID) -> str:
    world.database.execute("UPDATE video_segments SET offered_at = now() WHERE id = %s", segment_id)
    row = world.database.fetch_one("SELECT offer FROM video_segments WHERE id = %s", segment_id)
    assert row is not None
    run = world.writing.begin_finalise(segment_id, row["offer"])
    assert run is not None
    return run.token


@pytest.mark.parametrize(
    ("dies", "cause"), [(False, "the disk is full"), (True, "finalise_failed")]
)
def test_a_segment_that_cannot_be_finalised_fails_after_five_attempts(
    world: World, dies: bool, cause: str
) -> None:
    segment_id = finalising(world)
    world.writing.fail_finalise(segment_id, begun(world, segment_id), "away", retryable=True)
    for attempt in range(1, MAX_ATTEMPTS + 1):
        assert world.status(segment_id) == "finalizing"
        token = begun(world, segment_id)
        if dies:
            world.database.execute("UPDATE video_segments SET lease_until = now() - interval '1 s'")
            assert world.pacing.expire_leases() == 1
        else:
            world.writing.fail_finalise(segment_id, token, "the disk is full", retryable=False)
        row = world.database.fetch_one(
            "SELECT attempts, retries FROM video_segments WHERE id = %s", segment_id
        )
        assert row == {"attempts": attempt, "retries": 1}
    assert (world.status(segment_id), world.segments.get(segment_id).error) == ("failed", cause)
    events = world.database.fetch("SELECT body FROM outbox WHERE name = 'segment.failed'")
    assert [event["body"]["error"] for event in events] == [cause]


@pytest.fixture
def patient(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """The world's database, which gives nobody up who waits for a lock."""
    monkeypatch.setattr(database_module, "TRANSACTION_SECONDS", WAIT_SECONDS)
    monkeypatch.setitem(
        database_module._CONNECT, "options", f"-c lock_timeout={WAIT_SECONDS:g}s -c timezone=UTC"
    )
    database = Database(world.database.url, patience_s=WAIT_SECONDS)
    database.open()
    yield database
    database.close()


def test_the_counts_are_read_under_the_rows_lock(world: World, patient: Database) -> None:
    """A run ends while another transaction holds its row: what that one leaves is what is
    counted.
    """
    part_id = due_part(world)
    token = run_of(world, part_id)
    writing = PostgresWriterRows(patient)
    ending = threading.Thread(
        target=lambda: writing.fail_part(part_id, token, "poisonous", retryable=False),
        daemon=True,
    )
    with patient.transaction() as connection:
        connection.execute(
            "UPDATE segment_parts SET attempts = %s WHERE id = %s", [MAX_ATTEMPTS, part_id]
        )
        ending.start()
        waiting = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        # outside: a transaction sees the same activity till its end
        wait_until("somebody waits for the row", lambda: world.database.fetch(waiting), 60)
    ending.join(WAIT_SECONDS)
    assert counts(world, part_id) == ("gap", MAX_ATTEMPTS, 0, "writer_failed")


def test_one_run_that_ends_twice_is_counted_once(world: World) -> None:
    """The pacer takes its lease back and the writer says that it failed, at one moment."""
    part_id = due_part(world)
    for _ in range(3):
        token = run_of(world, part_id)
        before = counts(world, part_id)
        world.database.execute(
            "UPDATE segment_parts SET lease_until = now() - interval '1 s' WHERE id = %s", part_id
        )
        both = [
            threading.Thread(target=world.pacing.expire_leases, daemon=True),
            threading.Thread(
                target=lambda token=token: world.writing.fail_part(
                    part_id, token, "away", retryable=True
                ),
                daemon=True,
            ),
        ]
        for thread in both:
            thread.start()
        for thread in both:
            thread.join(20)
        state, attempts, retries, _ = counts(world, part_id)
        assert state == "due"
        assert (attempts, retries) in {(before[1], before[2]), (before[1] - 1, before[2] + 1)}
