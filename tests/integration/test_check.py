"""The check on real rows and objects: what it finds, what it mends, and where it stops."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.jobs import MOST_DEATHS
from shared.adapters.postgres.offers import PostgresOfferRows
from shared.adapters.postgres.retention import PostgresRetentionRows
from shared.domain.errors import Conflict, Retryable
from shared.domain.job import STALE_SECONDS, Job, JobKind
from shared.domain.ports import Progress
from shared.wire.keys import SENTINEL
from tests.support.jobs import check, checking, cleanup, clip, counted, ports, recount
from tests.support.recordings import Away, accept, finish, offer_parts
from tests.support.world import POLICY, World
from workers.consistency import check as check_module
from workers.consistency.sentinel import claim_store
from workers.consistency.tasks import turn
from workers.part_objects import clear_parts
from workers.process.job_turn import Step, take_turn
from workers.writer.write_part import write_part


def made(world: World, camera: str = "cam", at_s: float = 10) -> UUID:
    """A READY clip of real frames, whose parts are still there."""
    world.film(camera, at_s - 3, at_s + 8)
    (segment_id,) = accept(world, camera, at_s, f"{camera}-{at_s}")
    finish(world, camera)
    assert world.status(segment_id) == "ready"
    return segment_id


def refinish(world: World) -> None:
    """What pacer and writer do after the check has sent something back."""
    finish(world, "nobody")


def found(report: dict[str, Any]) -> dict[str, tuple[int, int]]:
    return {kind: (each["found"], each["repaired"]) for kind, each in report["findings"].items()}


def test_a_sound_store_is_clean_twice(world: World) -> None:
    made(world)
    for _ in range(2):
        report = check(checking(world, age_floor_s=3600), {"deep": True})
        assert (report["clean"], report["objects"], report["clips"]) == (True, 8, 1)


def test_objects_that_no_row_expects_go_when_they_are_old_enough(world: World) -> None:
    clip(world, "a", 1)
    world.store.put(f"parts/{uuid4()}/00000-dead.h264", b"x", "application/octet-stream")
    report = check(checking(world), {})
    assert (report["objects"], found(report), report["clean"]) == (2, {"orphan": (1, 0)}, False)
    assert found(check(checking(world, age_floor_s=3600), {"repair": True})) == {}
    assert found(check(checking(world), {"repair": True})) == {"orphan": (1, 1)}
    assert check(checking(world), {})["clean"]


def test_a_lost_clip_is_made_again_from_its_parts_with_the_same_bytes(world: World) -> None:
    segment_id = made(world)
    row = world.segments.get(segment_id)
    before = world.store.get(row.file_path)
    world.store.delete([row.file_path])
    assert found(check(checking(world), {"repair": True, "regular": True})) == {"missing": (1, 1)}
    assert world.status(segment_id) == "finalizing"
    assert counted(world) == recount(world) == {"segments": 0, "bytes": 0}
    refinish(world)
    assert world.store.get(row.file_path) == before
    assert world.segments.get(segment_id).sha256 == row.sha256
    assert counted(world) == recount(world)


def test_the_cleanup_notices_a_lost_clip_before_it_lets_the_parts_go(world: World) -> None:
    kept, lost = made(world), made(world, "other")
    world.store.delete([world.segments.get(lost).file_path])
    result = cleanup(ports(world), {})
    assert (result["parts_settled"], result["reopened"]) == (1, 1)
    assert not list(world.store.walk(f"parts/{kept}/"))
    refinish(world)
    assert world.status(lost) == "ready"
    assert cleanup(ports(world), {})["parts_settled"] == 1
    assert not list(world.store.walk("parts/"))


def test_without_parts_only_a_person_says_that_a_clip_is_gone(world: World) -> None:
    segment_id = clip(world, "a", 1)
    path = str(world.segments.get(segment_id).file_path)
    world.store.delete([path])
    assert found(check(checking(world), {"repair": True, "regular": True})) == {"missing": (1, 0)}
    assert world.status(segment_id) == "ready"
    report = check(checking(world), {"repair": True})
    assert (found(report), report["findings"]["missing"]["examples"]) == (
        {"missing": (1, 1)},
        [path],
    )
    row = world.segments.get(segment_id)
    assert (row.status, row.error) == ("failed", "object_missing")
    assert counted(world) == recount(world)
    assert check(checking(world), {})["clean"]


def test_deep_reads_every_clip_back(world: World) -> None:
    whole, other = made(world), made(world, "other")
    path = str(world.segments.get(other).file_path)
    data = bytearray(world.store.get(path))
    data[len(data) // 2] ^= 0xFF
    world.store.put(path, bytes(data), "video/mp4")
    assert check(checking(world), {})["clean"]
    assert found(check(checking(world), {"deep": True})) == {"damaged": (1, 0)}
    assert found(check(checking(world), {"deep": True, "repair": True})) == {"damaged": (1, 1)}
    refinish(world)
    assert check(checking(world), {"deep": True})["clean"]
    assert world.status(whole) == "ready"


def test_a_clip_of_another_size_is_found(world: World) -> None:
    path = str(world.segments.get(clip(world, "a", 1)).file_path)
    world.store.put(path, b"short", "video/mp4")
    assert found(check(checking(world), {})) == {"wrong_size": (1, 0)}


def test_an_abandoned_recording_is_finished_from_the_parts_it_has(world: World) -> None:
    """Everything died in the middle: two parts are stored, the rest of the frames are gone."""
    world.film("cam", 7, 12)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 12_000, silent=False)
    for part_id, offer in offer_parts(world):
        assert write_part(part_id, offer, world.writer) == "done"
    world.redis.delete(world.frames._keys.frames("cam"))
    assert check(checking(world, age_floor_s=3600), {})["clean"]
    assert found(check(checking(world), {})) == {"unfinished": (1, 0)}
    assert found(check(checking(world), {"repair": True})) == {"unfinished": (1, 1)}
    refinish(world)
    row = world.segments.get(segment_id)
    assert (row.status, row.truncated_reason, row.frame_count) == ("ready", "abandoned", 40)


def test_while_a_pacer_looks_no_recording_is_abandoned(world: World) -> None:
    """Writers are away for hours, or the footage is of long ago: the pacer goes on with all of
    it.
    """
    accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    offer_parts(world)
    world.database.execute("UPDATE video_segments SET updated_at = now() - interval '2 h'")
    world.pacing.expire_leases()
    assert check(checking(world, 30), {"repair": True})["clean"]
    world.database.execute("UPDATE deployment SET paced_at = now() - interval '2 h'")
    assert found(check(checking(world, 30), {"repair": True})) == {"unfinished": (1, 1)}


def test_an_abandoned_recording_without_a_frame_fails_and_says_why(world: World) -> None:
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    check(checking(world), {"repair": True})
    refinish(world)
    row = world.segments.get(segment_id)
    assert (row.status, row.error) == ("failed", "no_frames")
    assert check(checking(world), {})["clean"]


def test_a_failed_segment_with_footage_gets_another_chance_and_not_for_ever(world: World) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    for part_id, offer in offer_parts(world):
        write_part(part_id, offer, world.writer)
    world.database.execute("UPDATE video_segments SET status = 'failed', error = 'finalise_failed'")
    assert found(check(checking(world), {"repair": True, "regular": True})) == {"failed": (1, 1)}
    refinish(world)
    assert world.segments.get(segment_id).frame_count == 60
    world.database.execute("UPDATE video_segments SET status = 'finalizing', repairs = 9")
    world.database.execute("UPDATE video_segments SET status = 'failed'")
    assert check(checking(world), {"repair": True})["clean"]


def test_a_failed_segment_whose_time_another_took_stays_failed(world: World) -> None:
    world.film("cam", 0, 30)
    (first,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    for part_id, offer in offer_parts(world):
        write_part(part_id, offer, world.writer)
    world.database.execute("UPDATE video_segments SET status = 'failed', error = 'finalise_failed'")
    accept(world, "cam", 10, "d2")
    assert found(check(checking(world, 3600), {"repair": True})) == {"failed": (1, 0)}
    assert world.status(first) == "failed"


def test_parts_that_nobody_let_go_and_deletions_that_nobody_finished(world: World) -> None:
    segment_id, deleted = made(world), clip(world, "a", 1)
    world.segments.archive(deleted, "me")
    world.database.execute(
        "UPDATE video_segments SET updated_at = now() - interval '2 h', archived_at = archived_at - interval '2 h'"
    )
    report = check(checking(world, 3600), {"repair": True})
    assert found(report) == {"leftover_parts": (1, 1), "half_deleted": (1, 0)}
    assert not list(world.store.walk(f"parts/{segment_id}/"))
    assert cleanup(ports(world), {})["deleted"] == 1
    assert check(checking(world), {})["clean"]


def test_leftover_parts_of_a_clip_that_is_lost_are_what_it_is_made_of(world: World) -> None:
    """The cleanup was away for hours, and the store lost the clip meanwhile."""
    segment_id = made(world)
    row = world.segments.get(segment_id)
    world.store.delete([row.file_path])
    world.database.execute("UPDATE video_segments SET updated_at = now() - interval '2 h'")
    report = check(checking(world, 3600), {"repair": True})
    assert found(report) == {"leftover_parts": (1, 0), "missing": (1, 1)}
    refinish(world)
    assert world.segments.get(segment_id).sha256 == row.sha256


def test_an_check_stops_before_it_gives_up_more_than_half(world: World) -> None:
    for n in range(30):
        world.store.put(f"videos/2026-01-01/{uuid4()}_{n}.mp4", b"x", "video/mp4")
    report = check(checking(world), {"repair": True})
    assert "30 of 30 objects" in report["stopped"][0]
    assert found(report) == {"orphan": (30, 0)}
    assert len(list(world.store.walk("videos/"))) == 30


def test_clips_are_not_given_up_when_half_of_them_are_missing(world: World) -> None:
    clips = [clip(world, f"cam{n}", 1) for n in range(20)]
    world.store.delete([str(world.segments.get(each).file_path) for each in clips[:11]])
    report = check(checking(world), {"repair": True})
    assert "11 of 20 clips" in report["stopped"][0]
    assert {world.status(each) for each in clips} == {"ready"}


def test_a_store_of_another_database_and_one_of_nobody_are_refused(world: World) -> None:
    refused = checking(world)
    claim_store(world.store, world.consistency)
    world.store.put(SENTINEL, str(uuid4()).encode(), "text/plain")
    with pytest.raises(Conflict, match="another database"):
        check(refused, {"repair": True})
    world.store.delete([SENTINEL])
    with pytest.raises(Conflict, match="is it the right one"):
        check(refused, {"repair": True})


def test_a_store_that_is_away_is_no_finding(world: World) -> None:
    segment_id = clip(world, "a", 1)
    with pytest.raises(Exception, match="does not answer"):
        check(replace(checking(world), store=Away()), {"repair": True})
    assert world.status(segment_id) == "ready"


def test_an_check_says_how_far_it_is(world: World) -> None:
    made(world)
    said: list[tuple[str, int, int]] = []
    check(checking(world), {}, lambda *now: said.append(now))
    assert ("clips", 1, 1) in said
    assert said[0][0] == "objects"


def test_a_policy_of_another_version_is_read(world: World) -> None:
    """Old rows and newer ones: unknown keys are ignored, missing ones take their default."""
    segment_id = made(world)
    world.database.execute(
        "UPDATE video_segments SET policy = policy - 'codec' || '{\"tomorrow\": 1}'::jsonb"
    )
    world.database.execute("UPDATE video_segments SET status = 'finalizing', offered_at = NULL")
    refinish(world)
    assert world.status(segment_id) == "ready"
    assert POLICY.codec == "h264"


class Forgetful:
    """A store that says for a while that it has no such object; everything else is passed on."""

    def __init__(self, store: Any, absent: int) -> None:
        self._store, self._absent = store, absent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def head(self, key: str) -> Any:
        self._absent -= 1
        return None if self._absent >= 0 else self._store.head(key)

    def walk(self, prefix: str, after: str = "") -> Any:
        return () if prefix == "videos/" else self._store.walk(prefix, after)


def test_a_clip_is_looked_at_again_right_before_it_is_given_up(world: World) -> None:
    """It was missing when the check came by, and is there again when the check would act."""
    segment_id = clip(world, "a", 1)
    forgetful: Any = Forgetful(world.store, absent=1)
    report = check(replace(checking(world), store=forgetful), {"repair": True})
    assert (found(report), report["clean"]) == ({}, True)
    assert world.status(segment_id) == "ready"
    gone: Any = Forgetful(world.store, absent=9)
    assert found(check(replace(checking(world), store=gone), {"repair": True})) == {
        "missing": (1, 1)
    }
    assert world.status(segment_id) == "failed"


def test_parts_that_are_going_make_no_clip_and_parts_of_a_clip_in_the_making_stay(
    world: World,
) -> None:
    """Whoever lets parts go and whoever sends their clip back to be made: one of them finds that it
    came too late.
    """
    kept, gone = made(world), made(world, "other")
    assert world.consistency.reopen(kept, "object_missing")
    assert not clear_parts(kept, world.consistency, world.store)
    assert len(list(world.store.walk(f"parts/{kept}/"))) == 4
    assert world.consistency.forget_parts(gone)
    assert not world.consistency.reopen(gone, "object_missing")
    assert world.status(gone) == "ready"


@pytest.mark.parametrize("params", [{}, {"repair": True}, {"repair": True, "deep": True}])
def test_a_check_that_stops_after_every_bite_comes_to_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, params: dict[str, bool]
) -> None:
    """A step begins where the one before stopped, in another process: nothing is left out, nothing
    counted twice.
    """
    monkeypatch.setattr(check_module, "BATCH", 3)
    monkeypatch.setattr(check_module, "MEND_BATCH", 1)
    lost = [clip(world, f"lost{n}", 1) for n in range(3)]
    for n in range(9):
        clip(world, f"cam{n}", 1)
        world.store.put(f"videos/2026-01-01/{uuid4()}_{n}.mp4", b"x", "video/mp4")
    for segment_id in lost:
        world.store.delete([str(world.segments.get(segment_id).file_path)])
    steps, cursor = 0, None
    while True:
        step = check_module.check(
            checking(world), params, cursor=json.loads(json.dumps(cursor)), longest_s=-1
        )
        steps, cursor = steps + 1, step.cursor
        if cursor is None:
            break
    repaired = 1 if params.get("repair") else 0
    expected = {"orphan": (9, 9 * repaired), "missing": (3, 3 * repaired)}
    if params.get("deep"):
        expected["damaged"] = (9, 9)  # zeros are no clip
    assert found(step.result) == expected
    assert (step.result["objects"], step.result["clips"]) == (18, 12)
    assert steps > 9
    assert world.database.fetch("SELECT FROM check_suspects") == []


def test_a_job_ends_on_any_error_and_its_kind_goes_on(world: World) -> None:
    for error in (
        SoftTimeLimitExceeded(),
        MemoryError(),
        ValueError("unexpected"),
        Conflict("another database"),
    ):

        def fails(*_: object, error: Exception = error) -> Step:
            raise error

        with pytest.raises(type(error)):
            take_turn(
                jobs=world.jobs,
                clock=world.clock,
                kind=JobKind.CHECK,
                job_id=None,
                period_s=0,
                work=fails,
            )
    rows = world.database.fetch("SELECT state, error FROM jobs ORDER BY requested_at")
    assert [row["state"] for row in rows] == ["failed"] * 4
    assert [row["error"] for row in rows] == [
        "a step took too long",
        "MemoryError",
        "ValueError",
        "another database",
    ]


@pytest.mark.parametrize(
    "error", [Retryable("the store is away"), SystemExit("the worker is told to stop")]
)
def test_what_passes_puts_a_step_off_and_not_for_ever(world: World, error: BaseException) -> None:
    """Hours of work are not thrown away for a deploy, or for a store that hiccups."""
    take_turn(
        jobs=world.jobs,
        clock=world.clock,
        kind=JobKind.CHECK,
        job_id=None,
        period_s=0,
        work=lambda *_: Step({}, {"at": 1}),
    )
    (job,) = world.jobs.due({})

    def fails(*_: object) -> Step:
        raise error

    for attempt in range(MOST_DEATHS):
        with pytest.raises(type(error)):
            take_turn(
                jobs=world.jobs,
                clock=world.clock,
                kind=JobKind.CHECK,
                job_id=str(job.job_id),
                period_s=0,
                work=fails,
            )
        assert world.jobs.due({}) == []  # not at once
        world.database.execute("UPDATE jobs SET offered_at = now() - interval '1 min'")
        again = world.jobs.due({})
        assert [each.cursor for each in again] == ([{"at": 1}] if attempt < MOST_DEATHS - 1 else [])
    assert world.jobs.get(job.job_id).state == "failed"


class Jumping(SystemClock):
    """A host that stands still for some time."""

    stood_s = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.stood_s


@pytest.mark.parametrize(
    "end", [Step({}, {"at": 9}), Step({"objects": 9}), Retryable("away"), ValueError("why")]
)
def test_a_worker_that_stood_too_long_writes_nothing_into_anothers_job(
    world: World, end: Step | Exception
) -> None:
    clock = Jumping()

    def stands(job: Job, tell: Progress) -> Step:
        clock.stood_s = STALE_SECONDS
        world.database.execute("UPDATE jobs SET started_at = now() - interval '301 s'")
        (again,) = world.jobs.due({})
        assert world.jobs.begin(again.job_id) is not None
        tell("looking", 9, 0)
        if isinstance(end, Exception):
            raise end
        return end

    with suppress(Retryable, ValueError):
        take_turn(
            jobs=world.jobs,
            clock=clock,
            kind=JobKind.CHECK,
            job_id=None,
            period_s=0,
            work=stands,
        )
    (row,) = world.database.fetch("SELECT state, cursor, result, progress FROM jobs")
    assert row == {"state": "running", "cursor": None, "result": None, "progress": None}


def test_a_worker_that_tells_how_far_it_is_keeps_its_job(world: World) -> None:
    clock = Jumping()

    def long(job: Job, tell: Progress) -> Step:
        for done in range(3):
            clock.stood_s += STALE_SECONDS / 2
            tell("looking", done, 0)
        return Step({"objects": 7})

    take_turn(jobs=world.jobs, clock=clock, kind=JobKind.CHECK, job_id=None, period_s=0, work=long)
    (row,) = world.database.fetch("SELECT state, progress->'done' AS done FROM jobs")
    assert row == {"state": "done", "done": 2}


def test_a_job_of_many_steps_is_offered_until_it_is_done(world: World) -> None:
    """And meanwhile neither beat nor the pacer begins a second one of its kind."""
    take_turn(
        jobs=world.jobs,
        clock=world.clock,
        kind=JobKind.CHECK,
        job_id=None,
        period_s=0,
        work=lambda *_: Step({}, {"at": 1}),
    )
    assert world.jobs.begin_turn(JobKind.CHECK, 0) is None
    (job,) = world.jobs.due({JobKind.CHECK: 0.0})
    assert (job.cursor, job.regular) == ({"at": 1}, True)
    seen: list[Job] = []

    def last(job: Job, _: object) -> Step:
        seen.append(job)
        return Step({"objects": 7})

    take_turn(
        jobs=world.jobs,
        clock=world.clock,
        kind=JobKind.CHECK,
        job_id=str(job.job_id),
        period_s=0,
        work=last,
    )
    assert seen[0].cursor == {"at": 1}
    row = world.jobs.get(job.job_id)
    assert (row.state, row.result) == ("done", {"objects": 7})
    assert world.jobs.begin_turn(JobKind.CHECK, 0) is not None


def test_a_job_whose_workers_die_over_it_ends(world: World) -> None:
    job = world.jobs.begin_turn(JobKind.CHECK, 0)
    assert job is not None
    for death in range(MOST_DEATHS):
        world.database.execute("UPDATE jobs SET started_at = now() - interval '10 min'")
        offered = world.jobs.due({})
        assert len(offered) == (0 if death == MOST_DEATHS - 1 else 1)
        assert (world.jobs.begin(job.job_id) is None) == (death == MOST_DEATHS - 1)
    assert world.jobs.get(job.job_id).error == "its workers died over it"


def test_without_beat_the_pacers_turn_repairs_too(world: World) -> None:
    world.store.put(f"parts/{uuid4()}/00000-dead.h264", b"x", "application/octet-stream")
    world.database.execute("UPDATE deployment SET created_at = now() - interval '3 h'")
    (job,) = world.jobs.due({JobKind.CHECK: 60})
    turn(checking(world), str(job.job_id))
    result = world.jobs.get(job.job_id).result
    assert result is not None
    assert result["findings"]["orphan"]["repaired"] == 1


def test_every_statement_of_a_check_has_an_index(world: World) -> None:
    """With tables read in order forbidden, none is: at a million rows each look-up by key would
    take a second.
    """
    made(world)
    clip(world, "old", 1)
    database = Database(world.database.url, max_size=1)
    database.open()
    rows, retention = PostgresConsistencyRows(database), PostgresRetentionRows(database)
    try:
        database.execute("SET enable_seqscan = off")
        before = scans(database)
        rows.expected(["videos/a", "thumbnails/b", "strips/d", "parts/c"])
        rows.ready_clips("", None, 10)
        rows.ready_clips("", "videos/z", 10)
        rows.ready_clip("videos/a")
        rows.ready_strips("", None, 10)
        rows.ready_strips("", "strips/z", 10)
        rows.has_strip("strips/a")
        rows.forget_strip("strips/a")
        rows.half_deleted(1)
        rows.unfinished(1)
        rows.failed_with_parts(3)
        PostgresOfferRows(database).take_back_lost_parts(queue_empty=False)
        PostgresOfferRows(database).offer_parts({uuid4(): None}, 10)
        retention.oldest(
            camera_id="cam", before_ms=world.base_ms, after=None, limit=10, attributes=None
        )
        assert scans(database) == before
    finally:
        database.close()


def scans(database: Database) -> dict[str, int]:
    """How often each of the large tables was read from end to end."""
    database.fetch("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
    rows = database.fetch(
        """
        SELECT relname, seq_scan FROM pg_stat_user_tables
         WHERE relname IN ('video_segments', 'segment_parts', 'detections', 'segment_detections')
        """
    )
    return {row["relname"]: row["seq_scan"] for row in rows}
