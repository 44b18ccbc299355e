"""Evidence of an incident: several clips in one archive, under one signature."""

from __future__ import annotations

import json
import zipfile
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from platereel import ApiClient
from platereel.verification import verify
from services.api.wiring import build
from shared.adapters.postgres.access import PostgresAccessRows
from shared.domain.access import Role
from shared.domain.purpose import PurposeRule
from shared.runtime.sections import AccessSettings
from shared.wire.incident_evidence import IncidentManifest
from tests.support.commands import Run
from tests.support.rows import ready
from tests.support.world import World

PATH = "/v2/video/incident/export"


def made_clip(world: World, camera: str, at_s: float) -> UUID:
    content = f"{camera} {at_s}".encode() * 900
    segment_id = ready(world, camera, at_s, ["AB123CD"], size=len(content))
    row = world.segments.get(segment_id)
    world.store.put(row.file_path, content, "video/mp4")
    world.store.put(str(row.thumbnail_path), b"\xff\xd8picture", "image/jpeg")
    world.database.execute(
        "UPDATE video_segments SET sha256 = %s WHERE id = %s",
        sha256(content).hexdigest(),
        segment_id,
    )
    return segment_id


@pytest.fixture
def clips(world: World) -> list[UUID]:
    """The later one first."""
    return [made_clip(world, "cam2", 10), made_clip(world, "cam1", 0)]


def fingerprint_of(api: TestClient) -> str:
    return str(api.get("/v2/video/signing-key").json()["fingerprint"])


def test_one_archive_has_all_clips(
    world: World, api: TestClient, clips: list[UUID], tmp_path: Path
) -> None:
    asked = {"segment_id": [str(each) for each in [*clips, clips[0]]], "title": "At the gate"}
    answer = api.get(PATH, params=asked, headers={"X-Purpose": "case 7"})
    assert answer.status_code == 200, answer.text
    assert "incident_" in answer.headers["content-disposition"]
    path = tmp_path / "incident.zip"
    path.write_bytes(answer.content)
    verdict = verify(path, fingerprint_of(api))
    assert (verdict.ok, verdict.problems) == (True, [])
    manifest = verdict.manifest
    assert isinstance(manifest, IncidentManifest)
    assert (manifest.title, manifest.made_by) == ("At the gate", "local")
    assert [each.segment for each in manifest.clips] == [str(clips[1]), str(clips[0])]
    with zipfile.ZipFile(path) as zipped:
        for each in manifest.clips:
            film = zipped.read(each.clip.name)
            assert sha256(film).hexdigest() == world.segments.get(UUID(each.segment)).sha256
            inside = {
                name.removeprefix(f"{each.folder}/")
                for name in zipped.namelist()
                if name.startswith(each.folder)
            }
            assert {"segment.json", "passes.json", "clocks.json", "viewer.html"} <= inside
            page = zipped.read(f"{each.folder}/viewer.html").decode()
            assert each.clip.name.rpartition("/")[2] in page
            log = json.loads(zipped.read(f"{each.folder}/access-log.json"))
            assert log["lines"][-1]["details"] == {"what": "incident", "clips": 2}
    lines = world.database.fetch("SELECT action, purpose, segment_id FROM access_log")
    assert {(line["action"], line["purpose"], line["segment_id"]) for line in lines} == {
        ("export", "case 7", each) for each in clips
    }


def test_a_changed_clip_is_found_before_the_first_byte(
    world: World, api: TestClient, clips: list[UUID]
) -> None:
    row = world.segments.get(clips[0])
    world.store.put(row.file_path, b"another film", "video/mp4")
    answer = api.get(PATH, params={"segment_id": [str(each) for each in clips]})
    assert (answer.status_code, "not what was recorded" in answer.json()["detail"]) == (409, True)
    assert world.database.fetch("SELECT FROM access_log") == []


def test_what_cannot_be_had_is_named(world: World, api: TestClient, clips: list[UUID]) -> None:
    unfinished = ready(world, "cam3", 0, status="finalizing")
    for other, status in ((unfinished, 409), (UUID(int=1), 404)):
        answer = api.get(PATH, params={"segment_id": [str(clips[0]), str(other)]})
        assert (answer.status_code, str(other) in answer.json()["detail"]) == (status, True)
    assert api.delete(f"/v2/video/segments/{clips[1]}").status_code == 204
    gone = api.get(PATH, params={"segment_id": [str(each) for each in clips]})
    assert gone.status_code == 410
    for asked, field in (
        ({}, "segment_id"),
        ({"segment_id": ["x"]}, "segment_id"),
        ({"segment_id": [str(UUID(int=n)) for n in range(17)]}, "segment_id"),
        ({"segment_id": [str(clips[0])], "title": "x" * 201}, "title"),
        ({"segment_id": [str(clips[0])], "title": "a\u200bb"}, "title"),
        ({"segment_id": [str(clips[0])], "tz": "Mars"}, "tz"),
    ):
        refused = api.get(PATH, params=asked)
        assert (refused.status_code, field in json.dumps(refused.json()["errors"])) == (422, True)


def test_another_cameras_clip_is_unknown_and_a_purpose_may_be_required(
    world: World, clips: list[UUID]
) -> None:
    _, secret = PostgresAccessRows(world.database).create_key(
        name="guard", role=Role.VIEWER, cameras=["cam1"], expires_at=None, who="test"
    )
    access = AccessSettings(purpose=PurposeRule.REQUIRED)
    settings = world.settings.model_copy(update={"access": access, "api_keys": SecretStr("")})
    with TestClient(build(settings), base_url="http://127.0.0.1") as api:
        api.headers["Authorization"] = f"Bearer {secret}"
        both = {"segment_id": [str(each) for each in clips]}
        assert api.get(PATH, params=both, headers={"X-Purpose": "x"}).status_code == 404
        own = {"segment_id": [str(clips[1])]}
        assert api.get(PATH, params=own).status_code == 422
        assert api.get(PATH, params=own, headers={"X-Purpose": "x"}).status_code == 200


def test_the_client_fetches_it_and_the_command_verifies_it(
    world: World, clips: list[UUID], address: str, run: Run, tmp_path: Path
) -> None:
    with ApiClient(address) as client:
        path = client.export_incident(clips, tmp_path / "i.zip", title="At the gate")
    said = run("verify", str(path))
    assert (said.returncode, "an incident (At the gate) of 2 clips" in said.stdout) == (2, True)
    assert f"segment {clips[0]}" in said.stdout
    told = json.loads(run("verify", str(path), "--json").stdout)
    assert [each["segment"] for each in told["clips"]] == [str(clips[1]), str(clips[0])]
    assert (told["title"], told["problems"]) == ("At the gate", [])
