"""Why people look: stated by headers, query, session or option; required where that is set; found
in the access log, and exported from it.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr
from starlette.requests import Request

from platereel import ApiClient, ApiError
from services.api import signed_log
from services.api.auth.purposes import purpose_of
from services.api.wiring import build
from shared.adapters.postgres.access import PostgresAccessRows
from shared.domain.access import AccessFilter
from shared.domain.errors import BadInput
from shared.domain.plate_lists import ListKind
from shared.domain.purpose import MOST_CHARACTERS, PurposeRule
from shared.runtime.sections import AccessSettings
from tests.support.commands import Run
from tests.support.http import serving
from tests.support.lists import Lists
from tests.support.rows import clip_of
from tests.support.world import World

BOSS = "boss-secret-of-16-characters"
LOG = "/v2/video/access-log"
WHY = {"X-Purpose": "Diebstahl am Tor, Prüfung", "X-Case": "24-113"}


def _sent(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """Headers as UTF-8, which the test client does not send by itself."""
    return [(name.encode(), value.encode()) for name, value in headers.items()]


def _lines(world: World) -> list[tuple[str, str | None, str | None]]:
    found = PostgresAccessRows(world.database).log(AccessFilter(), None, 100)
    return [(each.action, each.purpose, each.case) for each in reversed(found)]


@pytest.fixture
def strict(world: World) -> Iterator[TestClient]:
    """An API that requires a purpose."""
    settings = world.settings.model_copy(
        update={
            "access": AccessSettings(purpose=PurposeRule.REQUIRED),
            "api_keys": SecretStr(f"boss:admin:{BOSS}"),
        }
    )
    headers = {"Authorization": f"Bearer {BOSS}"}
    with TestClient(build(settings), base_url="http://127.0.0.1", headers=headers) as client:
        yield client


def test_a_purpose_is_written_into_every_line(world: World, api: TestClient) -> None:
    clip = clip_of(world)
    path = f"/v2/video/segments/{clip}"
    assert api.get(path, headers=_sent(WHY)).status_code == 200
    assert api.get(path, headers=_sent(WHY)).status_code == 200
    assert api.get(f"{path}?x-purpose=parking&x-case=7").status_code == 200
    assert api.patch(path, json={"protected": True}, headers=_sent(WHY)).status_code == 200
    assert api.get("/v2/video/segments?plate=ab-12*").status_code == 200
    assert _lines(world) == [
        ("view", WHY["X-Purpose"], "24-113"),
        ("view", "parking", "7"),
        ("protect", WHY["X-Purpose"], "24-113"),
        ("list", None, None),
    ]
    assert api.get("/v2/video/session").json()["purpose_rule"] == "off"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("X-Purpose", b"x" * (MOST_CHARACTERS + 1), "has 201 characters"),
        ("X-Case", b"a\xe2\x80\x8bb", "invisible"),
        ("X-Purpose", b"\xff", "not UTF-8"),
    ],
)
def test_a_purpose_that_is_none_is_refused(
    api: TestClient, name: str, value: bytes, reason: str
) -> None:
    headers = [(name.lower().encode(), value)]
    with pytest.raises(BadInput, match=reason) as error:
        purpose_of(Request({"type": "http", "headers": headers, "query_string": b""}))
    assert error.value.field == name
    for twice in ("x-case=a&x-case=b", "x-purpose=a%00b"):
        refused = api.get(f"/v2/video/segments?{twice}")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["field"] in {"X-Case", "X-Purpose"}


def test_where_it_is_required_nothing_is_shown_without(world: World, strict: TestClient) -> None:
    clip = clip_of(world)
    segment = f"/v2/video/segments/{clip}"
    asked: list[tuple[str, str, Any]] = [
        ("GET", "/v2/video/segments?plate=AB123CD", None),
        ("GET", "/v2/video/passes?plate=AB123CD", None),
        ("GET", "/v2/video/plates/AB123CD", None),
        ("GET", segment, None),
        ("GET", f"{segment}/download", None),
        ("GET", f"{segment}/thumbnail", None),
        ("GET", f"{segment}/strip.jpg", None),
        ("GET", f"{segment}/stream.m3u8", None),
        ("GET", f"{segment}/export", None),
        ("GET", f"{LOG}?plate=AB123CD", None),
        ("GET", "/v2/video/plates/AB123CD/export", None),
        ("POST", "/v2/video/plates/AB123CD/erase", {"dry_run": True}),
        ("POST", "/v2/video/lists", {"name": "staff", "kind": "known"}),
        ("POST", "/v2/video/lists/staff/entries", {"plate": "AB1"}),
        ("DELETE", "/v2/video/lists/staff", None),
    ]
    for method, path, body in asked:
        refused = strict.request(method, path, json=body)
        assert refused.status_code == 422, (method, path)
        assert refused.json()["errors"][0]["field"] == "X-Purpose"
    assert _lines(world) == []
    for method, path, body in asked:
        done = strict.request(method, path, json=body, headers=_sent(WHY))
        assert done.status_code < 300, (method, path, done.text)
    assert {line[1:] for line in _lines(world)} == {(WHY["X-Purpose"], "24-113")}
    for path in ("/v2/video/segments", "/v2/video/cameras", "/v2/video/stats", "/v2/video/lists"):
        assert strict.get(path).status_code == 200, path
    assert strict.get("/v2/video/session").json()["purpose_rule"] == "required"


def test_whatever_else_shows_a_clip_or_a_pass_needs_one(world: World, strict: TestClient) -> None:
    """Also an answer to a change, and a list that is taken away as a whole."""
    clip = f"/v2/video/segments/{clip_of(world)}"
    lists = Lists(world)
    lists.make("stolen", ListKind.WATCH, "LM555XX")
    lists.accept(100, "LM555XX")
    (one,) = world.passes.open_passes()
    seen = f"/v2/video/passes/{one.pass_id}"
    asked: list[tuple[str, str, Any]] = [
        ("PATCH", clip, {"protected": True}),
        ("PATCH", seen, {"review": "confirmed"}),
        ("POST", f"{seen}/acknowledge", {}),
        ("GET", f"/v2/video/detections?pass_id={one.pass_id}", None),
        ("GET", "/v2/video/by-detection/LM555XX-100", None),
        ("GET", "/v2/video/passes", None),
        ("GET", "/v2/video/detections", None),
    ]
    as_csv = [(b"Accept", b"text/csv")]
    for method, path, body in asked:
        refused = strict.request(method, path, json=body, headers=as_csv)
        assert refused.status_code == 422, (method, path)
        assert refused.json()["errors"][0]["field"] == "X-Purpose"
    assert world.passes.get(one.pass_id).review is None
    for method, path, body in asked:
        done = strict.request(method, path, json=body, headers=_sent(WHY) + as_csv)
        assert done.status_code == 200, (method, path, done.text)


def test_a_session_states_its_purpose_once(world: World, strict: TestClient) -> None:
    clip = clip_of(world)
    path = f"/v2/video/segments/{clip}/thumbnail"
    del strict.headers["Authorization"]
    login = {"key": BOSS, "purpose": " night shift ", "case": "12"}
    opened = strict.post("/v2/video/session", json=login)
    assert opened.status_code == 201
    assert strict.get(path).status_code == 200
    assert strict.get(f"{path}?x-purpose=audit").status_code == 200
    csrf = {"X-CSRF-Token": opened.json()["csrf_token"]}
    assert strict.delete("/v2/video/session", headers=csrf).status_code == 204
    assert _lines(world) == [
        ("session.open", "night shift", "12"),
        ("view", "night shift", "12"),
        ("view", "audit", "12"),
        ("session.close", "night shift", "12"),
    ]
    assert strict.post("/v2/video/session", json={"key": BOSS}).status_code == 201
    assert strict.get(path).status_code == 422
    too_long = {"key": BOSS, "purpose": "x" * 201}
    assert strict.post("/v2/video/session", json=too_long).status_code == 422


def test_lines_are_found_by_who_plate_purpose_case_and_time(world: World, api: TestClient) -> None:
    clip = clip_of(world)
    api.get(f"/v2/video/segments/{clip}", headers=_sent(WHY))
    api.get("/v2/video/segments?plate=ab-12%20cd")
    api.get("/v2/video/passes?plate=AB12CD&x-purpose=parking")

    def found(query: str) -> list[tuple[str, str | None]]:
        items = api.get(f"{LOG}?{query}").json()["items"]
        return [
            (item["action"], item["details"].get("plate"))
            for item in reversed(items)
            if item["details"].get("what") != "access-log"  # these searches are lines, too
        ]

    assert found("plate=AB-12CD") == [("list", "ab-12 cd"), ("list", "AB12CD")]
    assert found("case=24-113") == [("view", None)]
    assert found("purpose=prüfung") == [("view", None)]
    assert found("purpose=parking&plate=ab12cd") == [("list", "AB12CD")]
    assert found("who=nobody") == []
    assert found("to=2020-01-01T00:00:00Z") == []
    assert len(found("from=2020-01-01T00:00:00Z&action=view")) == 1
    assert api.get(f"{LOG}?from=now").status_code == 422


@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_log_is_exported_signed_and_any_change_is_found(
    world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    monkeypatch.setattr(signed_log, "AT_ONCE", 2)
    access = PostgresAccessRows(world.database)
    for number in range(5):
        access.note("=ann", "view", None, {"what": "a\nb", "n": number})
    path = tmp_path / f"log.{form}"
    with serving(build(world.settings)) as address, ApiClient(address, purpose="audit ü") as client:
        client.export_access_log(path, form, action="view")
        assert [each.who for each in client.every_access(action="view", limit=2)] == ["=ann"] * 5
        with pytest.raises(ApiError, match="who"):
            client.access_log(who="\x00")
        fingerprint = json.loads(client._answer("GET", "signing-key").data)["fingerprint"]
    text = path.read_bytes().decode()
    if form == "csv":
        rows = list(csv.reader(text.splitlines(keepends=True)))
        assert len(rows) == 7
        assert rows[1][2] == "'=ann"
        assert json.loads(rows[1][-1]) == {"what": "a\nb", "n": 4}
    else:
        assert [json.loads(line)["details"]["n"] for line in text.splitlines()[:-1]] == [
            4,
            3,
            2,
            1,
            0,
        ]
    checked = run("verify", str(path), "--key", fingerprint, "--json")
    assert checked.returncode == 0, checked.stderr
    told = json.loads(checked.stdout)
    assert (told["ok"], told["lines"], told["asked"]) == (True, 5, {"action": "view"})
    assert run("verify", str(path)).returncode == 2
    assert run("verify", str(path), "--key", "00:11").returncode == 1
    for changed in (text.replace("ann", "bob", 1), text.replace(": 3", ": 4", 1),
                    text.replace('"made_by": "local"', '"made_by": "me"'), text + "\n"):  # fmt: skip
        assert changed != text
        path.write_bytes(changed.encode())
        assert run("verify", str(path), "--key", fingerprint).returncode == 1
    path.write_bytes("".join(text.splitlines(keepends=True)[:-1]).encode())
    cut = run("verify", str(path), "--key", fingerprint)
    assert (cut.returncode, "is the file whole?" in cut.stderr) == (1, True)
    line = PostgresAccessRows(world.database).log(AccessFilter(purpose="AUDIT"), None, 1)[0]
    assert line.purpose == "audit ü"


def test_a_command_states_its_purpose(world: World, run: Run) -> None:
    stated = ("--purpose", "patrol", "--case", "9")
    assert run(*stated, "lists", "create", "staff", "--kind", "known").returncode == 0
    assert run("lists", "create", "other", "--kind", "known").returncode == 0
    assert _lines(world) == [("list.create", "patrol", "9"), ("list.create", None, None)]
    refused = run("--purpose", "x" * 201, "lists", "show")
    assert (refused.returncode, "--purpose" in refused.stderr) == (1, True)


def test_a_command_needs_a_purpose_where_it_is_required(
    world: World, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "platereel.yaml").write_text("access: {purpose: required}\n", encoding="utf-8")
    clip = str(clip_of(world))
    commands: list[tuple[str, ...]] = [
        ("segments", "list", "--plate", "AB*"),
        ("segments", "show", clip),
        ("segments", "get", clip, "-o", str(tmp_path / "clip.mp4")),
        ("passes", "list", "--plate", "AB*"),
        ("plates", "export", "AB1"),
        ("plates", "erase", "AB1", "--yes"),
        ("lists", "create", "staff", "--kind", "known"),
        ("lists", "add", "staff", "AB1"),
        ("lists", "preview", "AB1"),
        ("lists", "export", "staff"),
        ("lists", "delete", "staff"),
    ]
    for command in commands:
        refused = run(*command)
        assert (refused.returncode, refused.stdout) == (1, ""), command
        assert "--purpose: say why" in refused.stderr, command
    assert _lines(world) == []
    for command in commands:
        done = run("--purpose", "theft", *command)
        assert done.returncode == 0, (command, done.stderr)
    assert [line[0] for line in _lines(world)] == [
        "list", "view", "download", "list", "export", "erase", "list.create", "entry.add", "list", "list.export",
        "list.delete",
    ]  # fmt: skip
    assert {line[1] for line in _lines(world)} == {"theft"}
    assert run("segments", "list").returncode == 0
