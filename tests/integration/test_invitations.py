"""Invitations: a link makes one key in a browser, once; `up` prints one while there is no key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from platereel import ApiClient, ApiError
from platereel.cli.invitations import first_link
from services.api.auth.attempts import MOST_FAILURES
from services.api.wiring import build
from shared.adapters.postgres.invitations import PostgresInvitationRows
from shared.domain.access import Role
from shared.domain.errors import Conflict
from shared.domain.invitations import Invitation, Redeemed
from tests.support.commands import Run
from tests.support.servers import Servers
from tests.support.world import World, open_world

PATH = "/v2/video/invitations/redeem"
ADMIN = Invitation(role=Role.ADMIN)


@pytest.fixture
def rows(world: World) -> PostgresInvitationRows:
    return PostgresInvitationRows(world.database)


@pytest.fixture(scope="module")
def shared(servers: Servers) -> Iterator[TestClient]:
    """One API for all bodies that change nothing."""
    with (
        open_world(servers) as world,
        TestClient(build(world.settings), base_url="http://127.0.0.1") as api,
    ):
        yield api


@pytest.fixture
def client(address: str) -> Iterator[ApiClient]:
    with ApiClient(address) as opened:
        yield opened


def redeem(api: TestClient, token: str, name: str = "ann", **more: Any) -> Any:
    headers = more.pop("headers", {})
    return api.post(PATH, json={"token": token, "name": name, **more}, headers=headers)


def stored(world: World) -> str:
    """All that tables about people hold, as text."""
    tables = ("invitations", "api_keys", "sessions", "access_log")
    return "".join(
        str(row["line"])
        for table in tables
        for row in world.database.fetch(f"SELECT t::text AS line FROM {table} t")
    )


def test_it_makes_a_key_and_opens_a_session(
    world: World, api: TestClient, rows: PostgresInvitationRows
) -> None:
    token = rows.invite(ADMIN, 60, "up")
    made = redeem(api, token, purpose="set up")
    assert made.status_code == 201
    found = made.json()
    assert (found["name"], found["role"], found["cameras"]) == ("ann", "admin", None)
    assert "HttpOnly" in made.headers["set-cookie"]
    assert token not in stored(world)
    assert found["secret"] not in stored(world)
    # By the cookie, and by the key; without either the door is shut now.
    assert api.get("/v2/video/session").json() == {
        name: value for name, value in found.items() if name != "secret"
    }
    refused = api.post("/v2/video/keys", json={"name": "bob"})
    assert refused.status_code == 403
    csrf = {"X-CSRF-Token": found["csrf_token"]}
    assert api.post("/v2/video/keys", json={"name": "bob"}, headers=csrf).status_code == 201
    api.cookies.clear()
    assert api.get("/v2/video/session").status_code == 401
    key = {"Authorization": f"Bearer {found['secret']}"}
    assert api.get("/v2/video/session", headers=key).json()["name"] == "ann"
    lines = world.database.fetch("SELECT who, action, purpose FROM access_log ORDER BY id LIMIT 3")
    assert [(line["who"], line["action"], line["purpose"]) for line in lines] == [
        ("up", "invitation.create", None),
        ("invitation of up", "key.create", "set up"),
        ("ann", "session.open", "set up"),
    ]
    (row,) = world.database.fetch(
        "SELECT used_at, k.name FROM invitations i JOIN api_keys k ON k.id = used_by_key"
    )
    assert (row["name"], row["used_at"] is not None) == ("ann", True)


def test_the_key_may_do_what_the_invitation_says(
    api: TestClient, rows: PostgresInvitationRows
) -> None:
    """The session has what its key has."""
    token = rows.invite(Invitation(role=Role.OPERATOR, lists=True, cameras=["cam1"]), 60, "test")
    found = redeem(api, token).json()
    assert (found["role"], found["lists"], found["cameras"]) == ("operator", True, ["cam1"])
    assert api.get("/v2/video/session").json()["lists"] is True
    api.cookies.clear()
    key = {"Authorization": f"Bearer {found['secret']}"}
    shown = api.get("/v2/video/session", headers=key).json()
    assert (shown["lists"], shown["cameras"]) == (True, ["cam1"])


def test_it_works_once_and_until_it_expires(
    world: World, api: TestClient, rows: PostgresInvitationRows
) -> None:
    first, late = rows.invite(ADMIN, 60, "test"), rows.invite(ADMIN, 60, "test")
    assert redeem(api, first).status_code == 201
    again = redeem(api, first, "bob")
    assert (again.status_code, "used already" in again.json()["detail"]) == (409, True)
    taken = redeem(api, late)
    assert (taken.status_code, "there is a key ann" in taken.json()["detail"]) == (409, True)
    world.database.execute("UPDATE invitations SET expires_at = now() WHERE used_at IS NULL")
    over = redeem(api, late, "bob")
    assert (over.status_code, "expired" in over.json()["detail"]) == (410, True)
    other = rows.invite(ADMIN, 60, "test")
    assert redeem(api, other).status_code == 409
    assert redeem(api, other, "bob").status_code == 201
    names = world.database.fetch("SELECT name FROM api_keys ORDER BY name")
    assert [row["name"] for row in names] == ["ann", "bob"]


def test_of_two_at_once_one_wins(world: World, rows: PostgresInvitationRows) -> None:
    token = rows.invite(ADMIN, 60, "test")

    def attempt(name: str) -> Redeemed | Conflict | None:
        try:
            return rows.redeem(token, name, 60)
        except Conflict as error:
            return error

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(attempt, ("a", "b", "c", "d")))
    assert sorted(type(each).__name__ for each in found) == ["Conflict"] * 3 + ["Redeemed"]
    assert len(world.database.fetch("SELECT FROM api_keys")) == 1


def test_wrong_tokens_count_as_guesses(world: World, api: TestClient) -> None:
    for _ in range(MOST_FAILURES):
        assert redeem(api, "guess").status_code == 401
    limited = redeem(api, "guess")
    assert (limited.status_code, "Retry-After" in limited.headers) == (429, True)
    lines = world.database.fetch("SELECT details FROM access_log")
    assert len(lines) == MOST_FAILURES
    assert "guess" not in json.dumps([line["details"] for line in lines])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "token"),
        ({"token": "x"}, "name"),
        ({"token": "x", "name": "a b"}, "name"),
        ({"token": "", "name": "a"}, "token"),
        ({"token": "x" * 129, "name": "a"}, "token"),
        ({"token": "x", "name": "a", "role": "admin"}, "role"),
        ({"token": "x", "name": "a", "purpose": "x" * 201}, "purpose"),
    ],
)
def test_bad_bodies_name_what_is_wrong(
    shared: TestClient, body: dict[str, Any], field: str
) -> None:
    answer = shared.post(PATH, json=body)
    assert answer.status_code == 422
    assert field in json.dumps(answer.json()["errors"])
    assert "xxx" not in answer.text


def test_another_sites_page_redeems_nothing(
    world: World, api: TestClient, rows: PostgresInvitationRows
) -> None:
    token = rows.invite(ADMIN, 60, "test")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert redeem(api, token, headers=headers).status_code == 403
    half = api.post(
        PATH, content=rb'{"token": "\ud800", "name": "a"}', headers={"Content-Type": "text/json"}
    )
    assert half.status_code in {401, 422}
    assert world.database.fetch("SELECT FROM api_keys") == []


def test_up_makes_a_link_while_there_is_no_key(
    world: World, rows: PostgresInvitationRows, client: ApiClient
) -> None:
    first = first_link(world.settings, "http://127.0.0.1:8080")
    second = first_link(world.settings, "http://127.0.0.1:8080/")
    assert first is not None
    assert second is not None
    assert second.startswith("http://127.0.0.1:8080/#/welcome/")
    old, new = (link.rpartition("/")[2] for link in (first, second))
    with pytest.raises(ApiError, match="no such invitation"):
        client.redeem(old, "ann")
    for key in (None, "k:admin:0123456789abcdef"):
        configured = None if key is None else SecretStr(key)
        settings = world.settings.model_copy(update={"api_keys": configured})
        assert (first_link(settings, "http://x") is None) == (key is not None)
    new = str(first_link(world.settings, "http://x")).rpartition("/")[2]
    assert client.redeem(new, "ann").role == "admin"
    assert first_link(world.settings, "http://127.0.0.1:8080") is None
    world.database.execute("UPDATE api_keys SET revoked_at = now()")
    assert first_link(world.settings, "http://127.0.0.1:8080") is None
    assert rows.invite_first(60, "up") is None


def test_the_command_prints_a_link(world: World, run: Run, client: ApiClient) -> None:
    done = run(
        "keys", "invite", "--role", "operator", "--lists", "--url", "https://clips.example/p/"
    )
    assert done.stdout.startswith("https://clips.example/p/#/welcome/")
    assert "operator" in done.stderr
    assert client.redeem(done.stdout.strip().rpartition("/")[2], "desk").role == "operator"
    shape = json.loads(run("keys", "invite", "--camera", "cam1", "--json").stdout)
    assert (shape["role"], shape["cameras"]) == ("admin", ["cam1"])
    assert shape["link"].startswith("http://127.0.0.1:8080/#/welcome/")
    assert shape["link"].rpartition("/")[2] not in stored(world)
    for wrong, said in (
        (("--role", "emperor"), "emperor"),
        (("--role", "viewer", "--lists"), "--lists"),
        (("--camera", "a b"), "--camera"),
        (("--hours", "0"), "--hours"),
        (("--hours", "nan"), "--hours"),
        (("--hours", "169"), "--hours"),
        (("--url", "clips.example"), "--url"),
        (("--url", "https://u:p@clips.example"), "--url"),
        (("--url", "https://clips.example/#x"), "--url"),
        (("--url", "https://clips.example:x"), "--url"),
    ):
        refused = run("keys", "invite", *wrong)
        assert refused.returncode == 1
        assert said in refused.stderr
        assert "u:p" not in refused.stderr


def test_an_api_on_all_addresses_needs_its_own(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLATEREEL_API__HOST", "0.0.0.0")
    assert "--url" in run("keys", "invite").stderr
    monkeypatch.setenv("PLATEREEL_API__HOST", "::1")
    assert run("keys", "invite").stdout.startswith("http://[::1]:8080/#/welcome/")
    assert len(world.database.fetch("SELECT FROM invitations")) == 1
