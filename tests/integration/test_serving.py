"""Downloads, evidence, live pictures and events, over real servers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from fastapi.testclient import TestClient

from platereel.verification import verify
from services.api.media.streams import Viewers
from services.api.wiring import build
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.events import RedisEvents
from shared.adapters.redis.servers import OneServer
from shared.domain.errors import BadInput
from shared.wire.keys import Keys
from tests.support.archives import streamed
from tests.support.evidence import clip_manifest
from tests.support.http import request
from tests.support.rows import CLIP, clip_of
from tests.support.waiting import WAIT_SECONDS
from tests.support.world import World


def test_a_store_with_a_public_address_takes_downloads(world: World, api: TestClient) -> None:
    """307 to a signed URL that works without any key of ours, with the file's name; through=true
    stays here.
    """
    segment_id = clip_of(world)
    path = f"/v2/video/segments/{segment_id}/download"
    assert api.get(path).content == CLIP
    url = world.settings.storage_url
    assert url is not None
    public = "http://" + url.get_secret_value().split("@")[1].split("/")[0]
    settings = world.settings.model_copy(update={"storage_public_url": public})
    with TestClient(build(settings), base_url="http://127.0.0.1") as elsewhere:
        assert (
            elsewhere.get(f"{path}?through=true", headers={"Range": "bytes=0-0"}).status_code == 206
        )
        answer = elsewhere.get(path, follow_redirects=False)
        assert answer.status_code == 307
        location = answer.headers["location"]
        assert location.startswith(public)
        fetched = request("GET", location, headers={"Range": "bytes=256-511"})
        assert (fetched.status, fetched.data) == (206, CLIP[256:512])
        assert "AB123CD" in fetched.headers["Content-Disposition"]
        assert elsewhere.get(f"{path}?through=true").content == CLIP
        assert elsewhere.head(path).headers["content-length"] == str(len(CLIP))
    whole = {"bytes": f"0-{len(CLIP) - 1}/{len(CLIP)}"}
    assert lines(world, "download") == [
        whole,
        {"bytes": f"0-0/{len(CLIP)}"},
        {"by": "store"},
        whole,
    ]


def lines(world: World, action: str) -> list[dict[str, Any]]:
    rows = world.database.fetch(
        "SELECT details FROM access_log WHERE action = %s ORDER BY id", action
    )
    return [row["details"] for row in rows]


def test_a_download_is_logged_by_the_bytes_that_are_sent(world: World, api: TestClient) -> None:
    """However a range is written: all bytes that leave are in the log, and no request that sends
    none.
    """
    path = f"/v2/video/segments/{clip_of(world)}/download"
    size, whole = len(CLIP), f"0-{len(CLIP) - 1}/{len(CLIP)}"
    etag = api.head(path, headers={"Range": "bytes=0-9"}).headers["etag"]
    for header, status in (
        ({"If-None-Match": etag}, 304),
        ({"If-Match": '"another"'}, 412),
        ({"Range": f"bytes={size}-"}, 416),
        ({"Range": "bytes=-0"}, 416),
    ):
        assert api.get(path, headers=header).status_code == status
    assert lines(world, "download") == []
    for span, status, told in (
        ("bytes=1-", 206, f"1-{size - 1}/{size}"),
        ("bytes=5-90", 206, None),  # which the line before tells of
        ("bytes=00-", 206, whole),
        ("bytes=5-2", 200, whole),
        ("bytes=0-0", 206, None),
        ("Bytes=0-", 206, whole),
        ("bytes=0-1,5-9", 200, whole),
        ("bytes=-" + "9" * 4301, 206, whole),
        ("bytes=0-" + "9" * 4301, 206, whole),
    ):
        before = lines(world, "download")
        answer = api.get(path, headers={"Range": span})
        assert (answer.status_code, len(answer.content) > 0) == (status, True), span
        assert lines(world, "download") == before + ([] if told is None else [{"bytes": told}]), (
            span
        )
    assert api.get(path, headers={"Range": "bytes=" + "9" * 4301 + "-"}).status_code == 416


def test_conditions_and_ranges_are_what_the_rfc_says(world: World, api: TestClient) -> None:
    path = f"/v2/video/segments/{clip_of(world)}/download"
    head = api.head(path, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(CLIP))), (
        "a range is GET's alone"
    )
    etag = head.headers["etag"]
    one = {"Range": "bytes=0-9"}
    assert api.get(path, headers={**one, "If-Range": etag}).status_code == 206
    for stale in (etag.strip('"'), f"W/{etag}", '"another"', "Wed, 25 Nov 2026 18:00:00 GMT"):
        assert api.get(path, headers={**one, "If-Range": stale}).status_code == 200, stale
    assert api.get(path, headers={**one, "If-Match": f'"x", {etag}'}).status_code == 206
    assert api.get(path, headers={"If-None-Match": f"W/{etag}"}).status_code == 304


def test_who_looks_is_logged_and_the_same_again_is_one_line(world: World, api: TestClient) -> None:
    segment_id = clip_of(world)
    world.film("cam1", 0, 1)
    for _ in range(3):
        assert api.get(f"/v2/video/segments/{segment_id}").status_code == 200
        assert api.get(f"/v2/video/segments/{segment_id}/thumbnail").status_code == 200
        assert api.get(f"/v2/video/segments/{segment_id}/strip.json").status_code == 200
        assert api.get(f"/v2/video/segments/{segment_id}/strip.jpg").status_code == 200
        assert api.get("/v2/video/cameras/cam1/snapshot.jpg").status_code == 200
        assert api.get("/v2/video/segments?plate=ab123*").status_code == 200
        assert api.get("/v2/video/by-detection/nobody").status_code == 404
    assert api.get("/v2/video/segments").status_code == 200
    assert [line["what"] for line in lines(world, "view")] == [
        "segment",
        "thumbnail",
        "strip",
        "snapshot",
    ]
    assert lines(world, "list") == [{"what": "segments", "plate": "ab123*"}, {"what": "segments"}]


def test_a_thumbnail_is_asked_for_once(world: World, api: TestClient) -> None:
    path = f"/v2/video/segments/{clip_of(world)}/thumbnail"
    first = api.get(path)
    assert first.content == b"\xff\xd8picture"
    again = api.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_evidence_is_what_was_signed(world: World, api: TestClient, tmp_path: Path) -> None:
    segment_id = clip_of(world)
    answer = api.get(f"/v2/video/segments/{segment_id}/export")
    assert answer.status_code == 200
    name = answer.headers["content-disposition"].partition('filename="')[2].rstrip('"')
    assert name.startswith("cam1_")
    assert name.endswith("_AB123CD.zip")
    path = tmp_path / name
    path.write_bytes(answer.content)
    verdict = verify(path, None)
    assert verdict.problems == []
    assert clip_manifest(verdict).segment == str(segment_id)
    key = api.get("/v2/video/signing-key").json()
    assert verdict.fingerprint == key["fingerprint"]
    assert verify(path, key["public_key"]).problems == []
    assert verify(path, key["fingerprint"]).problems == []
    (problem,) = verify(path, "of another").problems
    assert "not with the one given" in problem
    facts, clip = _read(path, "segment.json"), _read(path, name.replace(".zip", ".mp4"))
    assert json.loads(facts)["detections"][0]["plate"] == "AB123CD"
    assert clip == CLIP
    log = world.database.fetch("SELECT action FROM access_log")
    assert [row["action"] for row in log] == ["export"]


def _read(path: Path, name: str) -> bytes:
    return zipfile.ZipFile(path).read(name)


def _repacked(path: Path, change: dict[str, bytes | None], more: dict[str, bytes]) -> Path:
    """The archive with other contents of some files; None leaves a file out."""
    out = path.with_name("changed.zip")
    with zipfile.ZipFile(path) as old:
        files = {name: change.get(name, old.read(name)) for name in old.namelist()} | more
    out.write_bytes(streamed((name, data) for name, data in files.items() if data is not None))
    return out


def test_whatever_is_changed_is_found(world: World, api: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    path.write_bytes(api.get(f"/v2/video/segments/{clip_of(world)}/export").content)
    clip = next(name for name in zipfile.ZipFile(path).namelist() if name.endswith(".mp4"))
    manifest = zipfile.ZipFile(path).read("manifest.json")

    def problems(change: dict[str, bytes | None], more: dict[str, bytes] | None = None) -> str:
        return "; ".join(verify(_repacked(path, change, more or {}), None).problems)

    assert "not what was signed" in problems({clip: CLIP[:-1] + b"x"})
    assert "not what was signed" in problems({"segment.json": b"{}"})
    assert "missing" in problems({clip: None})
    assert "not in the manifest" in problems({}, {"more.txt": b"?"})
    forged = manifest.replace(b"local", b"other")
    assert forged != manifest
    assert "not a signature" in problems({"manifest.json": forged})
    for broken in (b"", b"nonsense", path.read_bytes()[:-40]):
        file = tmp_path / "broken.zip"
        file.write_bytes(broken)
        with pytest.raises(BadInput):
            verify(file, None)
    with pytest.raises(BadInput, match=r"manifest\.json"):
        verify(_repacked(path, {"manifest.json": None}, {}), None)


def test_evidence_of_another_clip_is_never_whole(world: World, api: TestClient) -> None:
    segment_id = clip_of(world)
    world.store.put(world.segments.get(segment_id).file_path, CLIP[:-1] + b"x", "video/mp4")
    refused = api.get(f"/v2/video/segments/{segment_id}/export")
    assert refused.status_code == 409
    assert "not what was recorded" in refused.json()["detail"]
    world.store.delete([world.segments.get(segment_id).file_path])
    assert api.get(f"/v2/video/segments/{segment_id}/export").status_code == 404


def test_live_pictures_follow_the_buffer(world: World, address: str) -> None:
    world.film("cam1", -1, 0)
    with urllib3.PoolManager() as pool:
        answer = pool.request(
            "GET",
            f"{address}/v2/video/cameras/cam1/live.mjpeg?fps=15",
            preload_content=False,
            timeout=WAIT_SECONDS,
        )
        assert answer.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=platereel"
        first = _picture(answer)
        world.film("cam1", 0, 1, first=50)
        newest = world.frames.newest("cam1")
        assert newest is not None
        assert newest.data != first
        # they are appended one after another: a look that comes meanwhile finds an earlier one
        while _picture(answer) != newest.data:
            pass
        answer.close()


def _picture(answer: Any) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += answer.read(1)
    length = int(head.lower().partition(b"content-length:")[2].split()[0])
    data: bytes = answer.read(length)
    assert answer.read(2) == b"\r\n"
    return data


def test_events_are_heard_and_gone_on_with(world: World, address: str) -> None:
    keys = Keys(world.settings.redis_prefix, world.settings.detections_name)
    sink = RedisEvents(world.redis, keys)
    sink.publish_all([("segment.ready", {"segment_id": "before", "camera_id": "cam1"})])
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", f"{address}/v2/video/events", preload_content=False)
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = iter(io.BufferedReader(answer, 1))
        assert _event(lines)["data"] == {}
        sink.publish_all([("segment.ready", {"segment_id": "now", "camera_id": "cam1"})])
        heard = _event(lines)
        assert (heard["event"], heard["data"]["segment_id"]) == ("segment.ready", "now")
        RedisCameras(OneServer(world.redis), keys).report("cam2", {"state": "connected"})
        assert _event(lines)["data"] == {"camera_id": "cam2", "state": "connected"}
        answer.close()
        sink.publish_all([("segment.deleted", {"segment_id": "missed", "camera_id": "cam1"})])
        again = pool.request(
            "GET",
            f"{address}/v2/video/events",
            headers={"Last-Event-ID": heard["id"]},
            preload_content=False,
        )
        lines = iter(io.BufferedReader(again, 1))
        _event(lines)
        assert _event(lines)["data"]["segment_id"] == "missed"
        again.close()


def _event(lines: Iterator[bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {"data": {}}
    for line in lines:
        text = line.decode().rstrip("\n")
        if not text:
            return found
        name, _, value = text.partition(": ")
        found[name] = json.loads(value) if name == "data" else value
    raise AssertionError("the stream ended")


def test_endless_streams_are_bounded(world: World, api: TestClient) -> None:
    app: Any = api.app
    viewers: Viewers = app.state.ports.viewers
    viewers.most = 0
    assert api.get("/v2/video/events").status_code == 503
    assert api.get("/v2/video/cameras/cam1/live.mjpeg").headers["Retry-After"]
