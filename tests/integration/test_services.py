"""Intake, pacer, API and doorway as libraries, on real servers: bad input gets an answer and harms
nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from platereel import VideoRecordingService
from services.api.wiring import build as build_api
from services.dispatch.wiring import World as Dispatch
from services.dispatch.wiring import build as build_dispatch
from shared.adapters.redis.client import redis_client
from shared.client.wiring import repositories
from shared.domain.errors import BadInput, Conflict
from shared.domain.media import Frame
from shared.runtime.configuration import ConfigurationError
from shared.runtime.settings import Settings
from tests.support.pictures import numbered_jpeg, numbered_picture
from tests.support.servers import Servers
from tests.support.waiting import WAIT_SECONDS

NOBODY = UUID(int=7)
_prefixes = count(1)
CAMERAS = {
    "gate": {"source": "rtsp://user:secretpassword@10.0.0.4/s"},
    "mine": {"source": "push:", "buffer_seconds": 2, "post_event_seconds": 2},
}


@dataclass
class Site:
    settings: Settings
    servers: Servers
    api: TestClient
    dispatch: Dispatch

    def detection(self, **change: Any) -> Any:
        body = {"camera_id": "mine", "confidence": 0.9} | change
        return self.api.post("/v2/video/detections", json=body)

    def broker(self) -> Any:
        return redis_client(
            self.settings.broker_url.get_secret_value() if self.settings.broker_url else ""
        )


@contextmanager
def doorway(site: Site, camera_id: str | None = None) -> Iterator[VideoRecordingService]:
    """A service with repositories of its own, closed at the end."""
    detections, videos = repositories(site.settings)
    try:
        yield VideoRecordingService(detections, videos, settings=site.settings, camera_id=camera_id)
    finally:
        videos.close()


@pytest.fixture
def site(servers: Servers) -> Iterator[Site]:
    name = f"site{next(_prefixes)}"
    database, bucket = servers.new_database(), servers.new_bucket()
    settings = Settings(
        cameras=CAMERAS,  # type: ignore[arg-type]
        database_url=SecretStr(database),
        frames_url=SecretStr(servers.redis_url),
        broker_url=SecretStr(servers.redis_url),
        storage_url=SecretStr(bucket),
        redis_prefix=name,
        detections_name=f"{name}-detections",
    )
    dispatch = build_dispatch(settings)
    with TestClient(build_api(settings), base_url="http://127.0.0.1") as client:
        client.app.state.ports.store.prepare()  # type: ignore[attr-defined]
        yield Site(settings, servers, client, dispatch)
    dispatch.close()
    servers.drop_database(database)
    servers.drop_bucket(bucket)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("GET", "/v2/video/segments?limit=0", None, 422, "limit"),
        ("GET", "/v2/video/segments?limit=101", None, 422, "limit"),
        ("GET", "/v2/video/segments?limit=ten", None, 422, "limit"),
        ("GET", "/v2/video/segments?offset=-1", None, 422, "offset"),
        ("GET", "/v2/video/segments?cursor=nonsense", None, 422, "cursor"),
        ("GET", "/v2/video/segments?status=lost", None, 422, "status"),
        ("GET", "/v2/video/segments?from=2026-01-01T00:00:00", None, 422, "from"),
        ("GET", "/v2/video/segments?plate=%00", None, 422, "plate"),
        ("GET", "/v2/video/segments/not-an-id", None, 422, "segment_id"),
        ("GET", f"/v2/video/segments/{NOBODY}", None, 404, "no segment"),
        ("GET", f"/v2/video/segments/{NOBODY}/download", None, 404, "no segment"),
        ("GET", "/v2/video/by-detection/unknown", None, 404, "no such detection"),
        ("GET", "/v2/video/by-detection/%00", None, 422, "NUL"),
        ("GET", "/v2/video/cameras/nowhere/snapshot.jpg", None, 404, "no such camera"),
        ("GET", "/v2/video/cameras/gate/snapshot.jpg", None, 404, "no frames"),
        ("POST", "/v2/video/cleanup?retention_days=-1", None, 422, "retention_days"),
        ("POST", "/v2/video/cleanup", {"retention_days": 1e9}, 422, "retention_days"),
        ("POST", "/v2/video/cleanup", {"days": 3}, 422, "days"),
        ("POST", "/v2/video/detections", {"camera_id": "mine"}, 422, "confidence"),
        (
            "POST",
            "/v2/video/detections",
            {"camera_id": "nope", "confidence": 0.9},
            422,
            "camera_id",
        ),
        ("POST", "/v2/video/detections", {"camera_id": "mine", "confidence": 2}, 422, "confidence"),
        (
            "POST",
            "/v2/video/detections",
            {"camera_id": "mine", "confidence": 0.9, "plate": "x" * 99},
            422,
            "plate",
        ),
        ("POST", "/v2/video/detections", [1, 2], 422, "dictionary"),
        ("PATCH", f"/v2/video/segments/{NOBODY}", {"protected": True}, 404, "no segment"),
        ("DELETE", f"/v2/video/segments/{NOBODY}", None, 404, "no segment"),
        ("GET", f"/v2/video/jobs/{NOBODY}", None, 404, "no job"),
        ("GET", "/nothing/here", None, 404, "Not Found"),
    ],
)
def test_bad_requests_are_problems_that_name_what_is_wrong(
    site: Site, method: str, path: str, body: Any, status: int, named: str
) -> None:
    response = site.api.request(method, path, json=body)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert named in problem["detail"]


def test_a_body_that_is_too_large_is_refused_unread(site: Site) -> None:
    response = site.api.post("/v2/video/detections", content=b"x" * 70_000)
    assert response.status_code == 413


def test_lists_have_a_real_total_and_cursors_that_do_not_slip(site: Site) -> None:
    ports = site.api.app.state.ports  # type: ignore[attr-defined]
    now = ports.clock.now_ms()
    for n in range(7):
        assert (
            site.detection(
                detection_id=f"d{n}", captured_at=(now - 100_000 * (n + 1)) / 1000
            ).status_code
            == 202
        )
    while site.dispatch.intake.read_stream(0.1):
        pass
    page = site.api.get("/v2/video/segments?limit=3").json()
    assert (len(page["items"]), page["total"]) == (3, 7)
    seen = [item["id"] for item in page["items"]]
    assert site.detection(detection_id="newer", captured_at=now / 1000).status_code == 202
    site.dispatch.intake.read_stream(0.1)
    while page["next_cursor"]:
        page = site.api.get(
            "/v2/video/segments", params={"limit": 3, "cursor": page["next_cursor"]}
        ).json()
        seen += [item["id"] for item in page["items"]]
    assert len(seen) == len(set(seen)) == 7
    found = site.api.get("/v2/video/by-detection/d3").json()
    assert (found["total"], found["outcome"]) == (1, "recorded")
    segment = found["items"][0]
    assert segment["detection_ids"] == "d3"
    download = site.api.get(f"/v2/video/segments/{segment['id']}/download")
    assert download.status_code == 409
    assert download.headers["retry-after"]


def test_downloads_have_ranges_conditions_and_an_end(site: Site) -> None:
    ports = site.api.app.state.ports  # type: ignore[attr-defined]
    site.detection(
        detection_id="d", plate="AB123", captured_at=(ports.clock.now_ms() - 1000) / 1000
    )
    site.dispatch.intake.read_stream(0.1)
    segment = site.api.get("/v2/video/by-detection/d").json()["items"][0]
    data = bytes(range(250))
    ports.store.put(segment["file_path"], data, "video/mp4")
    database = ports.segments._database
    database.execute("UPDATE video_segments SET status = 'finalizing' WHERE id = %s", segment["id"])
    database.execute(
        """UPDATE video_segments SET status = 'ready', sha256 = 'abc', file_size_bytes = 250, frame_count = 1,
           duration_seconds = 1, end_time = deadline WHERE id = %s""",
        segment["id"],
    )
    url = f"/v2/video/segments/{segment['id']}/download"
    whole = site.api.get(url)
    assert (whole.status_code, whole.content, whole.headers["etag"]) == (200, data, '"abc"')
    assert "mine_" in whole.headers["content-disposition"]
    assert "AB123.mp4" in whole.headers["content-disposition"]
    head = site.api.head(url)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "250")
    for given, status, expected in [
        ("bytes=0-9", 206, data[:10]), ("bytes=240-", 206, data[240:]), ("bytes=-5", 206, data[-5:]),
        ("bytes=0-999", 206, data), ("bytes=5-2", 200, data), ("bytes=0-1,4-5", 200, data), ("lines=1-2", 200, data),
    ]:  # fmt: skip
        part = site.api.get(url, headers={"Range": given})
        assert (part.status_code, part.content) == (status, expected), given
    assert site.api.get(url, headers={"Range": "bytes=250-"}).status_code == 416
    assert site.api.get(url, headers={"If-None-Match": '"abc"'}).status_code == 304
    assert (
        site.api.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200
    )
    protected = site.api.patch(
        url.removesuffix("/download"), json={"protected": True, "note": "evidence"}
    )
    assert protected.json()["protected"]
    assert site.api.delete(url.removesuffix("/download")).status_code == 409
    site.api.patch(url.removesuffix("/download"), json={"protected": False})
    assert site.api.delete(url.removesuffix("/download")).status_code == 204
    assert site.api.get(url).status_code == 410


def test_secrets_are_masked(site: Site) -> None:
    text = site.api.get("/v2/video/cameras").text
    assert "secretpassword" not in text
    assert '"rtsp://10.0.0.4"' in text


def test_health_and_documentation_need_no_other_host(site: Site) -> None:
    assert site.api.get("/healthz").json()["status"] == "ok"
    ready = site.api.get("/readyz")
    assert ready.json()["checks"] == dict.fromkeys(
        ("database", "frames", "broker", "storage"), "ok"
    )
    assert b"platereel_detections_total" in site.api.get("/metrics").content
    page = site.api.get("/docs").text
    assert "http://" not in page.replace("http://testserver", "")
    assert "https://" not in page


def test_messages_that_are_no_detections_become_dead_letters(site: Site) -> None:
    """Each with its reason; the good one between them is recorded."""
    name = site.settings.detections_name
    good = json.dumps({"camera_id": "mine", "confidence": 0.9, "detection_id": "good"})
    bad = [
        b"not json",
        b'{"camera_id": "mine"}',
        b'{"camera_id": "nowhere", "confidence": 1}',
        b"[]",
        b"\xff\xfe",
    ]
    with site.broker() as broker:
        for payload in [bad[0], bad[1], good.encode(), *bad[2:]]:
            broker.xadd(name, {"json": payload})
        broker.xadd(name, {"camera_id": "mine", "confidence": "much"})
        while site.dispatch.intake.read_stream(0.1):
            pass
        letters = broker.xrange(f"{name}:rejected")
        assert len(letters) == 6
        reasons = b" ".join(fields[b"reason"] for _, fields in letters)
        for word in (b"not JSON", b"confidence", b"nowhere", b"object"):
            assert word in reasons
        assert broker.xpending(name, "dispatch")["pending"] == 0
    assert site.api.get("/v2/video/by-detection/good").json()["outcome"] == "recorded"


def test_a_detection_that_cannot_be_stored_does_not_hold_up_the_others(site: Site) -> None:
    """JSON that validates and that no database takes: a dead letter, once; its neighbours are
    recorded.
    """
    name = site.settings.detections_name
    now = site.api.app.state.ports.clock.now_ms()  # type: ignore[attr-defined]
    bodies = [
        {
            "detection_id": f"d{n}",
            "camera_id": "mine",
            "confidence": 0.9,
            "captured_at": (now - 9000 + n) / 1000,
        }
        for n in range(4)
    ]
    bodies[1]["attributes"] = {"note": "\ud800"}
    bodies[2]["plate"] = "\ud800"
    with site.broker() as broker:
        for body in bodies:
            broker.xadd(name, {"json": json.dumps(body)})
        while site.dispatch.intake.read_stream(0.1):
            pass
        assert broker.xlen(f"{name}:rejected") == 2
        assert broker.xpending(name, "dispatch")["pending"] == 0
    for good in ("d0", "d3"):
        assert site.api.get(f"/v2/video/by-detection/{good}").json()["outcome"] == "recorded"
    refused = site.api.post("/v2/video/detections", content=json.dumps(bodies[1]))
    assert refused.status_code == 422


def test_a_lost_hint_is_found_in_the_rows(site: Site) -> None:
    """The broker is wiped after the 202: the detection is recorded all the same."""
    assert site.detection(detection_id="d").status_code == 202
    with site.broker() as broker:
        broker.delete(site.settings.detections_name)
    database = site.api.app.state.ports.segments._database  # type: ignore[attr-defined]
    database.execute("UPDATE detections SET created_at = now() - interval '2 s'")
    assert site.dispatch.intake.read_pending() == 1
    assert site.api.get("/v2/video/by-detection/d").json()["outcome"] == "recorded"


def test_one_message_by_two_dispatchers_from_pubsub_is_forwarded_once(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    # however much later the second one hears it here
    monkeypatch.setattr("shared.adapters.redis.detections.SAME_MESSAGE_MS", 60_000)
    other = build_dispatch(site.settings)
    name = site.settings.detections_name
    with site.broker() as broker:
        for world in (site.dispatch, other):
            world.intake.read_channel(WAIT_SECONDS)  # until the broker says: subscribed
        broker.publish(name, b'{"camera_id": "mine", "confidence": 0.9}')
        heard = [world.intake.read_channel(WAIT_SECONDS) for world in (site.dispatch, other)]
        assert sorted(heard) == [0, 1]
        assert broker.xlen(name) == 1
    other.close()


def test_two_pacers_side_by_side_offer_everything_once(site: Site) -> None:
    """A part and a segment are published by one of them, however their rounds interleave."""
    other = build_dispatch(site.settings)
    frames = site.dispatch.intake._ports.frames
    start = site.api.app.state.ports.clock.now_ms() - 20_000  # type: ignore[attr-defined]
    limits = {"mine": site.settings.limits("mine")}
    film = [
        Frame(
            camera_id="mine",
            captured_ms=start + n * 200,
            data=numbered_jpeg(n),
            counter=n,
            run_id="run",
        )
        for n in range(60)
    ]
    frames.append(film[:21], limits)
    site.detection(detection_id="d", captured_at=(start + 4000) / 1000)
    site.dispatch.intake.read_stream(0.2)
    frames.append(film[21:], limits)
    with site.broker() as broker:
        broker.delete("parts", "finalise")
        with ThreadPoolExecutor(2) as pool:
            list(
                pool.map(
                    lambda world: [world.pacer.tick() for _ in range(10)], (site.dispatch, other)
                )
            )
        sent = [
            json.loads(message)["headers"]["kwargsrepr"]
            for message in broker.lrange("parts", 0, -1)
        ]
        parts = site.dispatch.deployment.database.fetch(
            "SELECT id, state, offer FROM segment_parts"
        )
        assert len(parts) == len(sent) == len(set(sent)) == 2
        assert {(part["state"], part["offer"]) for part in parts} == {("queued", 1)}
        broker.delete("parts")
    other.close()


def test_keys_have_roles_and_are_needed_beyond_loopback(site: Site) -> None:
    beyond = site.settings.model_copy(
        update={"api": site.settings.api.model_copy(update={"host": "0.0.0.0"})}
    )
    with pytest.raises(ConfigurationError, match="only on loopback"):
        build_api(beyond)
    keys = "eye:viewer:viewer-secret-123456,hand:operator:operator-secret-1234,boss:admin:admin-secret-1234567"
    with TestClient(build_api(beyond.model_copy(update={"api_keys": SecretStr(keys)}))) as api:
        assert api.get("/v2/video/segments").status_code == 401
        assert (
            api.get("/v2/video/segments", headers={"Authorization": "Bearer wrong"}).status_code
            == 401
        )
        viewer = {"Authorization": "Bearer viewer-secret-123456"}
        operator = {"Authorization": "Bearer operator-secret-1234"}
        assert api.get("/v2/video/segments", headers=viewer).status_code == 200
        body = {"camera_id": "mine", "confidence": 0.9}
        assert api.post("/v2/video/detections", json=body, headers=viewer).status_code == 403
        assert api.post("/v2/video/detections", json=body, headers=operator).status_code == 202
        assert api.post("/v2/video/cleanup", headers=operator).status_code == 403


def test_the_doorway_pushes_frames_and_publishes_detections(site: Site) -> None:
    async def detector(service: VideoRecordingService) -> None:
        start = site.api.app.state.ports.clock.now_ms() / 1000 - 5  # type: ignore[attr-defined]
        for n in range(30):
            frame = numbered_picture(n) if n % 2 else numbered_jpeg(n)
            await service.add_frame(frame, start + n / 15)
        await service.add_frame(numbered_jpeg(3), start)
        assert service.frames_dropped == 1
        await service.trigger_recording("door-1", plate="AB123CD")
        await service.trigger_recording("door-1", plate="AB123CD")
        with pytest.raises(BadInput, match="frame"):
            await service.add_frame(numbered_picture(1)[:, :, 0], start + 10)
        with pytest.raises(BadInput, match="frame"):
            await service.add_frame(b"no picture", start + 10)
        with pytest.raises(BadInput, match="timestamp"):
            await service.add_frame(numbered_jpeg(1), start + 1000)
        with pytest.raises(BadInput, match="detection_id"):
            await service.trigger_recording("two words")
        with pytest.raises(BadInput, match="camera_id"):
            await service.trigger_recording("door-2", camera_id="nowhere")
        with pytest.raises(BadInput, match="retention_days"):
            await service.cleanup_old_videos(-1)

    async def whole(service: VideoRecordingService) -> None:
        await detector(service)
        site.dispatch.intake.read_stream(0.2)
        found = site.api.get("/v2/video/by-detection/door-1").json()
        assert found["outcome"] == "recorded"
        assert str(await service.stop_recording()) == found["items"][0]["id"]
        assert await service.stop_recording() is None
        await service.close()

    with doorway(site) as service:
        asyncio.run(whole(service))
    bounds = site.dispatch.intake._ports.frames.bounds(["mine"])["mine"]
    assert bounds.newest_ms - bounds.oldest_ms == 29 * 1000 // 15


def test_a_camera_belongs_to_one_process(site: Site) -> None:
    async def both(first: VideoRecordingService, second: VideoRecordingService) -> None:
        now = site.api.app.state.ports.clock.now_ms() / 1000  # type: ignore[attr-defined]
        await first.add_frame(numbered_jpeg(1), now)
        second._world.leases.acquire("mine", "somebody else", 3)
        object.__setattr__(second._world, "owner", "a second process")
        with pytest.raises(Conflict, match="another process"):
            await second.add_frame(numbered_jpeg(1), now + 1)
        await first.close()
        await second.close()

    with doorway(site) as first, doorway(site, "mine") as second:
        asyncio.run(both(first, second))
    with pytest.raises(BadInput, match="push:"), doorway(site, "gate"):
        pass
