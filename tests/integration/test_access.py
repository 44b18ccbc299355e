"""Who may do what: every role at every endpoint, for cameras of its own and for others'; keys,
sessions, limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from services.api.auth.attempts import MOST_FAILURES
from services.api.wiring import build
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.shares import PostgresShareRows
from shared.domain.access import Role
from shared.domain.errors import Conflict
from shared.domain.timing import from_ms
from tests.support.rows import ready
from tests.support.servers import Servers
from tests.support.world import POLICY, World, open_world

OWN, FOREIGN = "cam1", "cam2"
BOSS = "boss-secret-of-16-characters"
# What each endpoint needs, and what its camera is taken from; `all`: it concerns every camera.
VIEWER, OPERATOR, ADMIN, OPEN = Role.VIEWER, Role.OPERATOR, Role.ADMIN, None
LISTS = ADMIN  # or an operator whose key has that right
ENDPOINTS: dict[tuple[str, str], tuple[Role | None, str]] = {
    ("GET", "/healthz"): (OPEN, "none"),
    ("GET", "/readyz"): (OPEN, "none"),
    ("GET", "/metrics"): (OPEN, "none"),
    ("GET", "/v2/video/segments"): (VIEWER, "list"),
    ("PUT", "/v2/video/cameras/{camera_id}"): (ADMIN, "made camera"),
    ("DELETE", "/v2/video/cameras/{camera_id}"): (ADMIN, "made camera"),
    ("POST", "/v2/video/bulk"): (OPERATOR, "bulk"),
    ("GET", "/v2/video/segments/{segment_id}"): (VIEWER, "segment"),
    ("PATCH", "/v2/video/segments/{segment_id}"): (OPERATOR, "segment"),
    ("DELETE", "/v2/video/segments/{segment_id}"): (ADMIN, "segment"),
    ("GET", "/v2/video/segments/{segment_id}/download"): (VIEWER, "segment"),
    ("HEAD", "/v2/video/segments/{segment_id}/download"): (VIEWER, "segment"),
    ("GET", "/v2/video/segments/{segment_id}/thumbnail"): (VIEWER, "segment"),
    ("GET", "/v2/video/segments/{segment_id}/strip.jpg"): (VIEWER, "segment"),
    ("GET", "/v2/video/segments/{segment_id}/strip.json"): (VIEWER, "segment"),
    ("GET", "/v2/video/segments/{segment_id}/stream.m3u8"): (VIEWER, "stream"),
    ("GET", "/v2/video/segments/{segment_id}/hls/{from_ms}-{to_ms}.mp4"): (VIEWER, "stream"),
    ("GET", "/v2/video/segments/{segment_id}/hls/{from_ms}-{to_ms}.m4s"): (VIEWER, "stream"),
    ("GET", "/v2/video/segments/{segment_id}/export"): (VIEWER, "segment"),
    ("GET", "/v2/video/segments/{segment_id}/shares"): (OPERATOR, "segment"),
    ("POST", "/v2/video/segments/{segment_id}/shares"): (OPERATOR, "shared"),
    ("DELETE", "/v2/video/shares/{share_id}"): (OPERATOR, "share"),
    ("POST", "/v2/video/shared"): (OPEN, "none"),
    ("GET", "/v2/video/shared/clip"): (OPEN, "none"),
    ("GET", "/v2/video/incident/export"): (VIEWER, "incident"),
    ("GET", "/v2/video/signing-key"): (VIEWER, "none"),
    ("GET", "/v2/video/events"): (VIEWER, "endless"),
    ("GET", "/v2/video/cameras/{camera_id}/live.mjpeg"): (VIEWER, "endless"),
    ("GET", "/v2/video/by-detection/{detection_id}"): (VIEWER, "detection"),
    ("GET", "/v2/video/timeline"): (VIEWER, "time"),
    ("GET", "/v2/video/passes"): (VIEWER, "list"),
    ("GET", "/v2/video/passes/{pass_id}"): (VIEWER, "pass"),
    ("GET", "/v2/video/passes/{pass_id}/plate.jpg"): (VIEWER, "picture"),
    ("GET", "/v2/video/passes/{pass_id}/scene.jpg"): (VIEWER, "picture"),
    ("PATCH", "/v2/video/passes/{pass_id}"): (OPERATOR, "pass"),
    ("POST", "/v2/video/passes/{pass_id}/acknowledge"): (OPERATOR, "hit"),
    ("GET", "/v2/video/plates/{plate}"): (VIEWER, "list"),
    ("GET", "/v2/video/plates/{plate}/export"): (ADMIN, "all"),
    ("POST", "/v2/video/plates/{plate}/erase"): (ADMIN, "all"),
    ("GET", "/v2/video/detections"): (VIEWER, "list"),
    ("GET", "/v2/video/detections/{detection_id}"): (VIEWER, "detection"),
    ("POST", "/v2/video/detections"): (OPERATOR, "published"),
    ("POST", "/v2/video/plate-recognizer"): (OPERATOR, "read"),
    ("GET", "/v2/video/lists"): (LISTS, "all"),
    ("POST", "/v2/video/lists"): (LISTS, "all"),
    ("POST", "/v2/video/list-preview"): (LISTS, "all"),
    ("GET", "/v2/video/lists/{name}"): (LISTS, "all"),
    ("PATCH", "/v2/video/lists/{name}"): (LISTS, "all"),
    ("DELETE", "/v2/video/lists/{name}"): (LISTS, "all"),
    ("GET", "/v2/video/lists/{name}/entries"): (LISTS, "all"),
    ("POST", "/v2/video/lists/{name}/entries"): (LISTS, "all"),
    ("PATCH", "/v2/video/lists/{name}/entries/{entry_id}"): (LISTS, "all"),
    ("DELETE", "/v2/video/lists/{name}/entries/{entry_id}"): (LISTS, "all"),
    ("POST", "/v2/video/lists/{name}/import"): (LISTS, "all"),
    ("GET", "/v2/video/lists/{name}/export"): (LISTS, "all"),
    ("POST", "/v2/video/doors/{maker}"): (OPERATOR, "reported"),
    ("POST", "/v2/video/cleanup"): (ADMIN, "all"),
    ("GET", "/v2/video/jobs/{job_id}"): (VIEWER, "all"),
    ("GET", "/v2/video/stats"): (VIEWER, "list"),
    ("GET", "/v2/video/health"): (VIEWER, "list"),
    ("GET", "/v2/video/cameras"): (VIEWER, "list"),
    ("GET", "/v2/video/cameras/{camera_id}/snapshot.jpg"): (VIEWER, "camera"),
    ("GET", "/v2/video/cameras/{camera_id}/calendar"): (VIEWER, "camera"),
    ("GET", "/v2/video/cameras/{camera_id}/gaps"): (VIEWER, "camera"),
    ("POST", "/v2/video/session"): (OPEN, "none"),
    ("GET", "/v2/video/session"): (VIEWER, "none"),
    ("DELETE", "/v2/video/session"): (VIEWER, "none"),
    ("POST", "/v2/video/invitations/redeem"): (OPEN, "none"),
    ("GET", "/v2/video/keys"): (ADMIN, "all"),
    ("POST", "/v2/video/keys"): (ADMIN, "all"),
    ("DELETE", "/v2/video/keys/{name}"): (ADMIN, "all"),
    ("GET", "/v2/video/access-log"): (ADMIN, "all"),
    ("GET", "/v2/video/configuration"): (ADMIN, "all"),
}


@dataclass
class Doors:
    """The API with keys of every role, for all cameras and for one, and a clip of each camera."""

    world: World
    api: TestClient
    keys: dict[tuple[Role, bool], str]
    clips: dict[str, UUID]
    passes: dict[str, UUID]
    shares: dict[str, UUID]

    def ask(self, method: str, path: str, key: str | None = None, **more: Any) -> Any:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return self.api.request(
            method, path, headers={**headers, **more.pop("headers", {})}, **more
        )


@contextmanager
def opened(world: World) -> Iterator[Doors]:
    settings = world.settings.model_copy(update={"api_keys": SecretStr(f"boss:admin:{BOSS}")})
    access = PostgresAccessRows(world.database)
    keys = {
        (role, scoped): access.create_key(
            name=f"{role}-{scoped}",
            role=role,
            cameras=[OWN] if scoped else None,
            expires_at=None,
            who="test",
        )[1]
        for role in Role
        for scoped in (False, True)
    }
    clips = {}
    for camera in (OWN, FOREIGN):
        clips[camera] = ready(world, camera, 0)
        row = world.segments.get(clips[camera])
        world.store.put(row.file_path, bytes(1000), "video/mp4")
        world.database.execute(
            "UPDATE video_segments SET sha256 = %s WHERE id = %s",
            sha256(bytes(1000)).hexdigest(),
            clips[camera],
        )
        world.store.put(str(row.thumbnail_path), b"jpeg", "image/jpeg")
        world.store.put(str(row.strip_path), b"jpeg", "image/jpeg")
        world.film(camera, 0, 1)
        world.detections.accept([world.detection(camera, 0, f"seen-{camera}", 0.1)], 0, POLICY)
    passes = {each.camera_id: each.pass_id for each in world.passes.open_passes()}
    until = from_ms(world.clock.now_ms()) + timedelta(hours=1)
    rows = PostgresShareRows(world.database)
    shares = {camera: rows.share(clip, until, None, "test")[0].id for camera, clip in clips.items()}
    with TestClient(build(settings), base_url="http://127.0.0.1") as api:
        yield Doors(world=world, api=api, keys=keys, clips=clips, passes=passes, shares=shares)


@pytest.fixture
def doors(world: World) -> Iterator[Doors]:
    with opened(world) as found:
        yield found


@pytest.fixture(scope="module")
def shared(servers: Servers) -> Iterator[Doors]:
    """One for all endpoints: what one of them deletes is gone for the others."""
    with open_world(servers) as world, opened(world) as found:
        yield found


def _concretely(doors: Doors, path: str, kind: str, camera: str) -> tuple[str, Any]:
    """The path and body of a request that concerns a camera."""
    clip = doors.clips[camera]
    path = path.format(
        segment_id=clip,
        share_id=doors.shares[camera],
        pass_id=doors.passes[camera],
        plate="AB123CD",
        detection_id=f"{clip}-0",
        camera_id=camera,
        job_id=UUID(int=1),
        entry_id=UUID(int=1),
        name="nobody",
        maker="milesight",
        from_ms=0,
        to_ms=1000,
    )
    if kind == "made camera":
        path = f"{path}?clips=keep"
    if kind == "incident":
        path = f"{path}?segment_id={clip}"
    if kind == "time":
        path = f"{path}?from=2026-11-25T00:00:00Z&to=2026-11-26T00:00:00Z&camera_id={camera}"
    bodies: dict[str, Any] = {
        "PATCH": {"protected": False},
        "/v2/video/keys": {"name": "made"},
        "/v2/video/session": {"key": "wrong"},
        "/v2/video/shared": {"token": "wrong"},
        "/v2/video/invitations/redeem": {"token": "wrong", "name": "x"},
        "/v2/video/cleanup": {"dry_run": True},
        "/v2/video/plates/AB123CD/erase": {"dry_run": True},
        "read": {"data": {"camera_id": camera, "results": [{"plate": "ab1", "score": 0.9}]}},
        "reported": {"device": camera, "plate": "AB1", "confidence": "0.9"},
        "published": {"camera_id": camera, "confidence": 0.9},
        "pass": {"review": "confirmed"},
        "hit": {"note": "seen"},
        "made camera": {"source": "push:"},
        "shared": {"expires_in_hours": 1},
        "bulk": {"action": "unprotect", "ids": [str(clip)]},
    }
    return path, bodies.get(kind) or bodies.get(path) or (
        bodies["PATCH"] if "segments/" in path else None
    )


def test_every_endpoint_is_in_the_table(shared: Doors) -> None:
    app: Any = shared.api.app
    known = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
    }  # fmt: skip
    assert known == set(ENDPOINTS)


@pytest.mark.parametrize("endpoint", list(ENDPOINTS), ids=" ".join)
def test_role_and_camera(
    shared: Doors, endpoint: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a key 401, with too little of a role 403, of another's camera 404 (403 where it
    concerns all).
    """
    monkeypatch.setattr("services.api.routes.jobs.WAIT_SECONDS", 0.0)
    app: Any = shared.api.app
    app.state.ports.viewers.most = 0
    needed, kind = ENDPOINTS[endpoint]
    method, template = endpoint
    path, body = _concretely(shared, template, kind, OWN)
    if needed is OPEN:
        assert shared.ask(method, path, json=body).status_code != 403
        return
    assert shared.ask(method, path, json=body).status_code == 401
    for (role, scoped), key in shared.keys.items():
        for camera in (FOREIGN, OWN):
            path, body = _concretely(shared, template, kind, camera)
            status = shared.ask(method, path, key, json=body).status_code
            if role < needed:
                assert status == 403, (role, scoped, camera)
            else:
                assert _as_it_should(
                    status, kind, foreign=scoped and camera == FOREIGN, scoped=scoped
                ), (role, scoped)


def _as_it_should(status: int, kind: str, *, foreign: bool, scoped: bool) -> bool:
    """Whether an answer fits a key of sufficient role."""
    if kind == "all":
        return (status == 403) == scoped
    if kind == "made camera":  # these are the file's
        return status == (403 if scoped else 409)
    if kind == "endless":  # the most that there may be is none
        return status == 404 if foreign and status != 503 else status == 503
    if kind == "hit":  # these passes are none
        return status == 404 if foreign else status == 409
    if kind == "picture":  # their detections have no place
        return status == 404 if foreign else status in {200, 404}
    if kind == "stream":  # these clips are rows without parts or pictures
        return status == 404 if foreign else status not in {401, 403}
    if foreign and kind in {
        "segment",
        "camera",
        "detection",
        "pass",
        "share",
        "shared",
        "incident",
    }:
        return status == 404
    if foreign and kind in {"published", "read", "reported"}:
        return status == 422
    return status < 400 or status == 410  # of a clip that was deleted here


def test_lists_tell_of_own_cameras_alone(doors: Doors) -> None:
    key = doors.keys[Role.ADMIN, True]
    listed = doors.ask("GET", "/v2/video/segments", key).json()
    assert [item["camera_id"] for item in listed["items"]] == [OWN]
    assert listed["total"] == 1
    assert doors.ask("GET", f"/v2/video/segments?camera_id={FOREIGN}", key).json()["total"] == 0
    stats = doors.ask("GET", "/v2/video/stats", key).json()
    assert [row["camera_id"] for row in stats["cameras"]] == [OWN]
    assert stats["capacity"]["limit_bytes"] is None
    cameras = doors.ask("GET", "/v2/video/cameras", key).json()
    assert [item["camera_id"] for item in cameras["items"]] == [OWN]
    body = {"action": "delete", "ids": [str(doors.clips[FOREIGN]), str(doors.clips[OWN])]}
    bulk = doors.ask("POST", "/v2/video/bulk", key, json=body).json()
    assert (bulk["succeeded"], bulk["failed"]) == (1, 1)
    assert doors.world.status(doors.clips[FOREIGN]) == "ready"
    assert (
        doors.ask("POST", "/v2/video/bulk", doors.keys[Role.OPERATOR, False], json=body).status_code
        == 403
    )


def test_a_secret_is_shown_once_and_dies_with_its_key(doors: Doors) -> None:
    made = doors.ask(
        "POST", "/v2/video/keys", BOSS, json={"name": "guard", "role": "operator", "cameras": [OWN]}
    )
    assert made.status_code == 201
    secret = made.json()["secret"]
    assert doors.ask("GET", "/v2/video/session", secret).json() == {
        "name": "guard", "role": "operator", "lists": False, "cameras": [OWN], "csrf_token": None,
        "purpose_rule": "off",
    }  # fmt: skip
    listed = doors.ask("GET", "/v2/video/keys", BOSS)
    assert secret not in listed.text
    assert secret.encode() not in bytes(
        doors.world.database.fetch("SELECT * FROM api_keys")[-1]["digest"]
    )
    assert doors.ask("POST", "/v2/video/keys", BOSS, json={"name": "guard"}).status_code == 409
    assert doors.ask("DELETE", "/v2/video/keys/guard", BOSS).status_code == 204
    assert doors.ask("GET", "/v2/video/session", secret).status_code == 401
    assert doors.ask("DELETE", "/v2/video/keys/nobody", BOSS).status_code == 404
    log = doors.ask("GET", "/v2/video/access-log?limit=1000", BOSS).json()["items"]
    assert {("boss", "key.create"), ("boss", "key.revoke")} <= {
        (item["who"], item["action"]) for item in log
    }


def test_an_operators_key_may_have_the_right_to_the_lists(doors: Doors) -> None:
    """And so has its session, as long as the key."""
    given = {"name": "desk", "role": "operator", "lists": True}
    secret = doors.ask("POST", "/v2/video/keys", BOSS, json=given).json()["secret"]
    (shown,) = [
        each
        for each in doors.ask("GET", "/v2/video/keys", BOSS).json()["items"]
        if each["name"] == "desk"
    ]
    assert shown["lists"] is True
    assert doors.ask("GET", "/v2/video/session", secret).json()["lists"] is True
    made = doors.ask("POST", "/v2/video/lists", secret, json={"name": "staff", "kind": "known"})
    assert made.status_code == 201
    for key in (doors.keys[Role.OPERATOR, False], doors.keys[Role.VIEWER, False]):
        for method, path in (("GET", ""), ("GET", "/staff/entries"), ("DELETE", "/staff")):
            refused = doors.ask(method, f"/v2/video/lists{path}", key)
            assert refused.status_code == 403
            assert "right to the lists" in refused.json()["detail"]
    assert doors.ask("POST", "/v2/video/session", json={"key": secret}).status_code == 201
    assert doors.ask("GET", "/v2/video/session").json()["lists"] is True
    assert doors.ask("GET", "/v2/video/lists").status_code == 200
    listed = doors.ask("GET", "/v2/video/passes").json()["items"]
    assert [each["lists"] for each in listed] == [[] for _ in listed]
    hidden = doors.ask("GET", "/v2/video/passes", doors.keys[Role.OPERATOR, False]).json()["items"]
    assert [each["lists"] for each in hidden] == [None for _ in hidden]
    viewer = {"name": "guest", "role": "viewer", "lists": True}
    assert doors.ask("POST", "/v2/video/keys", BOSS, json=viewer).status_code == 422
    scoped = {"name": "gate", "role": "operator", "lists": True, "cameras": [OWN]}
    one = doors.ask("POST", "/v2/video/keys", BOSS, json=scoped).json()["secret"]
    assert doors.ask("GET", "/v2/video/lists", one).status_code == 403


def test_a_key_expires(doors: Doors) -> None:
    access = PostgresAccessRows(doors.world.database)
    soon = from_ms(doors.world.clock.now_ms()) + timedelta(days=1)
    key, secret = access.create_key(
        name="short", role=Role.VIEWER, cameras=None, expires_at=soon, who="test"
    )
    assert doors.ask("GET", "/v2/video/session", secret).status_code == 200
    doors.world.database.execute("UPDATE api_keys SET expires_at = now() WHERE id = %s", key.key_id)
    assert doors.ask("GET", "/v2/video/session", secret).status_code == 401
    with pytest.raises(Conflict, match="short"):
        access.create_key(name="short", role=Role.VIEWER, cameras=None, expires_at=None, who="test")
    past = {"name": "late", "expires_at": "2020-01-01T00:00:00Z"}
    assert doors.ask("POST", "/v2/video/keys", BOSS, json=past).status_code == 422


def test_a_session_needs_its_token_for_changes(doors: Doors) -> None:
    operator = doors.keys[Role.OPERATOR, False]
    opened = doors.ask("POST", "/v2/video/session", json={"key": operator})
    assert opened.status_code == 201
    cookie = opened.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert operator not in cookie
    path = f"/v2/video/segments/{doors.clips[OWN]}"
    assert doors.ask("GET", path).status_code == 200
    assert doors.ask("PATCH", path, json={"protected": True}).status_code == 403
    csrf = {"X-CSRF-Token": opened.json()["csrf_token"]}
    assert (
        doors.ask("PATCH", path, json={"protected": True}, headers=csrf).json()["protected_by"]
        == "operator-False"
    )
    assert doors.ask("GET", "/v2/video/session").json()["csrf_token"] == csrf["X-CSRF-Token"]
    assert doors.ask("DELETE", "/v2/video/session", headers=csrf).status_code == 204
    assert doors.ask("GET", path).status_code == 401


def test_a_session_ends_with_the_key_it_was_opened_with(doors: Doors) -> None:
    doors.ask("POST", "/v2/video/session", json={"key": doors.keys[Role.VIEWER, False]})
    assert doors.ask("GET", "/v2/video/session").status_code == 200
    PostgresAccessRows(doors.world.database).revoke_key("viewer-False", "test")
    assert doors.ask("GET", "/v2/video/session").status_code == 401
    doors.ask("POST", "/v2/video/session", json={"key": BOSS})
    assert doors.ask("GET", "/v2/video/session").status_code == 200
    other = doors.world.settings.model_copy(
        update={"api_keys": SecretStr("new:admin:another-secret-of-length")}
    )
    with TestClient(
        build(other), base_url="http://127.0.0.1", cookies=doors.api.cookies
    ) as restarted:
        assert restarted.get("/v2/video/session").status_code == 401


def test_wrong_keys_are_limited(doors: Doors) -> None:
    for _ in range(MOST_FAILURES):
        assert doors.ask("GET", "/v2/video/session", "wrong").status_code == 401
    refused = doors.ask("GET", "/v2/video/session", "wrong")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert doors.ask("POST", "/v2/video/session", json={"key": "wrong"}).status_code == 429
    assert doors.ask("GET", "/v2/video/session", BOSS).status_code == 200, (
        "a right key never waits for wrong ones"
    )
    assert doors.ask("POST", "/v2/video/session", json={"key": BOSS}).status_code == 201
    refused_logins = doors.world.database.fetch(
        "SELECT * FROM access_log WHERE action = 'session.refused'"
    )
    assert refused_logins == []


def test_pages_of_other_sites_are_refused(world: World) -> None:
    """Without keys, on loopback, only this machine's own pages and programs are listened to."""
    clip = ready(world, "cam1", 0)
    path = f"/v2/video/segments/{clip}"
    with TestClient(build(world.settings), base_url="http://127.0.0.1:8080") as api:
        assert api.get(path).status_code == 200
        assert api.get(path, headers={"Host": "rebound.example"}).status_code == 421
        for header in (
            {"Origin": "https://evil.example"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Origin": "null"},
        ):
            assert api.delete(path, headers=header).status_code == 403, header
        own = {"Origin": "http://127.0.0.1:8080", "Sec-Fetch-Site": "same-origin"}
        assert api.delete(path, headers=own).status_code == 204
        PostgresAccessRows(world.database).create_key(
            name="first", role=Role.ADMIN, cameras=None, expires_at=None, who="test"
        )
        assert api.get(path).status_code == 401, "once there is a key, it is needed"


def test_only_a_trusted_proxy_names_its_client(doors: Doors) -> None:
    api_settings = doors.world.settings.api.model_validate({"trusted_proxies": ["10.0.0.0/8"]})
    settings = doors.world.settings.model_copy(
        update={"api": api_settings, "api_keys": SecretStr(f"boss:admin:{BOSS}")}
    )
    app = build(settings)
    named = {
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Proto": "https",
        "Host": "clips.example",
    }
    with (
        TestClient(app, base_url="http://clips.example", client=("10.1.2.3", 5000)) as behind,
        TestClient(app, base_url="http://clips.example", client=("198.51.100.7", 5000)) as direct,
    ):
        for _ in range(MOST_FAILURES):
            assert (
                behind.get(
                    "/v2/video/session", headers={**named, "Authorization": "Bearer no"}
                ).status_code
                == 401
            )
        assert (
            behind.get(
                "/v2/video/session", headers={**named, "Authorization": "Bearer no"}
            ).status_code
            == 429
        )
        other = {"X-Forwarded-For": "203.0.113.10", "Authorization": f"Bearer {BOSS}"}
        assert behind.get("/v2/video/session", headers=other).status_code == 200
        spoofed = {**named, "Authorization": f"Bearer {BOSS}"}
        assert direct.get("/v2/video/session", headers=spoofed).status_code == 200, (
            "its own address has a clean slate"
        )
        assert (
            "Secure"
            in behind.post(
                "/v2/video/session", json={"key": BOSS}, headers={"X-Forwarded-Proto": "https"}
            ).headers["set-cookie"]
        )
        assert (
            "Secure"
            not in direct.post("/v2/video/session", json={"key": BOSS}, headers=named).headers[
                "set-cookie"
            ]
        )


def test_every_answer_has_the_headers_of_a_shut_door(doors: Doors) -> None:
    for path in ("/healthz", "/v2/video/segments", "/nothing", "/docs"):
        headers = doors.ask("GET", path, BOSS).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert doors.ask("GET", f"/v2/video/segments?plate={'x' * 9000}", BOSS).status_code == 414


def test_a_trusted_proxy_names_who_it_let_in(doors: Doors) -> None:
    given = {
        "trusted_proxies": ["10.0.0.0/8"], "proxy_user_header": "X-Forwarded-User",
        "proxy_role_header": "X-Forwarded-Role",
    }  # fmt: skip
    settings = doors.world.settings.model_copy(
        update={"api": doors.world.settings.api.model_validate(given)}
    )
    app = build(settings)
    path = f"/v2/video/segments/{doors.clips[OWN]}"
    with (
        TestClient(app, base_url="http://clips.example", client=("10.1.2.3", 5000)) as behind,
        TestClient(app, base_url="http://clips.example", client=("198.51.100.7", 5000)) as direct,
    ):
        ann = {"X-Forwarded-User": "ann", "X-Forwarded-Role": "operator"}
        assert behind.get("/v2/video/session", headers=ann).json()["role"] == "operator"
        assert (
            behind.patch(path, headers=ann, json={"protected": True}).json()["protected_by"]
            == "ann"
        )
        evil = {**ann, "Origin": "https://evil.example"}
        assert behind.patch(path, headers=evil, json={"protected": False}).status_code == 403
        headers = {"X-Forwarded-User": "bob", "X-Forwarded-Role": ""}
        assert behind.get("/v2/video/session", headers=headers).json()["role"] == "viewer"
        assert (
            behind.get(
                "/v2/video/session", headers={**headers, "X-Forwarded-Role": "emperor"}
            ).status_code
            == 400
        )
        assert direct.get("/v2/video/session", headers=ann).status_code == 401
    with pytest.raises(ValueError, match="trusted_proxies"):
        doors.world.settings.api.model_validate({"proxy_user_header": "X-Forwarded-User"})
