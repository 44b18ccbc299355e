"""What an archive of evidence tells of its clip, and the copies in it, over real servers."""

from __future__ import annotations

import io
import json
import zipfile
from contextlib import ExitStack
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from platereel import ApiClient, ApiError
from platereel.verification import verify
from services.api.media import copies
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.domain.found_passes import Review
from shared.domain.media import Box
from shared.domain.plate_lists import IgnoredReads, ListKind, ListSettings
from shared.domain.policy import Reads, Record, RecordingPolicy
from tests.support.clips import frames_of
from tests.support.commands import Run
from tests.support.evidence import (
    OURS,
    THEIRS,
    TIMES,
    Archive,
    Read,
    clip_manifest,
    found_passes,
    recorded,
    saw,
)
from tests.support.rows import ready
from tests.support.world import World


def test_an_archive_tells_who_passed(world: World, api: TestClient, tmp_path: Path) -> None:
    segment_id = recorded(world, tmp_path)
    saw(world, [Read(-5_000, OURS, None), Read(30_000, "ZZ999", None)])
    (ours,) = [each for each in found_passes(api) if each["plate"] == OURS]
    world.passes.review(UUID(ours["id"]), Review.CONFIRMED, None, "seen </script>", "ann")
    key = f"pictures/{ours['best_at'][:10]}/{ours['id']}-plate.jpg"
    world.store.put(key, b"\xff\xd8plate", "image/jpeg")
    archive = Archive(api, segment_id, tmp_path)
    told = archive.json("passes.json")
    assert [each["plate"] for each in told["passes"]] == [OURS, THEIRS]
    first, second = told["passes"]
    assert (first["reads"], first["variants"][0]["plate"]) == (3, OURS)
    assert [(each["offset_ms"], each["bbox"]) for each in first["reads_in_clip"]] == [
        (600, [200, 110, 80, 24]), (1000, None),
    ]  # fmt: skip
    assert [each["offset_ms"] for each in second["reads_in_clip"]] == [400, 900]
    assert (first["reviews"][0]["who"], first["reviews"][0]["note"]) == ("ann", "seen </script>")
    assert (archive.folder / "pictures" / f"{ours['id']}-plate.jpg").read_bytes()[2:] == b"plate"
    assert archive.json("segment.json")["detections"][0]["offset_ms"] == 600
    manifest = archive.manifest
    assert (manifest.has_clip, manifest.overlay, manifest.redaction) == (True, None, None)
    assert "platereel-not-blurred" not in archive.headers


def test_an_archive_tells_of_clocks_and_of_who_looked(
    world: World, api: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment_id = recorded(world, tmp_path)
    api.get(f"/v2/video/segments/{segment_id}/download")
    api.get(f"/v2/video/segments/{ready(world, 'cam1', 50)}")
    archive = Archive(api, segment_id, tmp_path)
    log = archive.json("access-log.json")
    assert [(line["action"], line["who"]) for line in log["lines"]] == [
        ("download", "local"), ("export", "local"),
    ]  # fmt: skip
    assert (log["truncated"], log["lines"][1]["details"]) == (False, {})
    clocks = archive.json("clocks.json")
    assert [each["name"] for each in clocks["servers"]] == ["database", "frames Redis"]
    for each in clocks["servers"]:
        assert abs(each["offset_ms"]) <= 1000 + each["uncertainty_ms"]
    assert clocks["camera"]["own_clock_used"] is True
    assert "their sender gave them" in clocks["camera"]["told"]
    app: Any = api.app
    ports = app.state.ports
    ports.settings.cameras["cam1"] = replace_source(ports.settings.cameras["cam1"])
    monkeypatch.setattr(copies, "MOST_PIXELS", 1)  # which concerns no plain export
    again = Archive(api, segment_id, tmp_path).json("clocks.json")["camera"]
    assert again["own_clock_used"] is False
    assert again["told"].startswith("The camera's own clock is not used")


def replace_source(camera: Any) -> Any:
    return camera.model_copy(update={"source": type(camera.source)("rtsp://127.0.0.1/x")})


def test_only_keepers_of_lists_see_which_lists(
    world: World, api: TestClient, tmp_path: Path
) -> None:
    segment_id = recorded(world, tmp_path)
    (ours,) = [each for each in found_passes(api) if each["plate"] == OURS]
    world.database.execute("UPDATE passes SET hit = true WHERE id = %s", UUID(ours["id"]))
    world.database.execute(
        """
        INSERT INTO pass_hits (id, pass_id, list_id, list_name, kind, entry, plate, plate_key, distance, detection_id,
               at, alerted)
        VALUES (gen_random_uuid(), %s, gen_random_uuid(), 'stolen', 'watch', %s, %s, %s, 0, 'x', now(),
                true)
        """,
        UUID(ours["id"]),
        OURS,
        OURS,
        OURS,
    )
    told = Archive(api, segment_id, tmp_path).json("passes.json")["passes"][1]
    assert (told["hit"], [each["list_name"] for each in told["hits"]]) == (True, ["stolen"])
    viewer = api.post("/v2/video/keys", json={"name": "guest", "role": "viewer"}).json()["secret"]
    api.headers["Authorization"] = f"Bearer {viewer}"
    told = Archive(api, segment_id, tmp_path).json("passes.json")["passes"][1]
    assert (told["hit"], told["hits"]) == (True, [])


def test_overlay_and_redaction_are_beside_the_original(
    world: World, api: TestClient, tmp_path: Path
) -> None:
    segment_id = recorded(world, tmp_path)
    query = "overlay=true&redact=others&plate=ab-123%20cd&tz=Europe/Berlin"
    archive = Archive(api, segment_id, tmp_path, query)
    original, times = frames_of(archive.film())
    film = archive.film().read_bytes()
    assert sha256(film).hexdigest() == world.segments.get(segment_id).sha256
    for name, marked in (("overlay.mp4", True), ("redacted.mp4", False)):
        pictures, own_times = frames_of(archive.folder / name)
        assert own_times == times == TIMES
        for at, before, after in zip(times, original, pictures, strict=True):
            theirs, ours = (
                abs(
                    before[y : y + 24, x : x + 80].astype(int) - after[y : y + 24, x : x + 80]
                ).mean()
                for x, y in ((20, 50), (200, 110))
            )
            assert bool(theirs > 25) is (at <= 1400), at  # half a second after the last read
            assert ours < 8
            edge = abs(before[108:110, 204:270].astype(int) - after[108:110, 204:270]).mean()
            assert bool(edge > 25) is (marked and 300 <= at <= 900), at
    redaction, overlay = archive.manifest.redaction, archive.manifest.overlay
    assert redaction is not None
    assert overlay is not None
    assert (overlay.time_zone, redaction.plate, redaction.complete) == (
        "Europe/Berlin", "ab-123 cd", True,
    )  # fmt: skip
    assert archive.headers["platereel-not-blurred"] == "0"
    (line,) = world.database.fetch("SELECT details FROM access_log WHERE action = 'export'")
    assert line["details"]["redact"] == "others"
    assert list(Path(tmp_path).glob("**/platereel-clip-*")) == []


def test_a_redacted_archive_says_nothing_of_others(
    world: World, api: TestClient, tmp_path: Path
) -> None:
    """Neither in a file nor in a name; and that the clip is missing, with its hash."""
    segment_id = recorded(world, tmp_path)
    world.segments.protect(segment_id, protected=True, who="ann", note=f"{THEIRS} again")
    Archive(api, segment_id, tmp_path, f"redact=others&plate={THEIRS}")
    whole = Archive(api, segment_id, tmp_path / "..", "")
    assert THEIRS.encode() in whole.data
    folder = tmp_path / "theirs"
    folder.mkdir()
    archive = Archive(api, segment_id, folder, f"redact=others&plate={OURS}&original=false")
    assert THEIRS.encode() not in archive.data
    assert {name for name in archive.names if name.endswith((".mp4", ".jpg"))} == {"redacted.mp4"}
    assert OURS in archive.headers["content-disposition"]
    manifest = archive.manifest
    assert manifest.clip is not None
    assert (manifest.has_clip, manifest.clip.sha256) == (
        False, world.segments.get(segment_id).sha256,
    )  # fmt: skip
    assert [each["plate"] for each in archive.json("passes.json")["passes"]] == [OURS]
    nobody = tmp_path / "nobody"
    nobody.mkdir()
    archive = Archive(api, segment_id, nobody, "redact=others&original=false")
    assert OURS.encode() not in archive.data
    assert OURS not in archive.headers["content-disposition"]


def test_what_cannot_be_blurred_is_told(world: World, api: TestClient, tmp_path: Path) -> None:
    reads = [
        Read(300, THEIRS, None), Read(400, OURS, Box(200, 110, 80, 24)), Read(1800, OURS, None),
    ]  # fmt: skip
    segment_id = recorded(world, tmp_path, reads)
    archive = Archive(api, segment_id, tmp_path, "redact=others")
    redaction = archive.manifest.redaction
    assert redaction is not None
    assert archive.headers["platereel-not-blurred"] == "2"
    assert sorted(each.reason for each in redaction.not_blurred) == [
        "none of its reads has a box", "some of its reads have no box, and none that has one is near",
    ]  # fmt: skip
    assert not redaction.complete
    policy = replace(RecordingPolicy(), record=Record.HITS, reads=Reads.DROP)
    set_policy(world, segment_id, policy)
    archive = Archive(api, segment_id, tmp_path, f"redact=others&plate={OURS}")
    assert archive.headers["platereel-not-blurred"] == "1; reads-not-kept"
    set_policy(world, segment_id, RecordingPolicy())
    PostgresPlateListRows(world.database).create(
        ListSettings(name="staff", kind=ListKind.IGNORE, reads=IgnoredReads.DROPPED), "ann"
    )
    archive = Archive(api, segment_id, tmp_path, "redact=others")
    assert archive.headers["platereel-not-blurred"] == "2; reads-not-kept"
    set_policy(world, segment_id, replace(RecordingPolicy(), scale="320x180"))
    refused = api.get(f"/v2/video/segments/{segment_id}/export?redact=others")
    assert (refused.status_code, "scaled" in refused.json()["detail"]) == (409, True)
    world.states.report("cam1", {"width": 640, "height": 360, "updated_ms": world.base_ms})
    again = Archive(api, segment_id, tmp_path, "redact=others")
    assert again.json("clocks.json")["camera"]["state_at"] is not None


def set_policy(world: World, segment_id: UUID, policy: RecordingPolicy) -> None:
    world.database.execute(
        "UPDATE video_segments SET policy = %s::jsonb WHERE id = %s",
        json.dumps(policy.to_json()),
        segment_id,
    )


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("redact=xyz", "redact"), ("redact=", "redact"), ("plate=AB123CD", "plate"), ("overlay=perhaps", "overlay"),
        ("overlay=true&tz=Mars/Base", "tz"), ("redact=others&plate=AB*", "plate"), ("original=false", "original"),
        ("overlay=true&original=false", "original"), ("redact=others&plate=%00", "plate"),
    ],
)  # fmt: skip
def test_bad_questions(api: TestClient, world: World, query: str, named: str) -> None:
    answer = api.get(f"/v2/video/segments/{ready(world, 'cam1', 0)}/export?{query}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, named)
    assert world.database.fetch("SELECT FROM access_log WHERE action = 'export'") == []


def test_what_cannot_be_copied(
    world: World, api: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = ready(world, "cam2", 0, status="recording")
    path = f"/v2/video/segments/{growing}/export?overlay=true"
    assert api.get(path).status_code == 409
    segment_id = recorded(world, tmp_path)
    path = f"/v2/video/segments/{segment_id}/export?overlay=true"
    app: Any = api.app
    with ExitStack() as busy:
        busy.enter_context(app.state.ports.copying.turn())
        refused = api.get(path)
        assert (refused.status_code, "Retry-After" in refused.headers) == (503, True)
    assert api.get(path).status_code == 200
    monkeypatch.setattr(copies, "MOST_PIXELS", 29 * 320 * 180)
    refused = api.get(path)
    assert (refused.status_code, "at most 29 of that size" in refused.json()["detail"]) == (
        409,
        True,
    )
    row = world.segments.get(segment_id)
    world.store.put(row.file_path, b"no film", "video/mp4")
    world.database.execute(
        "UPDATE video_segments SET sha256 = %s, file_size_bytes = 7, frame_count = 1 WHERE id = %s",
        sha256(b"no film").hexdigest(),
        segment_id,
    )
    refused = api.get(path)
    assert (refused.status_code, "does not decode" in refused.json()["detail"]) == (409, True)
    assert app.state.ports.copying._lock.locked() is False
    noted = world.database.fetch("SELECT FROM access_log WHERE action = 'export'")
    assert len(noted) == 1, "what was refused is no export"
    assert zipfile.ZipFile(io.BytesIO(api.get(path.partition("?")[0]).content)).testzip() is None


def test_a_terminal_makes_evidence_too(
    world: World, api: TestClient, run: Run, tmp_path: Path
) -> None:
    segment_id = str(recorded(world, tmp_path))
    key = api.get("/v2/video/signing-key").json()["fingerprint"]
    options = (
        "--overlay",
        "--redact",
        "others",
        "--plate",
        OURS,
        "--no-original",
        "--tz",
        "Asia/Tokyo",
    )
    told = run("segments", "export", segment_id, "-o", "mine.zip", *options, "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == {
        "id": segment_id, "path": "mine.zip", "fingerprint": key, "not_blurred": 0, "reads_not_kept": False,
    }  # fmt: skip
    verdict = verify(tmp_path / "mine.zip", key)
    assert (verdict.problems, clip_manifest(verdict).has_clip) == ([], False)
    assert verdict.manifest.made_by.startswith("cli:")
    said = run("segments", "export", segment_id)
    assert key in said.stdout
    (own,) = tmp_path.glob("cam1_*_AB123CD.zip")
    assert verify(own, key).problems == []
    for wrong, named in (
        (("--plate", OURS), "plate: says which"), (("--redact", "all"), "--redact"), (("--tz", "Mars"), "tz: "),
        (("--no-original",), "original: "), (("-o", "nowhere/x.zip"), "there is no folder nowhere"),
    ):  # fmt: skip
        refused = run("segments", "export", segment_id, *wrong)
        assert (refused.returncode != 0, named in refused.stderr) == (True, True), refused
    assert run("segments", "export", str(ready(world, "cam2", 0, status="failed"))).returncode == 1


def test_the_client_takes_the_same_choices(world: World, address: str, tmp_path: Path) -> None:
    segment_id = recorded(world, tmp_path)
    with ApiClient(address) as client:
        path = client.export(
            segment_id,
            tmp_path / "e.zip",
            overlay=True,
            redact="others",
            plate=OURS,
            original=False,
        )
        manifest = clip_manifest(verify(path, None))
        assert manifest.redaction is not None
        assert (manifest.has_clip, manifest.redaction.plate) == (False, OURS)
        with pytest.raises(ApiError, match="plate") as refused:
            client.export(segment_id, tmp_path / "f.zip", plate=OURS)
        assert refused.value.status == 422
