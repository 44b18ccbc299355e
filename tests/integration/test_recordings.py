"""Detections, windows, parts and clips on real Postgres, Redis and S3; the tests play pacer and
writers.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import LiteralString
from uuid import UUID, uuid4

import pytest

from shared.domain.errors import Conflict
from shared.domain.gaps import GapCause
from shared.domain.lifecycle import (
    PART_TRANSITIONS,
    TRANSITIONS,
    DetectionOutcome,
    PartState,
    SegmentStatus,
)
from shared.domain.media import Frame
from shared.domain.ports import Offer
from shared.wire.frames import with_pixel_aspect
from tests.support.numbers import numbers_of_clip
from tests.support.pictures import numbered_jpeg
from tests.support.recordings import Away, accept, finish, offer_clip, offer_parts
from tests.support.world import LIMITS, POLICY, World
from workers.writer.finalise import finalise
from workers.writer.lease import Lease
from workers.writer.write_part import write_part


def numbers(world: World, segment_id: UUID, folder: Path) -> list[int | None]:
    path = folder / f"{segment_id}.mp4"
    path.write_bytes(world.store.get(str(world.segments.get(segment_id).file_path)))
    return numbers_of_clip(path)[0]


def test_a_window_becomes_a_clip(world: World, tmp_path: Path) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    finish(world, "cam")
    row = world.segments.get(segment_id)
    assert row.status == "ready"
    assert numbers(world, segment_id, tmp_path) == list(range(80, 140))
    assert (row.frame_count, row.frames_lost, row.gaps) == (60, 0, ())
    assert row.pre_roll_delivered_seconds == 2
    assert row.duration_seconds == 6
    assert world.counters.stats(30).segments == 1


def test_the_same_detection_again_changes_nothing(world: World) -> None:
    """Any number of times, by any number of dispatchers at once."""
    detection = world.detection("cam", 10, "d1")
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda _: world.detections.accept([detection], None, POLICY)[0], range(12))
        )
    assert len({answer.segment_ids for answer in answers}) == 1
    assert len(world.pacing.live()) == 1
    reused = world.detection("cam", 11, "d1")
    assert world.detections.accept([reused], None, POLICY)[0].reason == "id_reused"


def test_detections_of_one_camera_from_many_dispatchers_never_overlap(world: World) -> None:
    def one(n: int) -> None:
        world.detections.accept([world.detection("cam", (n * 37) % 200, f"d{n}")], None, POLICY)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(one, range(60)))
    rows = world.database.fetch(
        "SELECT start_time, deadline, status FROM video_segments ORDER BY start_time"
    )
    assert all(a["deadline"] <= b["start_time"] for a, b in itertools.pairwise(rows))
    assert sum(row["status"] == "recording" for row in rows) <= 1
    outcomes = world.database.fetch("SELECT DISTINCT outcome FROM detections")
    assert [row["outcome"] for row in outcomes] == ["recorded"]
    unlinked = world.database.fetch(
        """
        SELECT FROM detections d
         WHERE NOT EXISTS (SELECT FROM segment_detections l WHERE l.detection_id = d.detection_id)
        """
    )
    assert not unlinked


def test_a_retroactive_detection_fills_only_what_is_missing(world: World, tmp_path: Path) -> None:
    """Late news between two clips: a clip of its own that continues one and is continued by the
    other.
    """
    world.film("cam", 0, 40)
    (first,) = accept(world, "cam", 10, "d1")
    finish(world, "cam", 20)
    (second,) = accept(world, "cam", 20, "d2")
    segments = accept(world, "cam", 15, "late")
    assert first in segments
    assert second in segments
    (between,) = set(segments) - {first, second}
    finish(world, "cam")
    assert world.segments.get(between).continues == first
    together = [n for s in (first, between, second) for n in numbers(world, s, tmp_path)]
    assert together == list(range(80, 240))
    assert world.segments.get(between).pre_roll_delivered_seconds == 2


def test_footage_that_has_left_the_buffer_is_told_once_for_all(world: World) -> None:
    late = [world.detection("cam", at, f"d{at}") for at in (1, 2, 3)]
    answers = world.detections.accept(late, world.base_ms + 30_000, POLICY)
    assert {answer.outcome for answer in answers} == {DetectionOutcome.EXPIRED}
    (row,) = world.database.fetch("SELECT * FROM video_segments")
    assert (row["status"], row["error"]) == ("failed", "buffer_expired")
    assert world.detections.accept(late, world.base_ms + 30_000, POLICY) == answers


def test_an_offer_runs_once(world: World) -> None:
    """A task delivered again, or an old offer delivered late, touches nothing."""
    world.film("cam", 0, 30)
    accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    offers = offer_parts(world)
    assert offer_parts(world) == []
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda o: write_part(o[0], o[1], world.writer), offers * 3))
    assert results.count("done") == len(offers)
    assert results.count("stale") == 2 * len(offers)


def test_a_dead_writers_part_is_made_again_and_a_zombie_commits_nothing(
    world: World, tmp_path: Path
) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    (part_id, offer), *_ = offer_parts(world)
    zombie = world.writing.begin_part(part_id, offer)
    assert zombie is not None
    world.database.execute(
        "UPDATE segment_parts SET lease_until = now() - interval '1 s' WHERE id = %s", part_id
    )
    assert world.pacing.expire_leases() == 1
    assert not world.writing.renew_part(part_id, zombie.token)
    world.database.execute("UPDATE segment_parts SET state = 'due' WHERE state = 'queued'")
    finish(world, "cam")
    assert world.status(segment_id) == "ready"
    assert numbers(world, segment_id, tmp_path) == list(range(80, 140))
    world.writing.fail_part(part_id, zombie.token, "late", retryable=False)
    assert world.status(segment_id) == "ready"


def test_five_dead_writers_make_a_gap_and_the_clip_says_so(world: World) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    for _ in range(5):
        (doomed, offer), *others = offer_parts(world)
        world.offers.withdraw_parts([Offer(*other) for other in others])
        assert world.writing.begin_part(doomed, offer) is not None
        world.database.execute(
            "UPDATE segment_parts SET lease_until = now() - interval '1 s' WHERE id = %s", doomed
        )
        world.pacing.expire_leases()
    finish(world, "cam")
    row = world.segments.get(segment_id)
    assert (row.status, row.truncated_reason) == ("ready", "writer_failed")
    assert row.frame_count == 40
    assert row.frames_lost == 20
    assert [gap.cause for gap in row.gaps] == ["writer_failed"]


def test_retryable_failures_are_no_attempts(world: World) -> None:
    world.film("cam", 0, 30)
    accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    for _ in range(8):
        (part_id, offer), *others = offer_parts(world)
        world.offers.withdraw_parts([Offer(*other) for other in others])
        run = world.writing.begin_part(part_id, offer)
        assert run is not None
        assert run.attempts == 1
        world.writing.fail_part(part_id, run.token, "storage away", retryable=True)
        waiting = world.database.fetch_one(
            "SELECT not_before > now() AS later FROM segment_parts WHERE id = %s", part_id
        )
        assert waiting == {"later": True}
        world.database.execute("UPDATE segment_parts SET not_before = NULL WHERE id = %s", part_id)


def test_frames_lost_on_the_way_are_counted_exactly(world: World, tmp_path: Path) -> None:
    """Holes in the counter, a picture that does not decode, a capture that restarted: each has its
    cause.
    """
    world.film("cam", 0, 9.5)
    world.film("cam", 10, 11, first=100)
    broken = numbered_jpeg(7)[:600] + b"\xff\xd9"
    world.frames.append(
        [
            Frame(
                camera_id="cam",
                captured_ms=world.base_ms + 11_000,
                data=broken,
                counter=110,
                run_id="run",
            )
        ],
        {"cam": LIMITS},
    )
    world.film("cam", 11.1, 12, first=111)
    restarted = [
        Frame(
            camera_id="cam",
            captured_ms=world.base_ms + 12_500 + n * 100,
            data=numbered_jpeg(n),
            counter=n,
            run_id="again",
        )
        for n in range(60)
    ]
    world.frames.append(restarted, {"cam": LIMITS})
    (segment_id,) = accept(world, "cam", 10, "d1")
    finish(world, "cam")
    row = world.segments.get(segment_id)
    lost = {gap.cause: gap.frames for gap in row.gaps}
    assert lost[GapCause.DROPPED] == 5
    assert lost[GapCause.CAPTURE_INTERRUPTED] == 5
    assert row.frames_lost == sum(lost.values())
    assert row.frame_count == len(numbers(world, segment_id, tmp_path))
    assert row.frame_count + row.frames_lost == 60


def test_a_camera_without_frames_fails_with_the_reason(world: World) -> None:
    """It never delivered: nothing was lost, and what capture says of it is told."""
    world.states.report(
        "dark", {"state": "disconnected", "error": "the camera cannot be read: TimeoutError"}
    )
    (segment_id,) = accept(world, "dark", 10, "d1")
    finish(world, "dark")
    row = world.segments.get(segment_id)
    assert (row.status, row.error, row.frames_lost) == ("failed", "no_frames", 0)
    (gap,) = row.gaps
    assert (gap.cause, gap.frames) == ("camera_silent", 0)
    assert gap.detail == "the camera cannot be read: TimeoutError"
    (event,) = world.database.fetch("SELECT body FROM outbox WHERE name = 'segment.failed'")
    assert event["body"]["segment_id"] == str(segment_id)


def test_stop_keeps_what_there_is(world: World, tmp_path: Path) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    assert world.segments.stop_recording("cam", world.base_ms + 11_000) == segment_id
    assert world.segments.stop_recording("cam", world.base_ms + 11_000) is None
    finish(world, "cam")
    assert numbers(world, segment_id, tmp_path) == list(range(80, 110))
    (second,) = set(accept(world, "cam", 10.9, "d2")) - {segment_id}
    assert world.segments.get(second).continues == segment_id


def test_two_finalisers_write_one_clip(world: World) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    for part_id, offer in offer_parts(world):
        write_part(part_id, offer, world.writer)
    _, closing = offer_clip(world)
    with ThreadPoolExecutor(3) as pool:
        results = list(pool.map(lambda _: finalise(segment_id, closing, world.writer), range(3)))
    assert sorted(results) == ["ready", "stale", "stale"]


def test_a_size_change_is_scaled_to_the_first(world: World) -> None:
    world.film("cam", 0, 10)
    larger = [
        Frame(
            camera_id="cam",
            captured_ms=world.base_ms + 10_000 + n * 100,
            data=numbered_jpeg(100 + n, 640, 360),
            counter=100 + n,
            run_id="run",
        )
        for n in range(100)
    ]
    world.frames.append(larger, {"cam": LIMITS})
    (segment_id,) = accept(world, "cam", 10, "d1")
    finish(world, "cam")
    row = world.segments.get(segment_id)
    assert (row.status, row.resolution, row.frame_count) == ("ready", "320x180", 60)


def test_while_storage_refuses_the_encoded_part_waits_and_needs_no_frames(
    world: World, tmp_path: Path
) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    broken = replace(world.writer, store=Away())
    for part_id, offer in offer_parts(world):
        assert write_part(part_id, offer, broken) == "parked"
    rows = world.database.fetch(
        "SELECT DISTINCT state, attempts, retries, parked FROM segment_parts"
    )
    assert rows == [{"state": "due", "attempts": 0, "retries": 1, "parked": True}]
    (live,) = world.pacing.live()
    assert not live.needs_frames
    assert {
        ("cam", part_id) for part_id in world.parking.parked_parts("cam")
    } == world.pacing.parked_parts()
    world.redis.delete(world.frames._keys.frames("cam"))
    world.database.execute("UPDATE segment_parts SET not_before = NULL")
    finish(world, "cam")
    assert numbers(world, segment_id, tmp_path) == list(range(80, 140))
    assert world.segments.get(segment_id).frames_lost == 0
    assert world.parking.parked_parts("cam") == []


def test_a_run_that_is_not_current_any_more_parks_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the current run has parked is not its to replace."""
    world.film("cam", 0, 30)
    accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    monkeypatch.setattr(Lease, "holds", lambda _: False)
    part_id, offer = offer_parts(world)[0]
    assert write_part(part_id, offer, replace(world.writer, store=Away())) == "lost"
    assert world.parking.parked_parts("cam") == []


def test_beyond_its_budget_a_part_is_put_off_and_its_frames_stay_held(world: World) -> None:
    world.film("cam", 0, 30)
    accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    (part_id, offer), *_ = offer_parts(world)
    broken = replace(world.writer, store=Away(), parking_bytes=lambda _: 10)
    assert write_part(part_id, offer, broken) == "retry"
    row = world.database.fetch_one(
        "SELECT state, attempts, retries, parked FROM segment_parts WHERE id = %s", part_id
    )
    assert row == {"state": "due", "attempts": 0, "retries": 1, "parked": False}
    assert world.pacing.live()[0].needs_frames


def test_packets_that_did_not_last_are_encoded_again(world: World, tmp_path: Path) -> None:
    """The frames Redis was restarted while they waited, and the frames are still there (or there
    again).
    """
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    (part_id, offer), *_ = offer_parts(world)
    assert write_part(part_id, offer, replace(world.writer, store=Away())) == "parked"
    world.parking.unpark("cam", [str(part_id)])
    world.database.execute(
        "UPDATE segment_parts SET state = 'due', not_before = NULL WHERE state <> 'done'"
    )
    finish(world, "cam")
    assert numbers(world, segment_id, tmp_path) == list(range(80, 140))


def test_a_camera_that_went_silent_ends_its_window_where_its_footage_ends(world: World) -> None:
    """So that a detection after its return is recorded anew, and not taken for covered."""
    world.film("cam", 0, 11)
    (first,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 10_900, silent=True)
    world.film("cam", 12, 30, first=120)
    segments = accept(world, "cam", 12.5, "d2")
    assert len(segments) == 2
    finish(world, "cam")
    row = world.segments.get(first)
    assert (row.status, row.truncated_reason, row.frame_count) == ("ready", "camera_silent", 30)
    (second,) = set(segments) - {first}
    after = world.segments.get(second)
    assert (after.status, after.continues) == ("ready", first)
    assert after.start_time == row.start_time + timedelta(milliseconds=2_901)
    assert after.frame_count == 45


def test_the_database_enforces_the_lifecycles(world: World) -> None:
    """Every step that the tables allow is possible, and no other."""
    world.film("cam", 0, 5)
    for status in SegmentStatus:
        for wanted in SegmentStatus:
            assert _moves(
                world=world, table="video_segments", column="status", before=status, after=wanted
            ) == (status == wanted or wanted in TRANSITIONS[status]), (status, wanted)
    for state in PartState:
        for other in PartState:
            assert _moves(
                world=world, table="segment_parts", column="state", before=state, after=other
            ) == (state == other or other in PART_TRANSITIONS[state]), (state, other)


def _moves(
    world: World, table: LiteralString, column: LiteralString, before: str, after: str
) -> bool:
    """Whether a row of a table can go from one state to another; nothing is kept."""
    world.database.execute("DELETE FROM video_segments")
    segment_id = uuid4()
    world.database.execute(
        """INSERT INTO video_segments (id, camera_id, status, file_path, start_time, deadline, covered_to, trigger_time,
               policy, codec, fps, sha256, file_size_bytes, frame_count)
           VALUES (%s, 'cam', %s, 'k', now(), now() + interval '1 s', now(), now(), '{}', 'h264', 15, 'x', 1, 1)""",
        segment_id,
        before if table == "video_segments" else "finalizing",
    )
    if table == "segment_parts":
        world.database.execute(
            """INSERT INTO segment_parts (id, segment_id, number, start_time, end_time, state)
               VALUES (%s, %s, 0, now(), now() + interval '1 s', %s)""",
            uuid4(),
            segment_id,
            before,
        )
    try:
        return world.database.execute(f"UPDATE {table} SET {column} = %s", after) == 1
    except Conflict:
        return False


def test_an_offer_is_good_until_its_run_begins_however_long_that_takes(world: World) -> None:
    """Writers were away for an hour: what the queue holds is done when they are back, and nothing
    is told twice.
    """
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    offers = offer_parts(world)
    hours_ago(world)
    assert world.offers.take_back_lost_parts(queue_empty=False) == 0
    assert offer_parts(world) == []
    assert [write_part(*offer, world.writer) for offer in offers] == ["done"] * len(offers)
    closing = offer_clip(world)
    hours_ago(world)
    assert world.offers.take_back_lost_clips(queue_empty=False) == 0
    assert world.offers.offer_clips(10) == []
    assert finalise(*closing, world.writer) == "ready"
    assert world.status(segment_id) == "ready"


def hours_ago(world: World) -> None:
    world.database.execute("UPDATE segment_parts SET offered_at = offered_at - interval '3 h'")
    world.database.execute("UPDATE video_segments SET offered_at = offered_at - interval '3 h'")


@pytest.mark.parametrize("empty", [True, False])
def test_a_message_that_can_no_longer_be_in_the_queue_is_sent_again(
    world: World, *, empty: bool
) -> None:
    """A wiped broker leaves an empty queue; a lost message is overtaken by what was offered well
    after it.
    """
    world.film("cam", 0, 30)
    accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    (lost, *others), *_ = [offer_parts(world)]
    # a moment ago: it may be on its way to its run
    assert world.offers.take_back_lost_parts(queue_empty=True) == 0
    hours_ago(world)
    if not empty:
        world.offers.withdraw_parts([Offer(*other) for other in others])
        later = offer_parts(world)[0]
        assert world.offers.take_back_lost_parts(queue_empty=False) == 0
        assert world.writing.begin_part(*later) is not None
    taken_back = world.offers.take_back_lost_parts(queue_empty=empty)
    assert taken_back == (4 if empty else 1)
    again = dict(offer_parts(world))
    assert again[lost[0]] == lost[1] + 1
    assert world.writing.begin_part(*lost) is None
    assert world.writing.begin_part(lost[0], again[lost[0]]) is not None


def test_offers_are_bounded_and_the_oldest_first(world: World) -> None:
    world.film("cam", 0, 30)
    accept(world, "cam", 10, "d1")
    world.pacing.advance("cam", world.base_ms + 30_000, silent=False)
    (live,) = world.pacing.live()
    first = world.offers.offer_parts({live.segment_id: None}, 2)
    numbers = "SELECT number FROM segment_parts WHERE id = ANY(%s) ORDER BY number"
    assert [
        row["number"] for row in world.database.fetch(numbers, [offer.row_id for offer in first])
    ] == [0, 1]
    assert world.offers.offer_parts({live.segment_id: world.base_ms + 9_000}, 10) == []
    assert len(world.offers.offer_parts({live.segment_id: world.base_ms + 30_000}, 10)) == 2


@pytest.mark.parametrize(
    ("state", "cause"),
    [
        ({}, "camera_silent"),
        ({"state": "connected", "frames": 0}, "camera_silent"),
        ({"state": "connected", "frames": 9, "last_ms": -3_600_000}, "camera_silent"),
        ({"state": "connected", "frames": 9, "last_ms": 12_000}, "buffer_expired"),
        ({"state": "disconnected", "frames": 9, "last_ms": 60_000}, "buffer_expired"),
    ],
    ids=["nobody-captures-it", "never", "before", "within", "later"],
)
def test_an_empty_buffer_is_silence_unless_the_camera_had_delivered(
    world: World, state: dict[str, str | int], cause: str
) -> None:
    """The frames may have come and gone; only then were they lost."""
    if "last_ms" in state:
        state = state | {"last_ms": world.base_ms + int(state["last_ms"])}
    if state:
        world.states.report("dark", state)
    (segment_id,) = accept(world, "dark", 10, "d1")
    finish(world, "dark")
    row = world.segments.get(segment_id)
    (gap,) = row.gaps
    assert gap.cause == cause
    assert ((row.frames_lost or 0) > 0) is (cause == "buffer_expired")


def test_pixels_that_are_not_square_reach_the_clip_and_its_fragments(
    world: World, tmp_path: Path
) -> None:
    jpegs = [with_pixel_aspect(numbered_jpeg(n), (2, 1)) for n in range(300)]
    shots = [
        Frame(
            camera_id="cam", captured_ms=world.base_ms + n * 100, data=jpeg, counter=n, run_id="run"
        )
        for n, jpeg in enumerate(jpegs)
    ]
    world.frames.append(shots, {"cam": LIMITS})
    (segment_id,) = accept(world, "cam", 10, "d1")
    finish(world, "cam")
    form = world.segments.streamed(segment_id).form
    assert form is not None
    assert form.aspect == (2, 1)
    assert numbers(world, segment_id, tmp_path) == list(range(80, 140))
    assert b"pasp" in (tmp_path / f"{segment_id}.mp4").read_bytes()
