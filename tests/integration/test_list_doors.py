"""Lists of plates by the API, the Python client and the terminal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from platereel import ApiClient, ApiError
from shared.domain.plate_lists import MOST_PLATE
from tests.support.commands import Run
from tests.support.world import POLICY, World

LISTS = "/v2/video/lists"


@pytest.fixture
def staff(api: TestClient) -> str:
    made = api.post(LISTS, json={"name": "staff", "kind": "known"})
    assert made.status_code == 201, made.text
    return f"{LISTS}/staff"


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        ({"kind": "hot"}, "kind", "'known', 'watch' or 'ignore'"),
        ({"name": "a b"}, "name", "pattern"),
        ({"quiet_hours": "at night"}, "quiet_hours", "mon-fri 08:00-18:00"),
        ({"time_zone": "Mars/Base"}, "time_zone", "Europe/Berlin"),
        ({"hit_days": 0}, "hit_days", "greater than 0"),
        ({"cool_down_seconds": -1}, "cool_down_seconds", "greater than or equal to 0"),
        ({"cameras": ["a b"]}, "cameras.0", "pattern"),
        ({"cameras": []}, "cameras", "at least 1"),
        ({"reads": "dropped"}, "reads", "kind ignore"),
        ({"colour": "red"}, "colour", "not permitted"),
    ],
)
def test_a_list_that_is_none_is_refused(
    api: TestClient, body: dict[str, Any], field: str, reason: str
) -> None:
    refused = api.post(LISTS, json={"name": "staff", "kind": "known"} | body)
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["field"] == field
    assert reason in error["message"]
    assert api.get(LISTS).json() == {"items": [], "total": 0}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"plate": "A" * 64}, f"plate: has 64 characters, a plate has at most {MOST_PLATE}"),
        ({"plate": "*"}, "plate: matches every plate"),
        ({"plate": "?*"}, "plate: matches every plate"),
        ({"plate": "A*"}, "needs 2 characters"),
        ({"plate": "AB*", "tolerance": 0.1}, "leave the tolerance out"),
        ({"plate": " - "}, "no letter or digit"),
        ({"plate": "A\u200b1"}, "U+200B"),
        ({"plate": "A1", "tolerance": 1.5}, "less than or equal to 1"),
        ({"plate": "A1", "valid_from": "1969-12-31T23:59:59Z"}, "lies before 1970"),
        ({"plate": "A1", "valid_from": "2026-11-27"}, "write a time as"),
        ({"plate": "A1", "valid_from": "2026-11-27T00:00:00Z", "valid_until": "2026-11-26T00:00:00Z"},
         "valid_until is not after valid_from"),
        ({"plate": "A1", "hours": "mon 8-18"}, "mon-fri 08:00-18:00"),
        ({"plate": "A1", "priority": 9}, "less than or equal to 5"),
        ({"plate": "A1", "name": "\x00"}, "NUL"),
        ({}, "Field required"),
    ],
)  # fmt: skip
def test_an_entry_that_is_none_is_refused(
    api: TestClient, staff: str, body: dict[str, Any], reason: str
) -> None:
    refused = api.post(f"{staff}/entries", json=body)
    assert refused.status_code == 422
    assert reason in refused.json()["detail"]
    assert api.get(f"{staff}/entries").json()["total"] == 0


def test_a_file_with_wrong_lines_changes_nothing_unless_asked(api: TestClient, staff: str) -> None:
    lines = [f"AB{number:06},Name {number}" for number in range(5000)]
    lines[10], lines[2000], lines[4000] = "*,everybody", "A" * 64 + ",too long", "AB000005,again"
    file = "\n".join(["plate,name", *lines])

    def send(query: str) -> Any:
        return api.post(
            f"{staff}/import{query}", content=file, headers={"Content-Type": "text/csv"}
        )

    refused = send("")
    assert refused.status_code == 422
    for told in ("line 12: plate: matches every plate", "line 2002: plate: has 64 characters",
                 "line 4002: plate: AB000005 is on line 7 too"):  # fmt: skip
        assert told in refused.json()["detail"]
    assert api.get(staff).json()["entries"] == 0
    tried = send("?dry_run=true").json()
    assert (tried["lines"], tried["added"], tried["skipped"]) == (5000, 4997, 3)
    assert [each["line"] for each in tried["problems"]] == [12, 2002, 4002]
    assert api.get(staff).json()["entries"] == 0
    assert send("?partial=true").json()["added"] == 4997
    assert api.get(staff).json()["entries"] == 4997
    again = send("?partial=true").json()
    assert (again["added"], again["changed"], again["unchanged"]) == (0, 0, 4997)
    exported = api.get(f"{staff}/export")
    assert exported.headers["content-type"].startswith("text/csv")
    assert len(exported.text.splitlines()) == 4998
    api.post(LISTS, json={"name": "wanted", "kind": "watch"})
    copied = api.post(f"{LISTS}/wanted/import?dry_run=true", content=exported.content).json()
    assert (copied["added"], copied["problems"]) == (4997, [])
    (overlap,) = copied["overlaps"]
    assert (overlap["name"], overlap["entries"], len(overlap["plates"])) == ("staff", 4997, 5)
    for body in (b"plate,color\nA1,red\n", b"\xff", b""):
        assert api.post(f"{staff}/import", content=body).status_code == 422
    assert api.post(f"{LISTS}/nobody/import", content=b"plate\nA1\n").status_code == 404
    assert api.post(f"{staff}/entries", content=bytes(100_000)).status_code == 413


def test_changes_are_lines_of_the_access_log(api: TestClient, staff: str) -> None:
    entry = api.post(f"{staff}/entries", json={"plate": "ab-1", "name": "Ann"}).json()
    path = f"{staff}/entries/{entry['id']}"
    assert api.post(f"{staff}/entries", json={"plate": "AB1"}).status_code == 409
    assert api.patch(path, json={"name": None, "hours": "daily 08:00-09:00"}).json()["name"] is None
    assert api.patch(path, json={"plate": "AB2"}).status_code == 422
    assert api.patch(staff, json={"cameras": ["cam1"]}).json()["cameras"] == ["cam1"]
    assert api.patch(staff, json={"reads": "dropped"}).status_code == 422
    assert api.patch(staff, json={"kind": "watch"}).status_code == 422
    assert api.delete(path).status_code == 204
    assert api.delete(path).status_code == 404
    assert api.delete(staff).status_code == 204
    assert api.get(f"{staff}/entries").status_code == 404
    log = api.get("/v2/video/access-log").json()["items"]
    assert [each["action"] for each in reversed(log)] == [
        "list.create", "entry.add", "entry.change", "list.change", "entry.remove", "list.delete",
    ]  # fmt: skip
    assert log[1]["details"] == {"list": "staff", "plate": "ab-1"}
    assert {each["who"] for each in log} == {"local"}


def test_the_client_keeps_lists(world: World, address: str, tmp_path: Path) -> None:
    world.detections.accept([replace(world.detection("cam1", 0, "d"), plate="A812CD")], 0, POLICY)
    (seen,) = world.passes.open_passes()
    with ApiClient(address) as client:
        client.create_list("staff", "known", time_zone="Europe/Berlin")
        until = datetime(2030, 1, 1, tzinfo=UTC)
        entry = client.add_to_list("staff", "AB12CD", tolerance=0.1, valid_until=until)
        assert entry.valid_until == until
        assert client.change_list_entry("staff", entry.id, valid_until=None).valid_until is None
        assert client.change_list("staff", cameras=["cam1"]).cameras == ["cam1"]
        found = client.preview_entry("AB12CD", 0.1)
        assert [(each.pass_id, each.plate) for each in found.items] == [(seen.pass_id, "A812CD")]
        assert [each.name for each in found.lists] == ["staff"]
        swapped = {each.plate: each.differs for each in found.accepted}
        assert swapped == {"AB12CD": [], "A812CD": [1], "ABI2CD": [2], "ABL2CD": [2], "AB1ZCD": [3],
                           "AB12C0": [5], "AB12CO": [5], "AB12CQ": [5]}  # fmt: skip
        with pytest.raises(ApiError, match="line 2"):
            client.import_list("staff", b"plate\n*\n")
        assert client.import_list("staff", b"plate\n*\nXY1\n", partial=True).added == 1
        assert [each.plate for each in client.every_list_entry("staff")] == ["AB12CD", "XY1"]
        assert client.list_entries("staff", plate="x*").total == 1
        assert b"XY1" in client.export_list("staff", tmp_path / "staff.csv").read_bytes()
        client.remove_from_list("staff", entry.id)
        assert client.plate_list("staff").entries == 1
        client.delete_list("staff")
        assert client.lists().total == 0


def test_lists_from_the_terminal(world: World, run: Run, tmp_path: Path) -> None:
    world.detections.accept([replace(world.detection("cam1", 0, "d"), plate="A812CD")], 0, POLICY)
    assert run("lists", "create", "staff", "--kind", "known").returncode == 0
    made = run(
        "lists", "create", "wanted", "--kind", "watch", "--quiet-hours", "22:00-06:00", "--json"
    )
    assert json.loads(made.stdout)["quiet_hours"] == "22:00-06:00"
    added = run(
        "lists", "add", "staff", "AB12CD", "--tolerance", "0.1", "--name", "Ann", "--camera", "cam1"
    )
    assert added.returncode == 0, added.stderr
    again = run("lists", "add", "wanted", "ab12cd", "--json")
    assert json.loads(again.stdout)["overlaps"] == ["staff"]
    file = tmp_path / "staff.csv"
    file.write_text("plate,name\nXY1,Bob\n*,all\n", encoding="utf-8")
    refused = run("lists", "import", "staff", str(file))
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "line 3: plate: matches every plate" in refused.stderr
    tried = json.loads(run("lists", "import", "staff", str(file), "--dry-run", "--json").stdout)
    assert (tried["added"], tried["skipped"]) == (1, 1)
    done = run("lists", "import", "staff", str(file), "--partial")
    assert (done.returncode, "added 1" in done.stdout, "line 3" in done.stderr) == (0, True, True)
    assert "Ann" in run("lists", "show", "staff").stdout
    assert [
        each["name"] for each in json.loads(run("lists", "show", "--json").stdout)["items"]
    ] == ["staff", "wanted"]
    assert "XY1" in run("lists", "show", "staff", "--plate", "x*", "--json").stdout
    assert run("lists", "export", "staff").stdout.splitlines()[1].startswith("AB12CD,0.1,Ann")
    assert run("lists", "export", "staff", "-o", str(tmp_path / "out.csv")).returncode == 0
    assert b"XY1" in (tmp_path / "out.csv").read_bytes()
    shown = json.loads(run("lists", "preview", "AB12CD", "--tolerance", "0.1", "--json").stdout)
    assert (shown["total"], [each["name"] for each in shown["lists"]]) == (1, ["staff", "wanted"])
    assert "A812CD" in run("lists", "preview", "AB12CD", "--tolerance", "0.1").stdout
    assert run("lists", "remove", "staff", "xy1").returncode == 0
    assert run("lists", "delete", "staff").stdout.strip() == "staff is deleted, with 1 entries"
    for arguments, named in (
        (("lists", "create", "x", "--kind", "hot"), "known"),
        (("lists", "create", "wanted", "--kind", "watch"), "already"),
        (("lists", "create", "x", "--kind", "watch", "--quiet-hours", "never"), "quiet_hours"),
        (("lists", "create", "x", "--kind", "known", "--reads", "dropped"), "kind ignore"),
        (("lists", "add", "wanted", "?*"), "every plate"),
        (("lists", "add", "wanted", "AB1", "--from", "1969-01-01T00:00:00Z"), "1970"),
        (("lists", "remove", "wanted", "XY9"), "XY9"),
        (("lists", "show", "nobody"), "nobody"),
        (("lists", "import", "wanted", "no.csv"), "no.csv"),
        (("keys", "create", "x", "--role", "viewer", "--lists"), "--lists"),
    ):  # fmt: skip
        wrong = run(*arguments)
        assert wrong.returncode != 0, arguments
        assert named in wrong.stderr, (arguments, wrong.stderr)
        assert "Traceback" not in wrong.stderr
