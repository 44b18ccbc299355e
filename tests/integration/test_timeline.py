"""The timeline: what meets a time, in columns, camera by camera, and quickly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb

from platereel import ApiClient
from services.api.wiring import build
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.timeline import PostgresTimelineRows
from shared.domain.access import Role
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from tests.support.http import request, serving
from tests.support.passes import accept
from tests.support.rows import ready
from tests.support.servers import Servers
from tests.support.world import World, open_world


def at(world: World, seconds: float) -> datetime:
    return from_ms(world.base_ms + round(seconds * 1000))


def rows_of(found: schemas.Timeline) -> dict[str, schemas.CameraTimeline]:
    """The cameras that have something to draw."""
    return {
        each.camera_id: each
        for each in found.cameras
        if each.segments.ids or each.passes.ids or each.gaps.segment_ids
    }


@pytest.fixture
def client(address: str) -> Iterator[ApiClient]:
    with ApiClient(address) as opened:
        yield opened


def test_segments_are_where_their_clips_are(world: World, client: ApiClient) -> None:
    early = ready(world, "cam1", -30)
    late = ready(world, "cam1", 0)
    going = ready(world, "cam2", 10, status="recording")
    ready(world, "cam1", -70, status="expired")
    world.database.execute(
        "UPDATE video_segments SET first_frame_at = start_time + interval '250 ms', protected = true WHERE id = %s",
        late,
    )
    world.database.execute("UPDATE video_segments SET end_time = NULL WHERE id = %s", going)
    world.database.execute("UPDATE video_segments SET strip = NULL WHERE id = %s", late)
    found = client.timeline(at(world, -100), at(world, 60))
    assert found.complete
    assert len(found.cameras) == len(world.settings.cameras)
    rows = rows_of(found)
    assert list(rows) == ["cam1", "cam2"]
    bars = rows["cam1"].segments
    assert bars.ids == [str(early), str(late)]
    assert bars.start_ms == [world.base_ms - 30_000, world.base_ms + 250]
    assert bars.end_ms == [world.base_ms - 20_000, world.base_ms + 10_250]
    assert bars.protected == [False, True]
    assert bars.strip == [True, False]
    assert rows["cam2"].segments.status == ["recording"]
    assert rows["cam2"].segments.strip == [False]  # it had one before it was made again
    assert rows["cam2"].segments.end_ms == [world.base_ms + 20_000]
    # A segment meets a time that it only touches from within, and not one that begins at its end.
    assert rows_of(client.timeline(at(world, -21), at(world, -20.5)))
    assert not rows_of(client.timeline(at(world, -20), at(world, 0)))


def test_passes_also_long_ones_and_open_ones(world: World, client: ApiClient) -> None:
    for seconds in (0, 1):
        accept(world, (seconds, "AB123CD"))
    (one,) = world.passes.open_passes()
    given = {"at": at(world, 0), "long": at(world, 9000)}
    world.database.execute(
        "INSERT INTO passes (id, camera_id, first_at, last_at, ended_at, reads, plate, corrected_plate, confidence,"
        " best_detection_id, best_at, loud_since, hit) SELECT gen_random_uuid(), 'cam2', %(at)s, %(long)s, ended, 1,"
        " 'OLD', 'NEW', 1, 'x', %(at)s, %(at)s, true FROM (VALUES (%(long)s), (NULL)) AS v (ended)",
        given,
    )
    rows = rows_of(client.timeline(at(world, 0.5), at(world, 30)))
    marks = rows["cam1"].passes
    assert (marks.ids, marks.first_ms, marks.last_ms) == (
        [str(one.pass_id)],
        [world.base_ms],
        [world.base_ms + 1000],
    )
    assert (marks.plates, marks.hit, marks.recorded) == (["AB123CD"], [False], [True])
    for first, last in ((1, 2), (3000, 3001), (8999, 9000)):
        later = rows_of(client.timeline(at(world, first), at(world, last)))
        assert later["cam2"].passes.plates == ["NEW", "NEW"]
        assert later["cam2"].passes.hit == [True, True]
    assert "cam2" not in rows_of(client.timeline(at(world, 9001), at(world, 9002)))


def test_gaps_are_those_of_its_segments(world: World, client: ApiClient) -> None:
    whole = ready(world, "cam1", 0)
    failed = ready(world, "cam1", 20, status="failed")
    gaps = [
        {"from": at(world, first).isoformat(), "to": at(world, last).isoformat(), "frames": 10, "cause": "outbox_full"}
        for first, last in ((1, 2), (7, 8))
    ]  # fmt: skip
    world.database.execute("UPDATE video_segments SET gaps = %s WHERE id = %s", Jsonb(gaps), whole)
    world.database.execute("UPDATE video_segments SET error = 'no frames' WHERE id = %s", failed)
    found = rows_of(client.timeline(at(world, 5), at(world, 60)))["cam1"].gaps
    assert found.segment_ids == [str(whole), str(failed)]
    assert found.from_ms == [world.base_ms + 7000, world.base_ms + 20_000]
    assert found.to_ms == [world.base_ms + 8000, world.base_ms + 30_000]
    assert (found.frames, found.cause) == ([10, 0], ["outbox_full", "no frames"])


def test_cameras_are_those_that_are_asked_for_and_seen(world: World, client: ApiClient) -> None:
    for camera in ("cam1", "cam2", "gone"):
        ready(world, camera, 0)
    times = at(world, -10), at(world, 60)
    assert list(rows_of(client.timeline(*times))) == ["cam1", "cam2", "gone"]
    asked = client.timeline(*times, ["gone", "cam2", "nobody", "cam3"])
    assert [each.camera_id for each in asked.cameras] == ["cam2", "cam3", "gone"]
    assert list(rows_of(asked)) == ["cam2", "gone"]
    keys = client_key(world, ["cam1"])
    with TestClient(build(world.settings), base_url="http://127.0.0.1") as api:
        for query in ("", "&camera_id=cam1&camera_id=cam2"):
            path = f"/v2/video/timeline?from={iso(times[0])}&to={iso(times[1])}{query}"
            answer = api.get(path, headers={"Authorization": f"Bearer {keys}"})
            assert [each["camera_id"] for each in answer.json()["cameras"]] == ["cam1"]
    (line,) = world.database.fetch(
        "SELECT details FROM access_log WHERE action = 'list' AND details->>'camera_id' LIKE '%%gone%%'"
    )
    assert line["details"]["what"] == "timeline"


def client_key(world: World, cameras: list[str]) -> str:
    return PostgresAccessRows(world.database).create_key(
        name="one", role=Role.VIEWER, cameras=cameras, expires_at=None, who="test"
    )[1]


def iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def test_of_too_many_the_newest_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "shared.adapters.postgres.timeline"
    ids = [str(ready(world, f"cam{number % 2}", number * 20)) for number in range(4)]
    rows = PostgresTimelineRows(world.database)
    first, last = world.base_ms - 10_000, world.base_ms + 300_000
    assert rows.timeline(first, last, None).complete
    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.MOST_SEGMENTS", 2)
        found = rows.timeline(first, last, None)
        kept = [each for camera in found.cameras.values() for each in camera.segments.ids]
        assert (found.complete, kept) == (False, ids[2:])
    world.database.execute("UPDATE video_segments SET status = 'failed', error = 'x'")
    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.MOST_GAPS", 3)
        found = rows.timeline(first, last, None)
        lacking = {each for camera in found.cameras.values() for each in camera.gaps.segment_ids}
        assert (found.complete, lacking) == (False, set(ids[1:]))
    accept(world, (0, "A1"), (30, "B2"), (60, "C3"))
    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.MOST_PASSES", 2)
        found = rows.timeline(first, last, None)
        assert (found.complete, found.cameras["cam1"].passes.plates) == (False, ["B2", "C3"])


@pytest.fixture(scope="module")
def shared(servers: Servers) -> Iterator[str]:
    with open_world(servers) as world, serving(build(world.settings)) as url:
        yield url


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("to=2026-11-25T00:00:00Z", "from"),
        ("from=2026-11-25T00:00:00Z", "to"),
        ("from=2026-11-25T00:00:00Z&to=2026-11-25T00:00:00Z", "to"),
        ("from=2026-11-25T00:00:00Z&to=2026-11-24T00:00:00Z", "to"),
        ("from=2026-10-01T00:00:00Z&to=2026-11-01T00:00:01Z", "31 days"),
        ("from=yesterday&to=2026-11-25T00:00:00Z", "from"),
        ("from=2026-11-25T00:00:00Z&to=2026-11-26T00:00:00Z&camera_id=%00", "camera_id"),
    ],
)
def test_bad_questions_name_what_is_wrong(shared: str, query: str, field: str) -> None:
    answer = request("GET", f"{shared}/v2/video/timeline?{query}", retries=False)
    assert answer.status == 422
    assert field in json.dumps(answer.json())


@pytest.mark.parametrize("day", ["0001-01-01T00:00:0{}Z", "9999-12-31T23:59:5{}Z"])
def test_the_ends_of_the_calendar_are_times_too(shared: str, day: str) -> None:
    query = f"from={day.format(1)}&to={day.format(9)}"
    answer = request("GET", f"{shared}/v2/video/timeline?{query}", retries=False)
    assert answer.status == 200
