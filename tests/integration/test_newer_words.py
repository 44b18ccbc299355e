"""Rows that a newer version wrote: a word that this one does not know stops no list and no run."""

from __future__ import annotations

import json

from fastapi.testclient import TestClient

from shared.domain.gaps import GapCause
from shared.domain.lifecycle import SegmentStatus
from tests.support.rows import ready
from tests.support.world import World

GAP = {
    "from": "2026-11-26T10:00:00+00:00", "to": "2026-11-26T10:00:01+00:00", "frames": 3,
    "cause": "eclipse",
}  # fmt: skip


def test_an_unknown_cause_keeps_its_word() -> None:
    cause = GapCause("eclipse")
    assert (cause, str(cause), cause.value) == ("eclipse", "eclipse", "eclipse")
    assert cause not in set(GapCause)
    assert GapCause("dropped") is GapCause.DROPPED


def test_a_segment_with_unknown_words_is_listed_like_any_other(
    world: World, api: TestClient
) -> None:
    strange = ready(world, "cam", 0, ["AB123CD"])
    plain = ready(world, "cam", 100, ["AB123CE"])
    world.database.execute(
        "UPDATE video_segments SET codec = 'vp9', gaps = %s WHERE id = %s",
        json.dumps([GAP]),
        strange,
    )
    listed = api.get("/v2/video/segments").json()["items"]
    assert [item["id"] for item in listed] == [str(plain), str(strange)]
    (gap,) = listed[1]["gaps"]
    assert (listed[1]["codec"], gap["cause"], gap["detail"]) == ("vp9", "eclipse", None)
    assert api.get(f"/v2/video/segments/{strange}").json()["gaps"] == [gap]


def test_a_part_that_was_given_up_for_an_unknown_reason_can_be_read(world: World) -> None:
    segment_id = ready(world, "cam", 0, [], status=SegmentStatus.FAILED)
    for number, error in enumerate((None, "eclipse")):
        world.database.execute(
            """
            INSERT INTO segment_parts (id, segment_id, number, start_time, end_time, state, error)
            VALUES (gen_random_uuid(), %s, %s, now() + %s * interval '1 s',
                    now() + %s * interval '1 s', 'gap', %s)
            """,
            segment_id,
            number,
            number,
            number + 1,
            error,
        )
    parts = world.segments.streamed(segment_id).parts
    assert [part.error for part in parts] == [GapCause.WRITER_FAILED, "eclipse"]
