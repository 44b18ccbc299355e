"""What is kept of a plate: exported, and erased so that nothing names it any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from psycopg.types.json import Jsonb

from platereel import ApiClient, ApiError
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.adapters.postgres.plate_records import PostgresPlateRecordRows
from shared.domain.access import AccessFilter
from shared.domain.errors import Conflict, Retryable
from shared.domain.found_passes import Review
from shared.domain.plate_erasure import erase
from shared.domain.plate_lists import EntrySettings, ListKind, ListSettings
from shared.domain.ports import CameraBatch, ObjectStore, PassFilter, ReadOrder
from tests.support.commands import Run
from tests.support.erased import places_of
from tests.support.jobs import check, checking, cleanup, ports
from tests.support.world import POLICY, World

PLATE = "AB123CD"


@pytest.fixture
def client(address: str) -> Iterator[ApiClient]:
    with ApiClient(address) as opened:
        yield opened


def see(world: World, camera: str, at_s: float, plate: str | None, confidence: float = 0.9) -> None:
    detection = replace(
        world.detection(camera, at_s, uuid4().hex, confidence),
        plate=plate,
        attributes={"seen_as": plate or "", "lane": 2},
    )
    batch = CameraBatch(
        camera_id=camera, detections=[detection], policy=POLICY, oldest_ms=0, newest_ms=None
    )
    world.detections.accept_all([batch])


def pass_at(world: World, camera: str) -> UUID:
    page = world.passes.search(PassFilter(camera_id=camera), 1, None, ReadOrder.NEWEST)
    return page.items[0].id


def clips(world: World) -> dict[str, UUID]:
    """The segments of all cameras become READY clips, each with its object."""
    execute = world.database.execute
    execute("UPDATE video_segments SET status = 'finalizing' WHERE status = 'recording'")
    execute("DELETE FROM segment_parts")
    execute(
        """
        UPDATE video_segments SET status = 'ready', sha256 = 'x', file_size_bytes = 4, frame_count = 1,
               end_time = deadline, first_frame_at = start_time, duration_seconds = 1
         WHERE status = 'finalizing'
        """
    )
    rows = world.database.fetch("SELECT id, camera_id, file_path FROM video_segments")
    for row in rows:
        world.store.put(row["file_path"], b"clip", "video/mp4")
    return {row["camera_id"]: row["id"] for row in rows}


def picture_of(world: World, pass_id: UUID) -> list[str]:
    path = f"pictures/2026-11-25/{pass_id}"
    keys = [f"{path}-plate.jpg", f"{path}-scene.jpg"]
    for key in keys:
        world.store.put(key, b"jpeg", "image/jpeg")
    world.database.execute(
        "UPDATE passes SET picture_path = %s, picture_plate = true WHERE id = %s", path, pass_id
    )
    return keys


def hit(world: World, pass_id: UUID, plate: str, entry: str) -> None:
    world.database.execute(
        """
        INSERT INTO pass_hits (pass_id, list_id, list_name, kind, entry, plate, plate_key, distance, detection_id, at,
               alerted) VALUES (%s, gen_random_uuid(), 'stolen', 'watch', %s, %s, %s, 0, 'd', now(), true)
        """,
        pass_id, entry, plate, plate,
    )  # fmt: skip
    world.database.execute("UPDATE passes SET hit = true WHERE id = %s", pass_id)


def a_site(world: World) -> dict[str, UUID]:
    """Everything that can name a plate. Returns the clip of each camera."""
    see(world, "cam1", 0, "ab-123 cd")
    see(world, "cam1", 1, "AB128CD", 0.5)  # misread: this plate's own
    see(world, "cam2", 0, PLATE)
    see(world, "cam2", 2, "XY987ZZ")  # another vehicle in the same clip
    see(world, "cam3", 0, "AB123CX")
    see(world, "cam3", 1, PLATE, 0.5)  # of another vehicle, misread
    see(world, "cam4", 0, "QQ777")
    see(world, "cam5", 0, PLATE)
    see(world, "cam6", 0, "KK555")
    see(world, "cam7", 0, PLATE, 0.1)  # below the threshold: no clip
    world.passes.review(pass_at(world, "cam4"), Review.CORRECTED, PLATE, None, "ann")
    world.passes.review(pass_at(world, "cam5"), Review.CORRECTED, "ZZ111", None, "ann")
    world.passes.review(pass_at(world, "cam6"), Review.CORRECTED, PLATE, f"it is {PLATE}", "ann")
    world.passes.review(
        pass_at(world, "cam6"), Review.UNDONE, None, "not ab 123-cd after all", "ann"
    )
    hit(world, pass_at(world, "cam1"), PLATE, PLATE)
    hit(world, pass_at(world, "cam3"), PLATE, PLATE)
    hit(world, pass_at(world, "cam6"), "KK555", PLATE)
    lists = PostgresPlateListRows(world.database)
    lists.create(ListSettings(name="stolen", kind=ListKind.WATCH), "ann")
    lists.add("stolen", EntrySettings(plate=PLATE), "ann")
    access = PostgresAccessRows(world.database)
    access.note("ann", "list", None, {"what": "passes", "plate": "ab 123 cd", "from": "2026"})
    access.note("ann", "note", None, {"note": f"who is {PLATE}?", "pass_id": str(uuid4())})
    body = {"pass_id": str(pass_at(world, "cam1")), "plate": PLATE}
    world.database.execute(
        "INSERT INTO webhook_deliveries (webhook, event_id, name, body) VALUES ('a', %s, 'plate.read', %s)",
        uuid4(), Jsonb(body),
    )  # fmt: skip
    world.passes.close_passes(
        [each for each in world.passes.open_passes() if each.camera_id != "cam1"]
    )
    return clips(world)


def rows_of(world: World) -> str:
    """All that an erasure may touch, but for the access log, to be compared."""
    tables = (
        "detections", "passes", "pass_plates", "pass_hits", "pass_reviews", "segment_plates", "video_segments",
        "outbox", "webhook_deliveries", "read_changes", "segment_changes",
    )  # fmt: skip
    found = {
        each: world.database.fetch(f"SELECT to_jsonb(t)::text AS row FROM {each} t ORDER BY 1")
        for each in tables
    }
    return json.dumps(found)


def records(world: World) -> PostgresPlateRecordRows:
    return PostgresPlateRecordRows(world.database)


def test_an_erased_plate_is_found_nowhere_and_others_stay(world: World, client: ApiClient) -> None:
    clip = a_site(world)
    pictures = picture_of(world, pass_at(world, "cam1"))
    others = picture_of(world, pass_at(world, "cam6"))
    assert len(places_of(world, PLATE)) > 10
    before = rows_of(world)
    planned = client.erase_plate("ab 123-cd", dry_run=True)
    assert rows_of(world) == before
    told = client.erase_plate("ab 123-cd")
    assert told.model_copy(update={"dry_run": True}) == planned
    assert (told.passes, told.reads, told.misreads, told.pictures) == (5, 6, 1, 1)
    assert (told.clips, told.clips_kept, told.kept) == (3, 1, [clip["cam2"]])
    assert (told.lists, told.refused) == (["stolen"], [])
    assert told.log_lines >= 5

    assert places_of(world, PLATE) == []
    assert {each.plate for each in client.every_pass()} == {"KK555", "AB123CX", "XY987ZZ"}
    assert client.plate(PLATE).passes.total == 0
    other = client.pass_(pass_at(world, "cam3"))
    assert ([each.plate for each in other.detections], other.hit) == (["AB123CX", None], False)
    assert [each.plate for each in other.variants] == ["AB123CX"]
    undone = client.pass_(pass_at(world, "cam6"))
    assert (undone.review, undone.plate, undone.hits[0].entry) == (None, "KK555", "(erased)")
    assert [each.note for each in undone.reviews] == ["it is (erased)", "not (erased) after all"]
    kept = client.segment(clip["cam2"])
    assert (kept.status, kept.plates, len(kept.detections)) == ("ready", ["XY987ZZ"], 1)
    gone = {camera for camera, each in clip.items() if world.status(each) == "expiring"}
    assert gone == {"cam1", "cam4", "cam5"}
    stored = [each.key for each in world.store.walk("pictures/", "")]
    assert (set(stored), set(stored) & set(pictures)) == (set(others), set())
    entries = PostgresPlateListRows(world.database).entries("stolen", 9, None, None).items
    assert [each.plate for each in entries] == [PLATE]
    (line,) = client.access_log(action="erase").items
    assert line.details == {"passes": 5, "reads": 6, "misreads": 1, "clips": 3, "kept_clips": 1}
    (looked,) = client.access_log(action="note").items
    assert (looked.details["note"], len(looked.details["pass_id"])) == ("who is (erased)?", 36)

    cleanup(ports(world), {})
    assert {world.status(clip[camera]) for camera in gone} == {"expired"}
    report = check(checking(world), {})
    assert report["clean"], report
    again = client.erase_plate(PLATE)
    assert (again.passes, again.reads, again.clips) == (0, 0, 0)


def test_a_protected_clip_refuses_and_then_nothing_goes(world: World, client: ApiClient) -> None:
    clip = a_site(world)
    pictures = picture_of(world, pass_at(world, "cam1"))
    client.protect(clip["cam2"])
    before = rows_of(world)
    planned = client.erase_plate(PLATE, dry_run=True)
    assert [(each.segment_id, each.reason) for each in planned.refused] == [
        (clip["cam2"], "protected")
    ]
    with pytest.raises(ApiError, match=f"protected.*{clip['cam2']}") as refused:
        client.erase_plate(PLATE)
    assert refused.value.status == 409
    with pytest.raises(Conflict, match=str(clip["cam2"])):
        records(world).erase(PLATE, "ann")
    assert rows_of(world) == before
    assert {each.key for each in world.store.walk("pictures/", "")} == set(pictures)


def test_a_clip_that_is_being_made_refuses(world: World) -> None:
    see(world, "cam1", 0, PLATE)
    with pytest.raises(Conflict, match="recording"):
        erase(PLATE, records(world), world.store, "ann", dry_run=False)
    see(world, "cam1", 1, "XY987ZZ")  # it shows others: it is kept, and goes on
    told = erase(PLATE, records(world), world.store, "ann", dry_run=False)
    assert (told.passes, len(told.clips), len(told.kept)) == (1, 0, 1)
    assert places_of(world, PLATE) == []
    see(world, "cam1", 2, PLATE)  # seen again, it is a new pass
    assert world.passes.get(pass_at(world, "cam1")).reads == 1


def test_an_open_pass_goes_and_a_later_read_opens_another(world: World) -> None:
    see(world, "cam1", 0, PLATE)
    clips(world)
    first = pass_at(world, "cam1")
    told = erase(PLATE, records(world), world.store, "ann", dry_run=False)
    assert (told.passes, len(told.clips)) == (1, 1)
    assert world.passes.open_passes() == []
    see(world, "cam1", 3, PLATE)
    assert pass_at(world, "cam1") != first


def test_reads_of_no_pass_go_too(world: World) -> None:
    """Those from before there were passes, rejected ones, and pending ones."""
    see(world, "cam1", 0, PLATE)
    (clip,) = clips(world).values()
    world.detections.publish(replace(world.detection("cam2", 0, "pending"), plate=PLATE))
    world.detections.publish(replace(world.detection("cam2", 1, "rejected"), plate=PLATE))
    world.detections.reject("cam2", "rejected", "too old")
    world.database.execute("UPDATE detections SET pass_id = NULL")
    world.database.execute("DELETE FROM passes")
    told = erase(PLATE, records(world), world.store, "ann", dry_run=False)
    assert (told.passes, told.reads, list(told.clips)) == (0, 3, [clip])
    assert places_of(world, PLATE) == []


class _Refusing:
    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    def delete(self, keys: list[str]) -> dict[str, str]:
        return dict.fromkeys(keys, "read only")


def test_a_store_that_refuses_keeps_the_rows(world: World) -> None:
    a_site(world)
    picture_of(world, pass_at(world, "cam1"))
    before = rows_of(world)
    refusing: ObjectStore = _Refusing(world.store)  # type: ignore[assignment]
    with pytest.raises(Retryable, match="2 pictures"):
        erase(PLATE, records(world), refusing, "ann", dry_run=False)
    assert rows_of(world) == before


def test_everything_that_is_kept_is_exported(
    world: World, client: ApiClient, tmp_path: Path, run: Run
) -> None:
    clip = a_site(world)
    path = client.export_plate("ab123cd", tmp_path / "plate.ndjson")
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert (lines[0]["kind"], lines[0]["plate"], lines[1]) == (
        "export", "ab123cd", {"kind": "list", "name": "stolen"},
    )  # fmt: skip
    assert lines[-1]["kind"] == "end"
    assert {name: lines[-1][name] for name in ("list", "pass", "read")} == {
        "list": 1, "pass": 5, "read": 6,
    }  # fmt: skip
    passes = {each["camera_id"]: each for each in lines if each["kind"] == "pass"}
    assert set(passes) == {"cam1", "cam2", "cam4", "cam5", "cam7"}
    (segment,) = passes["cam1"]["segments"]
    assert segment["download"] == f"/v2/video/segments/{clip['cam1']}/download"
    assert [each["list"] for each in passes["cam1"]["hits"]] == ["stolen"]
    assert [each["review"] for each in passes["cam5"]["reviews"]] == ["corrected"]
    reads = [each["plate"] for each in lines if each["kind"] == "read"]
    assert sorted(reads) == ["AB123CD", "AB123CD", "AB123CD", "AB128CD", "QQ777", "ab-123 cd"]
    assert {each["action"] for each in lines if each["kind"] == "look"} >= {
        "list",
        "note",
        "export",
    }

    told = run("plates", "export", PLATE)
    assert (told.returncode, len(told.stdout.splitlines())) == (0, len(lines) + 1)
    assert run("plates", "export", PLATE, "-o", str(tmp_path / "x")).returncode == 0
    assert json.loads((tmp_path / "x").read_text().splitlines()[-1])["pass"] == 5


def test_a_plate_is_erased_from_the_terminal(world: World, run: Run) -> None:
    clip = a_site(world)
    before = rows_of(world)
    dry = run("plates", "erase", "--dry-run", "ab-123-cd")
    assert (dry.returncode, rows_of(world)) == (0, before)
    assert "would be erased: passes 5, reads 6" in dry.stdout
    assert str(clip["cam2"]) in dry.stdout
    done = run("--purpose", f"{PLATE} asked", "--case", "7", "plates", "erase", PLATE, "--json")
    assert (done.returncode, json.loads(done.stdout)["passes"]) == (0, 5), done.stderr
    assert places_of(world, PLATE) == []
    (line,) = PostgresAccessRows(world.database).log(AccessFilter(action="erase"), None, 9)
    assert (line.purpose, line.case) == ("(erased) asked", "7")
    for wrong in ("AB*", "--", "x" * 65):
        refused = run("plates", "erase", "--", wrong)
        assert (refused.returncode, "plate: " in refused.stderr) == (1, True)


def test_what_is_no_plate_in_the_address_is_refused(client: ApiClient) -> None:
    for wrong in ("AB*", "-", "a%00"):
        with pytest.raises(ApiError) as refused:
            client.erase_plate(wrong.replace("%00", "\x00"))
        assert refused.value.status == 422
