"""Detections that come late, on real rows: the windows of a punctual reader, and no clip a read."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.dispatch.wiring import build as build_dispatch
from shared.adapters.postgres.windows import apply
from shared.domain.errors import Retryable
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.policy import RecordingPolicy
from shared.domain.recording import Lengthened
from shared.domain.timing import to_ms
from tests.support.recordings import finish, offer_parts
from tests.support.world import POLICY, World
from workers.writer.write_part import write_part

LATE = RecordingPolicy(
    buffer_seconds=2, post_event_seconds=3, part_seconds=2, fps=10, capture_fps=10
)


def read(world: World, at_s: float, now_s: float, name: str | None = None) -> list[UUID]:
    """A detection of a frame at one moment that comes when the newest frame is of another."""
    detection = world.detection("cam", at_s, name or f"d{at_s}")
    (answer,) = world.detections.accept(
        [detection], world.base_ms, LATE, world.base_ms + round(now_s * 1000)
    )
    assert answer.outcome is DetectionOutcome.RECORDED
    return list(answer.segment_ids)


def tick(world: World, now_s: float, *, silent: bool = False, still_s: float = 0.0) -> None:
    world.pacing.advance(
        "cam", world.base_ms + round(now_s * 1000), silent=silent, still_ms=round(still_s * 1000)
    )


def windows(world: World) -> list[tuple[float, float, str]]:
    rows = world.database.fetch(
        "SELECT start_time, deadline, status FROM video_segments ORDER BY start_time"
    )
    return [
        (
            (to_ms(row["start_time"]) - world.base_ms) / 1000,
            (to_ms(row["deadline"]) - world.base_ms) / 1000,
            row["status"],
        )
        for row in rows
    ]


@pytest.mark.parametrize("lag_s", [0, 8, 18])
def test_an_event_that_is_read_late_is_one_recording(world: World, lag_s: float) -> None:
    for tenth in range(100, 200, 5):
        tick(world, tenth / 10 + lag_s)
        read(world, tenth / 10, tenth / 10 + lag_s)
    assert windows(world) == [(8, 22.5, "recording")]
    tick(world, 22.4 + lag_s)
    assert windows(world) == [(8, 22.5, "recording")]
    tick(world, 22.5 + lag_s)
    assert windows(world) == [(8, 22.5, "finalizing")]


def test_the_parts_of_a_late_recording_are_as_long_as_anybodys(world: World) -> None:
    for tenth in range(100, 200, 5):
        tick(world, tenth / 10 + 18)
        read(world, tenth / 10, tenth / 10 + 18)
    tick(world, 100)
    lengths = world.database.fetch(
        "SELECT extract(epoch FROM end_time - start_time)::float8 AS s FROM segment_parts"
    )
    assert len(lengths) <= 9
    assert sum(row["s"] for row in lengths) == 14.5


def test_a_policy_of_short_holds_waits_no_longer_than_its_frames_are_held(world: World) -> None:
    short = RecordingPolicy(
        buffer_seconds=2, post_event_seconds=3, part_seconds=2, hold_cap_seconds=15
    )
    now_ms = world.base_ms + 50_000
    world.detections.accept([world.detection("cam", 10, "d")], world.base_ms, short, now_ms)
    assert world.pacing.live()[0].late_ms == short.most_late_ms == 10_000


def test_silence_is_over_when_a_detection_came_after_it_was_judged(world: World) -> None:
    """The camera came back, and the detection's window grew, between the pacer's look and its turn
    with the lock.
    """
    world.film("cam", 0, 3)
    read(world, 2, 2.9, "first")
    (seen,) = world.pacing.live()
    watermark_ms = world.frames.bounds(["cam"])["cam"].newest_ms
    world.film("cam", 4, 20, first=40)
    segments = read(world, 4.5, 5, "second")
    world.pacing.advance(
        "cam", watermark_ms, silent=True, still_ms=9_000, deadline_ms=seen.deadline_ms
    )
    assert windows(world) == [(0, 7.5, "recording")]
    assert segments == [seen.segment_id]
    (now,) = world.pacing.live()
    world.pacing.advance(
        "cam", watermark_ms, silent=True, still_ms=9_000, deadline_ms=now.deadline_ms
    )
    assert [status for _, _, status in windows(world)] == ["finalizing"]


def test_a_camera_that_falls_silent_is_waited_for_as_long_as_its_reader_is_late(
    world: World,
) -> None:
    read(world, 10, 28)
    tick(world, 28, silent=True, still_s=2.9)
    assert windows(world) == [(8, 13, "recording")]
    read(world, 12, 28)
    tick(world, 28, silent=True, still_s=5)
    assert windows(world) == [(8, 15, "finalizing")]


def test_late_reads_of_before_another_recording_are_one_clip(world: World) -> None:
    """Two dispatchers share what came while they stood: the newer half opens the recording, the
    older comes after.
    """
    read(world, 50, 60)
    for tenth in range(100, 300, 2):
        read(world, tenth / 10, 60)
    (start, end, status), (_, _, newest) = windows(world)
    assert (start, status, newest) == (8, "finalizing", "recording")
    assert 32 <= end <= 32.8
    assert world.offers.offer_clips(10) == []
    parts = world.database.fetch(
        "SELECT start_time, end_time FROM segment_parts ORDER BY start_time"
    )
    assert all(a["end_time"] == b["start_time"] for a, b in itertools.pairwise(parts))
    links = world.database.fetch("SELECT count(*) AS n FROM segment_detections GROUP BY segment_id")
    assert max(row["n"] for row in links) == 100


def written_and_offered(world: World, segment_id: UUID) -> int:
    """Write all parts and offer the clip at the last moment in which it can grow; the offer's
    number.
    """
    for part_id, offer in offer_parts(world):
        write_part(part_id, offer, world.writer)
    grows = (
        "UPDATE video_segments SET grows_until = now() + make_interval(secs => %s) WHERE id = %s"
    )
    world.database.execute(grows, -1, segment_id)
    (closing,) = [offer for offer in world.offers.offer_clips(10) if offer.row_id == segment_id]
    world.database.execute(grows, 60, segment_id)
    return closing.number


def test_a_clip_that_is_being_joined_does_not_grow(world: World) -> None:
    world.film("cam", 0, 60)
    read(world, 50, 60)
    (first,) = read(world, 10, 60)
    closing = written_and_offered(world, first)
    assert world.writing.begin_finalise(first, closing) is not None
    (second,) = set(read(world, 11.5, 60)) - {first}
    assert world.segments.get(second).continues == first


def test_a_clip_that_grew_is_not_joined_by_an_offer_of_before(world: World) -> None:
    world.film("cam", 0, 60)
    read(world, 50, 60)
    (first,) = read(world, 10, 60)
    closing = written_and_offered(world, first)
    assert read(world, 11.5, 60) == [first]
    assert world.writing.begin_finalise(first, closing) is None
    world.database.execute("UPDATE video_segments SET grows_until = NULL")
    finish(world, "cam", 70)
    row = world.segments.get(first)
    assert (row.status, row.frame_count, row.frames_lost) == ("ready", 65, 0)


def test_a_joining_that_begins_while_a_late_detection_is_handled_keeps_its_window(
    world: World,
) -> None:
    """Between the look at the windows and the lengthening a finaliser took the clip: the detection
    comes again.
    """
    world.film("cam", 0, 60)
    read(world, 50, 60)
    (first,) = read(world, 10, 60)
    closing = written_and_offered(world, first)
    before = windows(world)
    assert world.writing.begin_finalise(first, closing) is not None
    longer = Lengthened(first, world.base_ms + 20_000, 1_000)
    with (
        pytest.raises(Retryable, match="is being joined"),
        world.database.transaction() as connection,
    ):
        apply(connection, "cam", LATE, [longer])
    assert windows(world) == before


def failed(world: World) -> list[tuple[float, float]]:
    return [(start, end) for start, end, status in windows(world) if status == "failed"]


def test_what_came_too_late_is_told_once_whoever_handles_it(world: World) -> None:
    """The stream's thread has one of two, the one for waiting rows has both."""
    gone = [world.detection("cam", -3_000 + n, f"d{n}") for n in range(2)]
    for detection in gone:
        world.detections.publish(detection)
    (first,) = world.detections.accept(gone[:1], world.base_ms, LATE)
    both = world.detections.accept(gone, world.base_ms, LATE)
    assert both[0] == first
    assert world.detections.accept(gone, world.base_ms, LATE) == both
    assert len(failed(world)) == 2
    events = world.database.fetch("SELECT FROM outbox WHERE name = 'segment.failed'")
    assert len(events) == 2


def test_what_came_too_late_by_many_hands_is_told_once(world: World) -> None:
    gone = [world.detection("cam", -3_000 + n, f"d{n}") for n in range(5)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: world.detections.accept(gone, world.base_ms, LATE), range(4)))
    links = world.database.fetch(
        "SELECT count(*) AS n FROM segment_detections GROUP BY detection_id"
    )
    assert [row["n"] for row in links] == [1] * 5


def test_what_came_too_late_over_hours_is_a_segment_a_stretch(world: World) -> None:
    """A dispatcher that was away for six hours: no constraint is broken, and there is not one a
    detection.
    """
    gone = [world.detection("cam", -40_000 + n * 120, f"d{n}") for n in range(180)]
    answers = world.detections.accept(gone, world.base_ms, LATE)
    assert {answer.outcome for answer in answers} == {DetectionOutcome.EXPIRED}
    assert 4 <= len(failed(world)) <= 7
    links = world.database.fetch("SELECT segment_id FROM segment_detections")
    assert len(links) == 180
    for detection, answer in zip(gone, answers, strict=True):
        (segment_id,) = answer.segment_ids
        row = world.segments.get(segment_id)
        assert to_ms(row.start_time) <= detection.captured_ms < to_ms(row.deadline)


def test_a_detection_links_what_it_changes_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It linked every detection of its segments again: quadratic in a busy hour."""
    inserted: list[int] = []
    execute = psycopg.Connection.execute

    def spy(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        cursor = execute(self, query, *args, **more)
        if "INSERT INTO segment_detections" in str(query):
            (looked,) = execute(self, f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", *args).fetchall()
            (insertion,) = looked["QUERY PLAN"]
            inserted.append(int(insertion["Plan"]["Plans"][0]["Actual Rows"]))
        return cursor

    for n in range(60):
        read(world, 10 + n / 10, 10 + n / 10)
    monkeypatch.setattr(psycopg.Connection, "execute", spy)
    read(world, 16, 16)
    assert inserted
    assert max(inserted) <= 3


def test_links_reach_as_far_as_what_was_asked_for(world: World) -> None:
    """A detection whose post-roll runs on into the next segment belongs to both, whichever came
    first.
    """
    first = read(world, 10, 10, "first")
    world.segments.stop_recording("cam", world.base_ms + 11_000)
    second = set(read(world, 10.9, 10.9, "second"))
    assert len(second) == 2
    assert set(first) < second
    links = world.database.fetch(
        "SELECT segment_id FROM segment_detections WHERE detection_id = 'first'"
    )
    assert {row["segment_id"] for row in links} == second


def test_a_camera_without_any_frame_is_silent(world: World) -> None:
    """Also on a real server, where there is no frame before the first."""
    world.detections.accept([world.detection("cam1", 10, "d")], None, LATE)
    dispatch = build_dispatch(world.settings)
    try:
        dispatch.pacer.tick()
        dispatch.pacer.ports.silence._watches["cam1"].still_s = 3_600.0
        dispatch.pacer.tick()
    finally:
        dispatch.close()
    assert [status for _, _, status in windows(world)] == ["finalizing"]


def test_a_detection_that_is_on_time_waits_for_nobody(world: World) -> None:
    world.film("cam", 0, 30)
    (answer,) = world.detections.accept(
        [world.detection("cam", 10, "d")], world.base_ms, POLICY, world.base_ms + 10_000
    )
    (segment_id,) = answer.segment_ids
    finish(world, "cam", 14)
    assert world.status(segment_id) == "ready"
