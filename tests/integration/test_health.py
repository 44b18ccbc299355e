"""GET health: what is wrong now, by the rows, the servers and the cameras."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from psycopg.types.json import Jsonb
from pydantic import SecretStr

from platereel import ApiClient
from services.api.wiring import build
from shared.adapters.postgres import server_settings
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.cameras import PostgresCameraNewsRows
from shared.adapters.postgres.health import PostgresHealthRows
from shared.adapters.postgres.server_settings import MUST_BE_ON
from shared.domain.access import Role
from shared.domain.camera import CameraNews, CameraState
from shared.domain.errors import Retryable
from shared.domain.job import JobKind
from shared.runtime.sections import CameraSettings
from tests.support.rows import ready
from tests.support.world import World

PATH = "/v2/video/health"


def small(world: World) -> TestClient:
    """An API of two cameras: one is pushed, one is not."""
    sources = {"cam1": "rtsp://user:secret-word@10.0.0.9/one", "cam2": "push:"}
    cameras = {name: CameraSettings(source=SecretStr(each)) for name, each in sources.items()}
    settings = world.settings.model_copy(update={"cameras": cameras})
    return TestClient(build(settings), base_url="http://127.0.0.1")


def paced(world: World) -> None:
    world.database.execute("UPDATE deployment SET paced_at = now()")


def report(world: World, camera: str, state: CameraState, **more: str) -> None:
    world.states.report(camera, {"state": state, "fps": 10, **more})


def test_a_deployment_that_is_well(world: World) -> None:
    paced(world)
    for camera in ("cam1", "cam2"):
        report(world, camera, CameraState.CONNECTED)
        world.film(camera, 59, 60)
    with small(world) as api:
        found = api.get(PATH).json()
    (broker,) = found["problems"]  # the tests' broker keeps no file
    assert broker["severity"] == "warning"
    assert broker["what"].startswith("The broker is set wrong: appendonly of ")
    assert broker["what_to_do"] == "Set it: CONFIG SET appendonly yes"
    assert found["cameras"] == {"connected": 2}
    assert found["frames_lost_today"] == 0
    servers = {each["name"]: each for each in found["dependencies"]}
    assert set(servers) == {"database", "frames", "broker", "storage"}
    assert all(each["up"] and each["latency_ms"] >= 0 for each in servers.values())
    assert servers["database"]["version"][0].isdigit()
    assert servers["frames"]["version"] == servers["broker"]["version"] != ""
    queues = {each["name"]: each for each in found["queues"]}
    assert set(queues) == {"detections", "parts", "clips", "jobs", "events"}
    assert queues["parts"] == {"name": "parts", "length": 0, "oldest_seconds": None}


def test_a_postgres_that_could_lose_rows_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_settings, "MUST_BE_ON", MUST_BE_ON)
    with small(world) as api:
        told = api.get(PATH).json()
        ready = api.get("/readyz").json()
    first = told["problems"][0]
    assert (first["severity"], first["what"]) == (
        "error",
        "The database is set wrong: fsync is off.",
    )
    assert first["what_to_do"] == "Set it: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();"
    database = next(each for each in ready["dependencies"] if each["name"] == "database")
    assert database["version"][0].isdigit()
    assert [each["setting"] for each in database["wrong"]] == list(MUST_BE_ON)


def test_a_stranger_is_told_no_more_than_whether_servers_answer(world: World) -> None:
    PostgresAccessRows(world.database).create_key("guard", Role.VIEWER, None, None, "test")
    with small(world) as api:
        answer = api.get("/readyz").json()
    assert answer["checks"] == dict.fromkeys(("database", "frames", "broker", "storage"), "ok")
    assert answer["dependencies"] is None


def test_a_check_that_ended_well_is_no_problem(world: World) -> None:
    """Its report always has the list of what stopped it."""
    paced(world)
    run = """
        INSERT INTO jobs (id, kind, params, state, requested_by, regular, started_at, finished_at, result)
        VALUES (gen_random_uuid(), 'check', '{}', 'done', 'pacer', true, now(), now(), %s)
        """
    rows = PostgresHealthRows(world.database)
    today = datetime(2026, 11, 25, tzinfo=UTC)
    world.database.execute(run, Jsonb({"stopped": []}))
    assert list(rows.look(today, None).ended) == []
    assert rows.survey().jobs.keys() == {"check"}
    world.database.execute(run, Jsonb({"stopped": ["too many", "far too many"]}))
    (ended,) = rows.look(today, None).ended
    assert ended.why == "too many; far too many"


def test_what_is_wrong_comes_with_what_to_do(world: World) -> None:
    paced(world)
    report(world, "cam1", CameraState.DISCONNECTED, error="rtsp://u:pw@10.0.0.9 does not answer")
    lost = CameraNews(
        camera_id="cam1",
        down=True,
        state=CameraState.DISCONNECTED,
        cause="away",
        since_ms=world.base_ms,
    )
    PostgresCameraNewsRows(world.database).tell([lost])
    report(world, "cam2", CameraState.CONNECTED)
    world.film("cam2", 0, 1)  # a minute ago
    segment_id = ready(world, "cam1", 0)
    world.database.execute("UPDATE video_segments SET frames_lost = 7 WHERE id = %s", segment_id)
    world.database.execute(
        """
        INSERT INTO webhook_deliveries (webhook, event_id, name, body, created_at, error)
        VALUES ('ops', gen_random_uuid(), 'x', '{}', now() - interval '1 h', 'http://a:pw@b answered 500')
        """
    )
    world.jobs.request(JobKind.CHECK, {}, "test")
    world.database.execute("UPDATE jobs SET requested_at = now() - interval '1 h'")
    world.database.execute(
        """
        INSERT INTO jobs (kind, regular, state, requested_by, started_at, finished_at, result)
        VALUES ('cleanup', true, 'done', 'pacer', now(), now(), '{"stopped": "9 clips, far more"}')
        """
    )
    with small(world) as api:
        answer = api.get(PATH)
    found = answer.json()
    assert "pw@" not in answer.text
    assert "secret-word" not in answer.text
    told = [(each["severity"], each["what"], each["camera"]) for each in found["problems"]]
    assert [each[0] for each in told] == ["error"] + ["warning"] * (len(told) - 1)
    whats = " ".join(each[1] for each in told)
    for words in ("cam1 is lost", "cam2 is late", "queue of jobs", "ops does not", "far more"):
        assert words in whats
    assert all(each["what_to_do"] for each in found["problems"])
    assert found["problems"][0]["since"].startswith("20")
    assert found["frames_lost_today"] in {0, 7}  # the minute before midnight is another day
    lanes = {each["name"]: each["length"] for each in found["queues"]}
    assert (lanes["events for ops"], lanes["jobs"]) == (1, 1)


def test_stuck_recordings_and_lost_leases(world: World) -> None:
    paced(world)
    segment_id = ready(world, "cam1", -600, status="finalizing")
    world.database.execute(
        "UPDATE video_segments SET lease_token = 'x', lease_until = now() - interval '1 min' WHERE id = %s",
        segment_id,
    )
    with small(world) as api:
        found = api.get(PATH).json()
    whats = " ".join(each["what"] for each in found["problems"])
    assert "Recordings of camera cam1 are stuck: 1" in whats
    assert "leases of 1" in whats


def test_a_key_for_one_camera_is_told_of_it_alone(world: World) -> None:
    _, secret = PostgresAccessRows(world.database).create_key(
        name="guard", role=Role.VIEWER, cameras=["cam2"], expires_at=None, who="test"
    )
    ready(world, "cam1", -600, status="finalizing")
    world.database.execute(
        "INSERT INTO webhook_deliveries (webhook, event_id, name, body) VALUES ('ops', gen_random_uuid(), 'x', '{}')"
    )
    with small(world) as api:
        assert api.get(PATH).status_code == 401
        answer = api.get(PATH, headers={"Authorization": f"Bearer {secret}"})
    found = answer.json()
    assert {each["camera"] for each in found["problems"]} <= {"cam2", None}
    assert found["cameras"] == {"unknown": 1}
    assert "cam1" not in answer.text
    assert "ops" not in answer.text


def test_what_does_not_answer_is_a_problem_and_no_error(world: World) -> None:
    def away() -> None:
        raise Retryable("it does not answer")

    for name in ("database", "frames", "broker", "storage"):
        app: Any = build(world.settings)
        ports = app.state.ports
        app.state.ports = replace(
            ports, servers=replace(ports.servers, checks={**ports.servers.checks, name: away})
        )
        with TestClient(app, base_url="http://127.0.0.1") as api:
            answer = api.get(PATH)
            assert answer.status_code == 200
            first = answer.json()["problems"][0]
            assert (first["severity"], name in first["what"]) == ("error", True)
            assert api.get("/readyz").json()["checks"][name] == "it does not answer"


def test_the_client_reads_it(world: World, address: str) -> None:
    with ApiClient(address) as client:
        found = client.health("Europe/Berlin")
    assert found.cameras[CameraState.UNKNOWN] == len(world.settings.cameras)
    assert "opens and closes recordings" in found.problems[0].what
