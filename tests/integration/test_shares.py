"""Shares: a link shows one clip without a key, until it expires, is revoked, or the clip goes."""

from __future__ import annotations

import json
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from platereel import ApiClient
from services.api.auth.attempts import MOST_FAILURES
from services.api.wiring import build
from shared.adapters.postgres.shares import PostgresShareRows
from shared.domain.purpose import PurposeRule
from shared.domain.shares import Share
from shared.domain.timing import from_ms
from shared.runtime.sections import AccessSettings
from tests.support.rows import ready
from tests.support.world import World

DATA = "/v2/video"
CONTENT = bytes(range(250)) * 4
KEY = "desk-secret-of-16-characters"


@pytest.fixture
def clip(world: World) -> UUID:
    return made_clip(world, 0)


def made_clip(world: World, at_s: float) -> UUID:
    segment_id = ready(world, "cam1", at_s, ["AB123CD"], size=len(CONTENT))
    world.store.put(world.segments.get(segment_id).file_path, CONTENT, "video/mp4")
    world.database.execute(
        "UPDATE video_segments SET sha256 = %s WHERE id = %s",
        sha256(CONTENT).hexdigest(),
        segment_id,
    )
    return segment_id


@pytest.fixture
def link(world: World, clip: UUID) -> tuple[Share, str]:
    until = from_ms(world.clock.now_ms()) + timedelta(hours=1)
    return PostgresShareRows(world.database).share(clip, until, "for Ann", "desk")


def opened(api: TestClient, token: str, **more: Any) -> Any:
    return api.post(f"{DATA}/shared", json={"token": token}, **more)


def with_key(world: World) -> TestClient:
    settings = world.settings.model_copy(update={"api_keys": SecretStr(f"desk:operator:{KEY}")})
    return TestClient(build(settings), base_url="http://127.0.0.1")


def test_a_link_shows_its_clip_and_nothing_else(world: World, clip: UUID) -> None:
    with with_key(world) as api:
        headers = {"Authorization": f"Bearer {KEY}"}
        asked = {"expires_in_hours": 2, "note": "for Ann"}
        made = api.post(f"{DATA}/segments/{clip}/shares", json=asked, headers=headers)
        assert made.status_code == 201
        token = made.json()["token"]
        assert made.json()["link"] == f"http://127.0.0.1/#/shared/{token}"
        answer = opened(api, token)
        assert set(answer.json()) == {
            "camera_id",
            "first_frame_at",
            "end_time",
            "duration_seconds",
            "expires_at",
        }
        assert (answer.json()["camera_id"], answer.headers["cache-control"]) == ("cam1", "no-store")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        whole = api.get(f"{DATA}/shared/clip")
        assert (whole.status_code, whole.content) == (200, CONTENT)
        assert "AB123CD" not in whole.headers["content-disposition"]
        part = api.get(f"{DATA}/shared/clip", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, CONTENT[10:20])
        # The cookie opens nothing else.
        for path in (f"segments/{clip}", f"segments/{clip}/download", "segments", "session"):
            assert api.get(f"{DATA}/{path}").status_code == 401
        listed = api.get(f"{DATA}/segments/{clip}/shares", headers=headers)
    assert token not in listed.text
    (item,) = listed.json()["items"]
    assert (item["views"], item["open"], item["note"]) == (1, True, "for Ann")
    assert (item["created_by"], item["last_seen_at"] is not None) == ("desk", True)
    lines = world.database.fetch(
        "SELECT who, action, purpose, details FROM access_log WHERE segment_id = %s ORDER BY id",
        clip,
    )
    by = f"share {item['id']}"
    assert [(line["who"], line["action"]) for line in lines] == [
        ("desk", "share.create"),
        (by, "share.view"),
        (by, "download"),
    ]
    assert lines[-1]["purpose"] == "link of desk"
    rows = "".join(str(row) for row in world.database.fetch("SELECT t::text FROM shares t"))
    assert token not in rows + json.dumps([line["details"] for line in lines])


def test_a_revoked_and_an_expired_link_end_at_once(
    world: World, api: TestClient, clip: UUID, link: tuple[Share, str]
) -> None:
    share, token = link
    assert opened(api, token).status_code == 200
    assert api.delete(f"{DATA}/shares/{share.id}").status_code == 204
    assert api.delete(f"{DATA}/shares/{share.id}").status_code == 204
    for answer in (api.get(f"{DATA}/shared/clip"), opened(api, token)):
        assert (answer.status_code, "was ended" in answer.json()["detail"]) == (410, True)
    (item,) = api.get(f"{DATA}/segments/{clip}/shares").json()["items"]
    assert (item["open"], item["revoked_by"], item["views"]) == (False, "local", 1)
    world.database.execute(
        "UPDATE shares SET revoked_at = NULL, revoked_by = NULL, expires_at = now()"
    )
    late = opened(api, token)
    assert (late.status_code, "expired" in late.json()["detail"]) == (410, True)
    revoked = world.database.fetch("SELECT FROM access_log WHERE action = 'share.revoke'")
    assert len(revoked) == 1
    assert api.delete(f"{DATA}/shares/{UUID(int=1)}").status_code == 404


def test_it_ends_with_its_clip(
    world: World, api: TestClient, clip: UUID, link: tuple[Share, str]
) -> None:
    assert opened(api, link[1]).status_code == 200
    assert api.delete(f"{DATA}/segments/{clip}").status_code == 204
    for answer in (api.get(f"{DATA}/shared/clip"), opened(api, link[1])):
        assert (answer.status_code, "was deleted" in answer.json()["detail"]) == (410, True)
    again = api.post(f"{DATA}/segments/{clip}/shares", json={"expires_in_hours": 1})
    assert again.status_code == 410
    world.database.execute("DELETE FROM video_segments WHERE id = %s", clip)
    assert world.database.fetch("SELECT FROM shares") == []
    assert opened(api, link[1]).status_code == 404
    assert api.get(f"{DATA}/shared/clip").status_code == 404


def test_wrong_tokens_count_as_guesses(
    world: World, api: TestClient, link: tuple[Share, str]
) -> None:
    for number in range(MOST_FAILURES):
        if number % 2:
            assert opened(api, "guess").status_code == 404
        else:
            cookies = {"Cookie": "platereel_shared=guess"}
            assert api.get(f"{DATA}/shared/clip", headers=cookies).status_code == 404
    limited = opened(api, "guess")
    assert (limited.status_code, "Retry-After" in limited.headers) == (429, True)
    assert opened(api, link[1]).status_code == 200
    lines = world.database.fetch("SELECT details FROM access_log WHERE action = 'share.refused'")
    assert len(lines) == MOST_FAILURES
    assert "guess" not in json.dumps([line["details"] for line in lines])


def test_without_a_link_there_is_nothing(api: TestClient, link: tuple[Share, str]) -> None:
    assert api.get(f"{DATA}/shared/clip").status_code == 404
    foreign = {"Origin": "https://evil.example"}
    assert opened(api, link[1], headers=foreign).status_code == 403
    assert api.cookies == {}


def test_two_links_show_two_clips(world: World, api: TestClient, link: tuple[Share, str]) -> None:
    """A browser has one cookie: the link that was opened last counts."""
    until = from_ms(world.clock.now_ms()) + timedelta(hours=1)
    other = made_clip(world, 100)
    _, token = PostgresShareRows(world.database).share(other, until, None, "desk")
    opened(api, link[1])
    opened(api, token)
    api.get(f"{DATA}/shared/clip")
    (line,) = world.database.fetch("SELECT segment_id FROM access_log WHERE action = 'download'")
    assert line["segment_id"] == other


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "expires_in_hours"),
        ({"expires_in_hours": 1, "expires_at": "2030-01-01T00:00:00Z"}, "expires_in_hours"),
        ({"expires_in_hours": 0}, "expires_in_hours"),
        ({"expires_in_hours": 2161}, "expires_in_hours"),
        ({"expires_in_hours": "1"}, "expires_in_hours"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "9999-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "expires_at"),
        ({"expires_in_hours": 1, "note": "x" * 201}, "note"),
        ({"expires_in_hours": 1, "note": "a\u200bb"}, "note"),
        ({"expires_in_hours": 1, "plate": "AB1"}, "plate"),
    ],
)
def test_bad_bodies_name_what_is_wrong(
    api: TestClient, clip: UUID, body: dict[str, Any], field: str
) -> None:
    answer = api.post(f"{DATA}/segments/{clip}/shares", json=body)
    assert answer.status_code == 422
    assert field in json.dumps(answer.json()["errors"])


def test_what_has_no_clip_cannot_be_shared(world: World, api: TestClient) -> None:
    unfinished = ready(world, "cam1", 200, status="finalizing")
    answer = api.post(f"{DATA}/segments/{unfinished}/shares", json={"expires_in_hours": 1})
    assert answer.status_code == 409
    nobody = api.post(f"{DATA}/segments/{UUID(int=1)}/shares", json={"expires_in_hours": 1})
    assert nobody.status_code == 404


def test_where_a_purpose_is_required_whoever_makes_a_link_states_it(
    world: World, clip: UUID
) -> None:
    access = AccessSettings(purpose=PurposeRule.REQUIRED)
    settings = world.settings.model_copy(update={"access": access})
    with TestClient(build(settings), base_url="http://127.0.0.1") as api:
        path, body = f"{DATA}/segments/{clip}/shares", {"expires_in_hours": 1}
        assert api.post(path, json=body).status_code == 422
        made = api.post(path, json=body, headers={"X-Purpose": "case 7"})
        assert made.status_code == 201
        assert opened(api, made.json()["token"]).status_code == 200
        assert api.get(f"{DATA}/shared/clip").status_code == 200


def test_an_erased_plate_goes_from_notes_of_links(
    world: World, api: TestClient, clip: UUID
) -> None:
    until = from_ms(world.clock.now_ms()) + timedelta(hours=1)
    PostgresShareRows(world.database).share(clip, until, "seen ZZ 99 and XY-1", "desk")
    assert api.post(f"{DATA}/plates/ZZ99/erase", json={}).status_code == 200
    (row,) = world.database.fetch("SELECT note FROM shares")
    assert ("ZZ" in row["note"], "XY-1" in row["note"]) == (False, True)


def test_the_client_makes_lists_and_ends_links(world: World, clip: UUID, address: str) -> None:
    until = from_ms(world.clock.now_ms()) + timedelta(days=2)
    with ApiClient(address) as client:
        first = client.share(clip, hours=1.5)
        second = client.share(clip, until=until, note="for Ann")
        assert first.link.endswith(f"/#/shared/{first.token}")
        assert abs(second.expires_at - until) < timedelta(seconds=1)
        client.revoke_share(first.id)
        found = client.shares(clip)
    assert [(each.id, each.open) for each in found.items] == [(second.id, True), (first.id, False)]
