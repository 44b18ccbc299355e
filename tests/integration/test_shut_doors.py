"""Who gets in without being let in: names that lead here, pages of other sites, proxies, keys that
are gone.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import urllib3
from fastapi.testclient import TestClient
from pydantic import SecretStr

from services.api.media.streams import (
    GRACE_SECONDS,
    LOOK_AGAIN_SECONDS,
    UNSURE_SECONDS,
    Permit,
    Viewers,
)
from services.api.wiring import build
from shared.adapters.postgres.access import PostgresAccessRows
from shared.domain.access import Caller, Role
from shared.domain.errors import Retryable
from shared.domain.media import Frame
from shared.domain.timing import from_ms
from tests.support.http import serving
from tests.support.rows import ready
from tests.support.twins import SimulatedClock
from tests.support.waiting import WAIT_SECONDS, wait_until
from tests.support.world import LIMITS, World

SESSION = "/v2/video/session"
BOSS = "boss-secret-of-16-characters"
# Every path is a door, and so is none.
PATHS = (
    "/v2/video/segments",
    "/metrics",
    "/readyz",
    "/healthz",
    "/docs",
    "/openapi.json",
    "/",
    "/nothing",
)

OTHERS = (
    "evil.example",
    "a{b.evil.example:8080",
    "a}b.evil.example",
    "a`b.evil.example",
    'a"b.evil.example',
    "",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "localhost.evil.example",
    "localhost:8080@evil.example",
    "[::1",
    "[::2]",
    "128.0.0.1",
    "127.0.0.1:",
    "127.0.0.1:x",
    "localhost evil",
    " ",
    "0x7f.1",
    "2130706433",
)


@pytest.fixture
def access(world: World) -> PostgresAccessRows:
    return PostgresAccessRows(world.database)


@pytest.fixture
def api(world: World) -> Iterator[TestClient]:
    """The API without any key, as this machine's user has it."""
    with TestClient(
        build(world.settings), base_url="http://127.0.0.1:8080", raise_server_exceptions=False
    ) as client:
        yield client


def test_a_key_that_is_over_does_not_open_the_door(
    world: World, access: PostgresAccessRows, api: TestClient
) -> None:
    assert api.get(SESSION).json()["role"] == "admin"
    soon = from_ms(world.clock.now_ms()) + timedelta(days=1)
    access.create_key(name="phone", role=Role.VIEWER, cameras=None, expires_at=soon, who="test")
    access.create_key(name="leaked", role=Role.ADMIN, cameras=None, expires_at=None, who="test")
    world.database.execute(
        "UPDATE api_keys SET expires_at = now() - interval '1 s' WHERE name = 'phone'"
    )
    access.revoke_key("leaked", "test")
    assert api.get(SESSION).status_code == 401
    with TestClient(build(world.settings), base_url="http://127.0.0.1:8080") as restarted:
        assert restarted.get(SESSION).status_code == 401


def test_what_somebody_passed_on_is_not_this_machines_own(api: TestClient) -> None:
    for mark in (
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-Host": "x"},
        {"Forwarded": "for=203.0.113.9"},
        {"X-Real-IP": "127.0.0.1"},
        {"Via": "1.1 cache"},
        {"X-Forwarded-User": "bob"},
        {"CF-Connecting-IP": "x"},
        {"Fly-Client-IP": "x"},
        {"X-Envoy-External-Address": "x"},
        {"CDN-Loop": "x"},
        {"X-Original-URL": "/"},
        {"X_Forwarded_For": "x"},
        {"Tailscale-User-Login": "x"},
        {"X-Amzn-Trace-Id": "x"},
    ):
        assert api.get(SESSION, headers=mark).status_code == 401, mark
        assert api.post("/v2/video/cleanup?dry_run=true", headers=mark).status_code == 401, mark


def test_what_comes_by_a_trusted_proxy_is_not_this_machines_own(world: World) -> None:
    trusting = world.settings.api.model_validate({"trusted_proxies": ["127.0.0.0/8"]})
    app = build(world.settings.model_copy(update={"api": trusting}))
    with TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 5000)) as behind:
        assert behind.get(SESSION).status_code == 401
        assert behind.get(SESSION, headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 401


def test_another_name_is_refused_on_every_path(access: PostgresAccessRows, api: TestClient) -> None:
    for host in OTHERS:
        for path in PATHS:
            assert api.get(path, headers={"Host": host}).status_code == 421, (host, path)
    access.create_key(name="first", role=Role.ADMIN, cameras=None, expires_at=None, who="test")
    for host in OTHERS:
        assert api.get("/healthz", headers={"Host": host}).status_code == 200, (
            "keys keep the door now"
        )


def test_loopback_has_these_names_and_one_host_a_request(api: TestClient) -> None:
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1", "127.1.2.3:9", "[::1]", "[::1]:8080"):
        assert api.get(SESSION, headers={"Host": host}).status_code == 200, host
    doubled = [("Host", "127.0.0.1"), ("Host", "evil.example")]
    for headers in (doubled, doubled[::-1], [doubled[0], doubled[0]]):
        assert api.get("/healthz", headers=headers).status_code == 400


def test_a_request_without_any_name_is_refused(world: World) -> None:
    """HTTP/1.0 has no Host; a socket sends what no client library would."""
    with (
        serving(build(world.settings)) as url,
        socket.create_connection(
            ("127.0.0.1", int(url.rpartition(":")[2])), timeout=WAIT_SECONDS
        ) as raw,
    ):
        raw.sendall(f"GET {SESSION} HTTP/1.0\r\n\r\n".encode())
        assert raw.recv(100).split()[1] == b"421"


def test_only_a_key_in_the_request_is_no_browsers_doing(world: World, api: TestClient) -> None:
    """Basic is added by browsers by themselves: behind a proxy that asks for it, and where a page
    made them.
    """
    elsewhere = {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"}
    app: Any = api.app
    clip = ready(world, "cam1", 0)
    changes = [
        (method, path.replace("{segment_id}", str(clip)).replace("{name}", "x"))
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if method not in {"get", "head"}
    ]
    assert len(changes) >= 9
    for basic in (
        {},
        {"Authorization": "Basic Ym9iOnB3"},
        {"Authorization": "Negotiate x"},
        {"Authorization": "x"},
    ):
        for method, path in changes:
            answer = api.request(method, path, headers={**elsewhere, **basic}, json={})
            assert answer.status_code == 403, (method, path, basic)
    bearer = {"Authorization": "Bearer wrong"}
    assert api.post("/v2/video/cleanup", headers={**elsewhere, **bearer}).status_code == 401
    assert api.post(SESSION, headers={**elsewhere, **bearer}, json={"key": "x"}).status_code == 403
    for origin in ("http://[evil", "http://a]b", "null", "http://127.0.0.1:8081"):
        assert (
            api.post(SESSION, headers={"Origin": origin}, json={"key": "x"}).status_code == 403
        ), origin
    assert api.post(SESSION, headers={"Content-Length": "0" * 5_000}).status_code == 413


def test_cross_site_changes_behind_a_proxy_that_asks_for_basic(world: World) -> None:
    given = {
        "trusted_proxies": ["10.0.0.0/8"], "proxy_user_header": "X-Forwarded-User",
        "proxy_role_header": "X-Forwarded-Role",
    }  # fmt: skip
    settings = world.settings.model_copy(update={"api": world.settings.api.model_validate(given)})
    with TestClient(
        build(settings), base_url="http://clips.example", client=("10.1.2.3", 5000)
    ) as behind:
        bob = {
            "X-Forwarded-User": "bob",
            "X-Forwarded-Role": "admin",
            "Authorization": "Basic Ym9iOnB3",
        }
        path = "/v2/video/cleanup?dry_run=true"
        assert behind.post(path, headers={**bob, "Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert behind.post(path, headers={**bob, "Sec-Fetch-Site": "same-origin"}).status_code in {
            200,
            202,
        }


def test_the_role_is_the_proxys_only_where_it_is_said_so(world: World) -> None:
    given = {"trusted_proxies": ["10.0.0.0/8"], "proxy_user_header": "X-Forwarded-User"}
    settings = world.settings.model_copy(update={"api": world.settings.api.model_validate(given)})
    with TestClient(
        build(settings), base_url="http://clips.example", client=("10.1.2.3", 5000)
    ) as behind:
        told = {"X-Forwarded-User": "bob", "X-Forwarded-Role": "admin"}
        assert behind.get(SESSION, headers=told).json()["role"] == "viewer", (
            "the client's own header passes"
        )
    with pytest.raises(ValueError, match="proxy_user_header"):
        world.settings.api.model_validate({"proxy_role_header": "X-Forwarded-Role"})


def test_identity_that_is_doubled_or_unreadable_is_refused(world: World) -> None:
    given = {
        "trusted_proxies": ["10.0.0.0/8"], "proxy_user_header": "X-Forwarded-User",
        "proxy_role_header": "X-Forwarded-Role",
    }  # fmt: skip
    settings = world.settings.model_copy(update={"api": world.settings.api.model_validate(given)})
    user, role = ("X-Forwarded-User", "ann"), ("X-Forwarded-Role", "operator")
    with TestClient(
        build(settings), base_url="http://clips.example", client=("10.1.2.3", 5000)
    ) as behind:
        assert behind.get(SESSION, headers=[user, role]).json()["role"] == "operator"
        for headers in (
            [user, user, role],
            [("X-Forwarded-User", "evil"), user],
            [user, ("X-Forwarded-Role", "admin"), role],
            [("X-Forwarded-User", "evil, ann"), role],
            [user, ("X-Forwarded-Role", "admin,operator")],
            [("X-Forwarded-User", "a" * 200)],
            [("X-Forwarded-User", "a\x7f")],
            [user, ("X-Forwarded-For", "nonsense")],
            [user, ("X-Forwarded-For", "203.0.113.9, unknown")],
        ):
            assert behind.get(SESSION, headers=headers).status_code == 400, headers


@pytest.mark.parametrize(
    "lines",
    [
        ["10.9.9.{n}", "192.0.2.3"],
        ["10.9.9.{n}, 203.0.113.{n}, 192.0.2.3"],
        ["203.0.113.{n}", "192.0.2.3:40{n}"],
        ["203.0.113.{n}", "[2001:db8::7]:40{n}"],
        ["203.0.113.{n}", "2001:db8::7"],
    ],
)
def test_the_clients_own_lines_buy_it_no_more_guesses(world: World, lines: list[str]) -> None:
    """A proxy may add a line, or an address with a port: the nearest hop that is no proxy
    counts.
    """
    trusting = world.settings.api.model_validate({"trusted_proxies": ["10.0.0.0/8"]})
    settings = world.settings.model_copy(
        update={"api": trusting, "api_keys": SecretStr(f"boss:admin:{BOSS}")}
    )
    with TestClient(
        build(settings), base_url="http://clips.example", client=("10.1.2.3", 5000)
    ) as behind:
        statuses = [
            behind.get(
                SESSION,
                headers=[
                    ("Authorization", "Bearer wrong"),
                    *(("X-Forwarded-For", line.format(n=n)) for line in lines),
                ],
            ).status_code
            for n in range(10, 24)
        ]
    assert statuses == [401] * 10 + [429] * 4


def test_a_session_has_what_its_key_has_now(world: World, access: PostgresAccessRows) -> None:
    settings = world.settings.model_copy(update={"api_keys": SecretStr(f"boss:admin:{BOSS}")})
    lowered = world.settings.model_copy(update={"api_keys": SecretStr(f"boss:viewer:{BOSS}")})
    with TestClient(build(settings), base_url="http://127.0.0.1") as api:
        assert api.post(SESSION, json={"key": BOSS}).json()["role"] == "admin"
        with TestClient(
            build(lowered), base_url="http://127.0.0.1", cookies=api.cookies
        ) as restarted:
            assert restarted.get(SESSION).json()["role"] == "viewer"
    _, secret = access.create_key(
        name="ann", role=Role.ADMIN, cameras=None, expires_at=None, who="test"
    )
    with TestClient(build(settings), base_url="http://127.0.0.1") as api:
        assert api.post(SESSION, json={"key": secret}).json()["role"] == "admin"
        world.database.execute(
            "UPDATE api_keys SET role = 'operator', cameras = '{cam1}' WHERE name = 'ann'"
        )
        assert (api.get(SESSION).json()["role"], api.get(SESSION).json()["cameras"]) == (
            "operator",
            ["cam1"],
        )


def test_endless_answers_end_with_their_key(world: World, access: PostgresAccessRows) -> None:
    """Of a key, of a session of it, and of the open door when the first key is made."""
    world.film("cam1", 0, 1)
    pool = urllib3.PoolManager(retries=False, timeout=LOOK_AGAIN_SECONDS + 30)
    paths = ("/v2/video/events", "/v2/video/cameras/cam1/live.mjpeg?fps=0.1")
    with serving(build(world.settings)) as url:
        open_door = [pool.request("GET", url + path, preload_content=False) for path in paths]
        _, secret = access.create_key(
            name="ann", role=Role.VIEWER, cameras=None, expires_at=None, who="test"
        )
        session = pool.request("POST", url + SESSION, json={"key": secret})
        cookie = session.headers["Set-Cookie"].partition(";")[0]
        ways = ({"Authorization": f"Bearer {secret}"}, {"Cookie": cookie})
        streams = [
            pool.request("GET", url + path, headers=way, preload_content=False)
            for path in paths
            for way in ways
        ]
        assert [stream.status for stream in (*open_door, *streams)] == [200] * 6
        access.revoke_key("ann", "test")
        began = time.monotonic()
        for stream in (*open_door, *streams):
            while stream.read1(65_536):
                pass
            stream.release_conn()
        assert time.monotonic() - began < LOOK_AGAIN_SECONDS + 20
    pool.clear()


def test_who_does_not_read_keeps_no_place_when_its_key_is_gone(
    world: World, access: PostgresAccessRows
) -> None:
    """Nothing can be sent to it any more, so nothing that is sent notices: the place is given up
    all the same.
    """
    _, secret = access.create_key(
        name="ann", role=Role.VIEWER, cameras=None, expires_at=None, who="test"
    )
    app = build(world.settings)
    viewers = app.state.ports.viewers
    world.frames.append(
        [
            Frame(
                camera_id="cam1",
                captured_ms=world.clock.now_ms(),
                data=bytes(4_000_000),
                counter=1,
                run_id="run",
            )
        ],
        {"cam1": LIMITS},
    )
    with serving(app) as url:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(address)
            path = "/v2/video/cameras/cam1/live.mjpeg?fps=15"
            deaf.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {secret}\r\n\r\n".encode()
            )
            wait_until("the stream", lambda: viewers.open() == 1)
            time.sleep(0.5)
            access.revoke_key("ann", "test")
            wait_until(
                "its place",
                lambda: viewers.open() == 0,
                3 * LOOK_AGAIN_SECONDS + GRACE_SECONDS + 20,
            )


def test_while_nobody_can_say_a_stream_goes_on_for_a_minute() -> None:
    clock, caller, away = SimulatedClock(), Caller("ann", Role.VIEWER), [False]

    def look() -> Caller:
        if away[0]:
            raise Retryable("the database does not answer")
        return caller

    permit = Permit(caller, look, clock)

    async def good_after(seconds: float) -> bool:
        clock.sleep(seconds)
        return await permit.good()

    assert asyncio.run(good_after(LOOK_AGAIN_SECONDS))
    away[0] = True
    assert asyncio.run(good_after(UNSURE_SECONDS / 2))
    assert not asyncio.run(good_after(UNSURE_SECONDS))
    away[0] = False
    assert not asyncio.run(good_after(LOOK_AGAIN_SECONDS)), "what is over stays over"


def test_one_caller_does_not_take_all_streams(world: World, access: PostgresAccessRows) -> None:
    _, one = access.create_key(
        name="one", role=Role.VIEWER, cameras=["cam1"], expires_at=None, who="test"
    )
    _, two = access.create_key(
        name="two", role=Role.VIEWER, cameras=None, expires_at=None, who="test"
    )
    app = build(world.settings)
    app.state.ports.viewers.most_a_caller = 2
    pool = urllib3.PoolManager(retries=False, maxsize=8, timeout=WAIT_SECONDS)

    def listen(secret: str) -> urllib3.BaseHTTPResponse:
        bearer = {"Authorization": f"Bearer {secret}"}
        return pool.request("GET", f"{url}/v2/video/events", headers=bearer, preload_content=False)

    with serving(app) as url:
        mine = [listen(one), listen(one)]
        refused = listen(one)
        assert (refused.status, refused.headers["Retry-After"]) == (429, "10")
        other = listen(two)
        assert [stream.status for stream in (*mine, other)] == [200] * 3
        mine[0].close()
        deadline = time.monotonic() + 20
        while (again := listen(one)).status != 200:
            assert time.monotonic() < deadline, "a stream that was closed still counts"
            again.close()
            time.sleep(0.1)
        for stream in (mine[1], other, again, refused):
            stream.close()
    assert app.state.ports.viewers.most == Viewers().most
    pool.clear()


def test_logging_out_is_logged_once(
    world: World, access: PostgresAccessRows, api: TestClient
) -> None:
    _, secret = access.create_key(
        name="ann", role=Role.VIEWER, cameras=None, expires_at=None, who="test"
    )
    opened = api.post(SESSION, json={"key": secret})
    assert opened.headers["cache-control"] == "no-store"
    csrf = {"X-CSRF-Token": opened.json()["csrf_token"]}
    assert api.delete(SESSION, headers=csrf).status_code == 204
    actions = world.database.fetch("SELECT who, action FROM access_log ORDER BY id")
    assert [(row["who"], row["action"]) for row in actions][-2:] == [
        ("ann", "session.open"),
        ("ann", "session.close"),
    ]
