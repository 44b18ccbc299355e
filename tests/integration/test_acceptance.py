"""Detections of many cameras in one transaction, on real rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import BadInput, Retryable
from shared.domain.lifecycle import DetectionOutcome
from shared.domain.media import Box, Detection
from shared.domain.ports import CameraBatch
from shared.domain.recording import Late
from tests.support.waiting import wait_until
from tests.support.world import POLICY, World


def batch(world: World, camera: str, *seconds: float, oldest_s: float | None = None) -> CameraBatch:
    return CameraBatch(
        camera_id=camera,
        detections=[world.detection(camera, at_s, f"d{at_s}") for at_s in sorted(seconds)],
        policy=POLICY,
        oldest_ms=None if oldest_s is None else world.base_ms + round(oldest_s * 1000),
        newest_ms=None if oldest_s is None else world.base_ms + 60_000,
    )


def told(world: World, camera: str) -> tuple[Any, Any]:
    """The camera's detections and windows, without their ids."""
    detections = world.database.fetch(
        """
        SELECT d.detection_id, d.outcome, d.reason, d.wanted,
               array_agg((s.start_time, s.status, l.offset_ms)::text ORDER BY s.start_time) AS segments
          FROM detections d LEFT JOIN segment_detections l USING (detection_id, camera_id)
          LEFT JOIN video_segments s ON s.id = l.segment_id
         WHERE d.camera_id = %s GROUP BY 1, 2, 3, 4 ORDER BY 1
        """,
        camera,
    )
    windows = world.database.fetch(
        """
        SELECT s.start_time, s.deadline, s.status, s.covered_to, s.late_ms, s.best_confidence, c.start_time AS before
          FROM video_segments s LEFT JOIN video_segments c ON c.id = s.continues
         WHERE s.camera_id = %s ORDER BY s.start_time, s.status
        """,
        camera,
    )
    return detections, windows


@pytest.mark.parametrize(
    "seconds",
    [
        (10, 11, 12.5, 16, 17, 40, 41),
        (10, 30, 20, 14.5, 25),
        tuple(n / 4 for n in range(0, 200, 3)),
        (-400, -399, 10, 12, 5),
    ],
)
def test_a_batch_leaves_what_its_detections_leave_one_by_one(
    world: World, seconds: tuple[float, ...]
) -> None:
    """Among windows that were there before, with detections that came too late, that are not sure
    enough, and that are known already.
    """
    for camera in ("cam1", "cam2"):
        world.detections.accept([world.detection(camera, 22, "before")], None, POLICY)
        world.detections.publish(world.detection(camera, seconds[0], f"d{seconds[0]}"))
    together = batch(world, "cam1", *seconds, oldest_s=-60)
    unsure = [replace(each, confidence=0.1) for each in together.detections[-1:]]
    together = replace(together, detections=[*together.detections[:-1], *unsure])
    answers = world.detections.accept_all([together])["cam1"]
    for detection, answer in zip(together.detections, answers, strict=True):
        alone = replace(detection, camera_id="cam2")
        (single,) = world.detections.accept([alone], together.oldest_ms, POLICY, together.newest_ms)
        assert (single.outcome, single.reason) == (answer.outcome, answer.reason)
        assert len(single.segment_ids) == len(answer.segment_ids)
    if seconds[0] >= 0:  # of those that came too late one segment is made for all
        assert told(world, "cam1") == told(world, "cam2")
    before = told(world, "cam1")
    again = world.detections.accept_all([together])["cam1"]
    assert [each.outcome for each in again] == [each.outcome for each in answers]
    assert told(world, "cam1") == before


def test_many_cameras_are_one_transaction(world: World) -> None:
    batches = [batch(world, f"cam{n}", 10, 12) for n in range(20)]
    answers = world.detections.accept_all(batches)
    assert list(answers) == [f"cam{n}" for n in range(20)]
    assert {each.outcome for found in answers.values() for each in found} == {
        DetectionOutcome.RECORDED
    }
    (row,) = world.database.fetch(
        "SELECT count(*) AS n, count(DISTINCT xmin::text) AS transactions FROM detections"
    )
    assert row == {"n": 40, "transactions": 1}
    assert len(world.pacing.live()) == 20
    events = world.database.fetch("SELECT FROM outbox WHERE name = 'segment.recording'")
    assert len(events) == 20


def test_a_camera_whose_windows_somebody_changes_is_left_out_and_waited_for_by_nobody(
    world: World,
) -> None:
    with world.database.transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('camera:cam1', 0))")
        answers = world.detections.accept_all(
            [batch(world, camera, 10) for camera in ("cam0", "cam1", "cam2")]
        )
    assert list(answers) == ["cam0", "cam2"]
    rows = world.database.fetch("SELECT DISTINCT camera_id FROM detections ORDER BY 1")
    assert [row["camera_id"] for row in rows] == ["cam0", "cam2"]


def test_where_one_fails_nothing_is_stored_and_the_connection_is_good(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the first exchange, in the second, and in between."""
    bad = Detection("d", "cam1", world.base_ms, 0.9, attributes={"a": "\x00"})
    batches = [batch(world, "cam0", 10), replace(batch(world, "cam1", 10), detections=[bad])]
    with pytest.raises(BadInput):
        world.detections.accept_all(batches)
    never = Late(
        world.detections.accept_all([batch(world, "cam9", 1)])["cam9"][0].segment_ids[0], 2**40
    )
    with monkeypatch.context() as patch:
        patch.setattr(
            "shared.adapters.postgres.acceptance.detected_all",
            lambda state, given, _: (state, [never], [() for _ in given]),
        )
        with pytest.raises(BadInput):
            world.detections.accept_all([batch(world, "cam0", 10)])
        patch.setattr("shared.adapters.postgres.acceptance.detected_all", _broken)
        with pytest.raises(RuntimeError):
            world.detections.accept_all([batch(world, "cam0", 10)])
    rows = world.database.fetch("SELECT camera_id FROM detections")
    assert [row["camera_id"] for row in rows] == ["cam9"]
    assert list(world.detections.accept_all([batch(world, "cam0", 10)])) == ["cam0"]


def _broken(*_: object) -> None:
    raise RuntimeError("no decision")


def test_a_row_has_all_that_its_detection_says(world: World) -> None:
    """It is sent as one document with its neighbours'."""
    given = Detection(
        detection_id="d",
        camera_id="cam1",
        captured_ms=world.base_ms + 123,
        confidence=0.1 + 0.2,
        plate='Ä"B\\1 \U0001f697',
        bbox=Box(1, -2, 3, 4),
        attributes={"a": [1, 2.5, None, {"b": "\u2028"}], "n": 10**30},
    )
    plain = replace(given, detection_id="plain", plate=None, bbox=None, attributes={})
    world.detections.accept_all(
        [CameraBatch(camera_id="cam1", detections=[given, plain], policy=POLICY)]
    )
    assert world.detections.stored("cam1", "d") == given
    assert world.detections.stored("cam1", "plain") == plain


def test_one_that_another_stores_at_this_moment_comes_again(world: World) -> None:
    """Committed after the statement began that finds it there, so that it cannot see it."""
    with ThreadPoolExecutor(1) as pool:
        with world.database.transaction() as connection:
            connection.execute(
                """
                INSERT INTO detections (detection_id, camera_id, captured_at, confidence)
                VALUES ('d10', 'cam1', now(), 1)
                """
            )
            meanwhile = pool.submit(world.detections.accept_all, [batch(world, "cam1", 10)])
            wait_until("the other to wait", lambda: _waits(world))
        with pytest.raises(Retryable, match="just stored"):
            meanwhile.result()
    (answer,) = world.detections.accept_all([batch(world, "cam1", 10)])["cam1"]
    assert answer.reason == "id_reused"


def _waits(world: World) -> bool:
    return bool(
        world.database.fetch(
            """
            SELECT FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND datname = current_database() AND query LIKE '%%detections%%'
            """
        )
    )
