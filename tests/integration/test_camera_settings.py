"""Cameras that are made, changed and removed while everything runs."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from services.api.wiring import build as build_api
from services.capture.wiring import build as build_capture
from services.dispatch import loop
from services.dispatch.wiring import build as build_dispatch
from shared.adapters.postgres.made_cameras import PostgresMadeCameraRows
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.servers import OneServer
from shared.domain.errors import PartlyAway, Retryable
from shared.runtime.configuration import load
from shared.runtime.live_cameras import LiveCameras
from shared.wire.keys import Keys
from tests.support.commands import Run
from tests.support.rows import ready
from tests.support.waiting import wait_until
from tests.support.world import World
from workers.wiring import OpenWorld

SECRET = "rtsp://user:secret-word@10.0.0.9/one"
GATE = "/v2/video/cameras/gate"


def rows(world: World) -> PostgresMadeCameraRows:
    return PostgresMadeCameraRows(world.database)


def told(world: World) -> RedisCameras:
    return RedisCameras(OneServer(world.redis), Keys(world.settings.redis_prefix))


def logged(world: World) -> list[Any]:
    return world.database.fetch(
        "SELECT who, action, details FROM access_log WHERE action LIKE 'camera_%%' ORDER BY id"
    )


def test_a_camera_is_made_changed_and_removed(
    world: World, api: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    made = api.put(GATE, json={"source": SECRET, "post_event_seconds": "30s"})
    assert made.status_code == 201
    assert made.json()["source"] == "rtsp://10.0.0.9"
    assert "gate" in {each["camera_id"] for each in api.get("/v2/video/cameras").json()["items"]}
    items = api.get("/v2/video/configuration").json()["items"]
    origins = {each["name"]: each["origin"] for each in items}
    assert origins["cameras.gate.post_event_seconds"] == "made"
    assert origins["cameras.gate.retention"] == "default"
    assert origins["cameras.cam1.source"] == "file"
    body = {"camera_id": "gate", "confidence": 0.9}
    assert api.post("/v2/video/detections", json=body).status_code == 202
    changed = api.put(GATE, json={"source": SECRET, "post_event_seconds": 20, "detect": True})
    assert (changed.status_code, changed.json()["detect"]) == (200, True)
    assert api.delete(GATE).status_code == 422  # what becomes of its clips?
    gone = api.delete(GATE, params={"clips": "keep"}).json()
    assert (gone["archived"], gone["complete"], gone["kept_days"]) == (0, True, 30)
    assert "gate" not in {
        each["camera_id"] for each in api.get("/v2/video/cameras").json()["items"]
    }
    assert api.delete(GATE, params={"clips": "keep"}).status_code == 404
    assert [(each["action"], each["details"].get("settings")) for each in logged(world)] == [
        ("camera_make", ["post_event_seconds", "source"]),
        ("camera_change", ["detect", "post_event_seconds"]),
        ("camera_remove", None),
    ]
    said = capsys.readouterr()
    everything = f"{made.text}{changed.text}{logged(world)}{said.out}{said.err}"
    assert "secret-word" not in everything


def test_what_is_wrong_is_named_and_the_files_cameras_are_the_files(
    world: World, api: TestClient
) -> None:
    for body, word in (
        ({"source": "nowhere"}, "source"),
        ({"source": "push:", "fpss": 3}, "did you mean fps"),
        ({"source": "file:/etc/passwd"}, "platereel.yaml alone"),
        ({"source": "push:", "a\u0000b": 1}, "body"),
        ({}, "source"),
    ):
        answer = api.put(GATE, json=body)
        assert answer.status_code == 422, body
        assert word in answer.text
    assert api.put("/v2/video/cameras/a b", json={"source": "push:"}).status_code == 422
    assert api.put("/v2/video/cameras/cam1", json={"source": "push:"}).status_code == 409
    assert api.delete("/v2/video/cameras/cam1", params={"clips": "delete"}).status_code == 409
    assert rows(world).all() == {}


def test_clips_of_a_removed_camera_are_deleted_unless_they_are_protected(
    world: World, api: TestClient
) -> None:
    api.put(GATE, json={"source": "push:"})
    clips = [ready(world, "gate", 20 * n) for n in range(3)]
    other = ready(world, "cam1", 0)
    world.segments.protect(clips[1], protected=True, who="me", note=None)
    answer = api.delete(GATE, params={"clips": "delete"}).json()
    assert (answer["archived"], answer["protected"], answer["left"]) == (2, 1, 0)
    assert answer["complete"]

    def status(segment_id: UUID) -> str:
        return world.status(segment_id)

    assert [status(each) for each in clips] == ["expiring", "ready", "expiring"]
    assert status(other) == "ready"
    # what is left of it can be asked for again
    world.segments.protect(clips[1], protected=False, who="me", note=None)
    again = api.delete(GATE, params={"clips": "delete"}).json()
    assert (again["archived"], again["protected"]) == (1, 0)


def test_dispatch_begins_anew_and_tells_who_has_no_database(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SETTINGS_SECONDS", 0.05)
    live, stopping = LiveCameras(world.settings), threading.Event()
    assert told(world).made() is None
    first = build_dispatch(world.settings, live)
    running = threading.Thread(target=loop.run, args=(first, stopping))
    running.start()
    wait_until("the first word", lambda: told(world).made() == {})
    rows(world).put("gate", {"source": SECRET}, "me")
    running.join(20)
    assert not running.is_alive()
    assert not stopping.is_set()
    second = build_dispatch(world.settings, live)
    running = threading.Thread(target=loop.run, args=(second, stopping))
    running.start()
    made = wait_until("the news", lambda: told(world).made())
    assert made["gate"].settings == {"source": SECRET}
    world.redis.delete(Keys(world.settings.redis_prefix).made_cameras)  # it began anew
    wait_until("it to be told again", lambda: told(world).made())
    stopping.set()
    running.join(20)
    assert "gate" in world.settings.cameras
    assert live.origin("gate") is not None


def test_dispatch_begins_with_the_cameras_of_the_api(world: World) -> None:
    rows(world).put("gate", {"source": SECRET}, "me")
    live = LiveCameras(world.settings)
    first = build_dispatch(world.settings, live)
    first.deployment.stream("door").publish(b'{"camera_id": "gate", "confidence": 0.9}')
    assert first.intake.read_stream(0.5) == 1
    assert [each["camera_id"] for each in world.database.fetch("SELECT * FROM detections")] == [
        "gate"
    ]
    assert not first.follower.look()
    # whoever looks first, the follower notices
    rows(world).put("yard", {"source": SECRET}, "me")
    assert first.follower.new() == {"yard"}
    assert first.follower.look()
    first.close()


def test_a_camera_that_goes_while_it_is_asked_for_breaks_no_answer(
    world: World, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, whole = cast("Any", api.app).state.ports, world.settings.cameras
    bounds = type(ports.buffers).bounds

    def goes(buffers: object, camera_ids: list[str]) -> object:
        ports.settings.cameras = {}
        return bounds(buffers, camera_ids)

    monkeypatch.setattr(type(ports.buffers), "bounds", goes)
    for path in ("cameras", "health"):
        ports.settings.cameras = dict(whole)
        assert api.get(f"/v2/video/{path}").status_code == 200, path


def test_capture_takes_the_file_while_the_others_cannot_be_told(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change of the file is found once: it may not be lost with an answer that does not come."""
    path = tmp_path / "platereel.yaml"
    path.write_text('cameras: {one: {source: "rtsp://10.0.0.4/a"}}\n', encoding="utf-8")
    urls = {
        name: getattr(world.settings, name)
        for name in ("frames_url", "broker_url", "database_url", "storage_url", "redis_prefix")
    }
    settings = load(path).model_copy(update=urls)

    def away(_: object) -> None:
        raise PartlyAway("one server of several does not answer")

    monkeypatch.setattr(RedisCameras, "made", away)
    capture = build_capture(settings)
    assert capture._ports.changed() is None
    path.write_text('cameras: {two: {source: "rtsp://10.0.0.4/b"}}\n', encoding="utf-8")
    assert capture._ports.changed() is None  # it lacks a camera: is all of it written?
    assert set(capture._ports.changed() or {}) == {"two"}
    assert capture._ports.changed() is None


def test_the_api_begins_with_the_cameras_that_were_made(world: World) -> None:
    rows(world).put("gate", {"source": "push:"}, "me")
    app = build_api(world.settings)
    assert "gate" in app.state.ports.settings.cameras
    with TestClient(app):
        pass  # whose end closes what was opened


def test_a_writer_follows_between_two_tasks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.wiring.LOOK_SECONDS", 0.0)
    writers = OpenWorld(world.settings)
    writers.open()
    before = writers()
    assert writers() is before
    rows(world).put("gate", {"source": "push:", "max_buffer_bytes": 400_000_000}, "me")
    after = writers()
    assert after is not before
    assert after.writer.parking_bytes("gate") == 100_000_000
    writers.close()


def test_a_worker_keeps_its_world_when_a_new_one_cannot_be_built(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.wiring.LOOK_SECONDS", 0.0)
    workers = OpenWorld(world.settings)
    workers.open()
    before = workers()
    rows(world).put("gate", {"source": "push:", "retention": {"days": 90}}, "me")

    def away(_: object) -> None:
        raise Retryable("not now")

    with monkeypatch.context() as while_away:
        while_away.setattr("workers.wiring.build", away)
        for _ in range(2):
            with pytest.raises(Retryable, match="not now"):
                workers()
    after = workers()
    assert after is not before
    assert after.cleanup.policy.cameras["gate"].days == 90
    workers.close()


def test_the_first_task_of_a_worker_knows_the_cameras_of_the_api(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(world).put("gate", {"source": "push:", "retention": {"days": 90}}, "me")
    workers = OpenWorld(world.settings)

    def away(_: object) -> None:
        raise Retryable("the database does not answer")

    with monkeypatch.context() as while_away:
        while_away.setattr(PostgresMadeCameraRows, "all", away)
        workers.open()
        with pytest.raises(Retryable):  # rather than a cleanup by the days of other cameras
            workers()
    workers.close()
    workers.open()
    assert workers().cleanup.policy.cameras["gate"].days == 90
    workers.close()


def test_the_commands(world: World, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "gate.yaml"
    file.write_text(f'source: "{SECRET}"\npost_event_seconds: 30s\n', encoding="utf-8")
    done = run("cameras", "set", "gate", str(file))
    assert (done.returncode, done.stdout) == (0, "made gate; it is captured within seconds\n")
    assert "changed gate" in run("cameras", "set", "gate", str(file)).stdout
    shown = run("cameras", "list").stdout
    assert "rtsp://10.0.0.9" in shown
    assert "secret-word" not in shown
    file.write_text("sorce: x\n", encoding="utf-8")
    refused = run("cameras", "set", "gate", str(file))
    assert refused.returncode == 1
    assert "did you mean source" in refused.stderr
    ready(world, "gate", 0)
    kept = run("cameras", "remove", "gate", "--clips", "keep").stdout
    assert "clips: 0 archived, 0 protected, 1 left" in kept
    assert '"archived": 1' in run("cameras", "remove", "gate", "--clips", "delete", "--json").stdout
    assert run("cameras", "remove", "gate", "--clips", "delete").returncode == 1
