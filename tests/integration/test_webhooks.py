"""Events reach other people's servers: signed, again after a failure, and no private address unless
allowed.
"""

from __future__ import annotations

import base64
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.dispatch.lanes import MOST_ATTEMPTS, Lane
from services.dispatch.webhooks import Webhook, webhook_lane
from shared.adapters.postgres.webhooks import PostgresWebhookRows
from shared.adapters.redis.client import redis_client
from shared.adapters.redis.events import RedisEvents
from shared.adapters.webhooks import HttpWebhooks
from shared.domain.errors import BadInput
from shared.runtime.configuration import ConfigurationError, load
from shared.wire.keys import Keys
from tests.support.proxy import Proxy
from tests.support.recordings import accept, finish
from tests.support.waiting import WAIT_SECONDS
from tests.support.world import World

GOOD = "{name: a, url: 'https://x', secret: 0123456789abcdef}"
SECRET = "whsec_" + base64.b64encode(b"sixteen or more bytes").decode()


class Receiver(HTTPServer):
    """Keeps what it gets, and answers with the statuses it was given."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 204
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def receiving() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def sender(world: World, webhook: Webhook) -> Lane:
    return webhook_lane(webhook, PostgresWebhookRows(world.database), HttpWebhooks(), world.clock)


def webhook_to(receiver: Receiver, **change: Any) -> Webhook:
    url = f"http://127.0.0.1:{receiver.server_port}/in?x=1"
    return replace(Webhook("test", url, SECRET, private=True, source=None), **change)


def relayed(world: World, *names: str) -> None:
    world.pacing.relay_events(lambda events: [None] * len(events), 100, {"test": names})


def only_windows(world: World) -> None:
    """One event for each detection: what it tells of its plate does not matter here."""
    world.database.execute("DELETE FROM outbox WHERE name <> 'segment.recording'")


def due_again(world: World) -> None:
    world.database.execute(
        "UPDATE webhook_deliveries SET next_at = now() WHERE next_at IS NOT NULL"
    )


def test_a_webhook_that_hangs_delays_no_other(world: World) -> None:
    """One lane is stuck in a request while another delivers everything."""
    for number in range(30):
        accept(world, f"cam{number}", 10, f"d{number}")
    with receiving() as well, socket.create_server(("127.0.0.1", 0)) as deaf:
        hanging = webhook_to(well, name="hangs", url=f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        world.pacing.relay_events(
            lambda events: [None] * len(events),
            100,
            {"test": ["segment.recording"], "hangs": ["segment.recording"]},
        )
        stuck = threading.Thread(target=sender(world, hanging).send, daemon=True)
        stuck.start()
        lane = sender(world, webhook_to(well))
        assert lane.send() + lane.send() == 30
        assert stuck.is_alive()
        deaf.close()
        stuck.join(WAIT_SECONDS)
    rows = world.database.fetch(
        "SELECT delivered_at, attempts FROM webhook_deliveries WHERE webhook = 'hangs'"
    )
    assert sorted(row["attempts"] for row in rows) == [0] * 29 + [1], (
        "one was tried; the others are no worse for it"
    )


def test_an_answer_without_end_is_not_read(world: World) -> None:
    """The status is all that counts."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def pour() -> None:
            line, _ = server.accept()
            with line, suppress(OSError):
                line.recv(10_000)
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
                while True:
                    line.sendall(bytes(100_000))

        thread = threading.Thread(target=pour)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        assert HttpWebhooks().post(url, b"{}", {}, private=True) == 200
        thread.join(WAIT_SECONDS)
        assert not thread.is_alive()


def test_an_event_that_the_broker_refuses_waits_and_holds_up_no_other(world: World) -> None:
    for number in range(3):
        accept(world, f"cam{number}", 10, f"d{number}")
    only_windows(world)
    told: list[str] = []

    def publish(events: Any) -> list[str | None]:
        told.extend(body["camera_id"] for _, body in events)
        return ["no" if body["camera_id"] == "cam1" else None for _, body in events]

    webhooks = {"test": ["segment.recording"]}
    assert world.pacing.relay_events(publish, 2, webhooks) == 2
    assert world.pacing.relay_events(publish, 2, webhooks) == 1
    assert world.pacing.relay_events(publish, 2, webhooks) == 0
    assert told == ["cam0", "cam1", "cam2"]
    assert len(world.database.fetch("SELECT FROM webhook_deliveries")) == 2
    world.database.execute("UPDATE outbox SET not_before = now()")
    assert world.pacing.relay_events(lambda events: [None] * len(events), 2, webhooks) == 1
    assert len(world.database.fetch("SELECT FROM webhook_deliveries")) == 3


@pytest.mark.real_time
def test_events_go_out_over_a_slow_line(world: World) -> None:
    """100 ms to the broker: one by one, two hundred took longer than their transaction may, and
    began anew for ever.
    """
    for number in range(150):
        accept(world, f"cam{number}", 10, f"d{number}")
    only_windows(world)
    target = urlsplit(
        world.settings.broker_url.get_secret_value() if world.settings.broker_url else ""
    )
    assert target.hostname is not None
    assert target.port is not None
    proxy = Proxy((target.hostname, target.port))
    proxy.slow(latency_s=0.1)
    try:
        slow = target._replace(
            netloc=target.netloc.replace(f":{target.port}", f":{proxy.port}")
        ).geturl()
        with redis_client(slow) as broker:
            keys = Keys(world.settings.redis_prefix, world.settings.detections_name)
            began_s = world.clock.monotonic()
            assert world.pacing.relay_events(RedisEvents(broker, keys).publish_all, 200, {}) == 150
            assert world.clock.monotonic() - began_s < 10
            assert world.redis.xlen(keys.events) == 150
    finally:
        proxy.close()
    assert world.pacing.relay_events(lambda events: [None] * len(events), 200, {}) == 0


def test_an_event_arrives_signed_as_standard_webhooks_has_it(world: World) -> None:
    world.film("cam", 0, 30)
    (segment_id,) = accept(world, "cam", 10, "d1")
    finish(world, "cam")
    with receiving() as receiver:
        relayed(world, "segment.ready")
        assert sender(world, webhook_to(receiver)).send() == 1
        assert sender(world, webhook_to(receiver)).send() == 0
    ((headers, body),) = receiver.got
    event = json.loads(body)
    assert (event["event"], event["segment_id"]) == ("segment.ready", str(segment_id))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(
        hmac.new(b"sixteen or more bytes", signed, sha256).digest()
    ).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert abs(int(headers["webhook-timestamp"]) - world.clock.now_ms() / 1000) < 60
    assert headers["Host"] == f"127.0.0.1:{receiver.server_port}"


def test_a_cloud_event(world: World) -> None:
    accept(world, "cam", 10, "d1")
    with receiving() as receiver:
        relayed(world, "segment.recording")
        sender(world, webhook_to(receiver, source="urn:platereel:x")).send()
    ((headers, body),) = receiver.got
    event = json.loads(body)
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert (event["specversion"], event["type"], event["source"]) == (
        "1.0",
        "platereel.segment.recording",
        "urn:platereel:x",
    )
    assert event["data"]["camera_id"] == "cam"
    assert event["id"]
    assert event["time"]


def test_a_failure_is_tried_again_under_the_same_id(world: World) -> None:
    accept(world, "cam", 10, "d1")
    with receiving() as receiver:
        receiver.statuses = [500, 302, 204]
        relayed(world, "segment.recording")
        relayed(world, "segment.recording")
        webhooks = sender(world, webhook_to(receiver))
        assert webhooks.send() == 1
        assert webhooks.send() == 0, "it waits"
        row = world.database.fetch_one(
            "SELECT attempts, error, next_at - now() AS wait FROM webhook_deliveries"
        )
        assert row is not None
        assert (row["attempts"], row["error"]) == (1, "it answered 500")
        assert 3 < row["wait"].total_seconds() <= 5
        for _ in range(2):
            due_again(world)
            assert webhooks.send() == 1
        due_again(world)
        assert webhooks.send() == 0
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3, "a redirect is no success, and is not followed"


def test_it_is_given_up_at_last_and_at_once_when_it_is_gone(world: World) -> None:
    accept(world, "cam", 10, "d1")
    with receiving() as receiver:
        relayed(world, "segment.recording")
        receiver.statuses = [503] * MOST_ATTEMPTS
        webhooks = sender(world, webhook_to(receiver))
        for _ in range(MOST_ATTEMPTS):
            due_again(world)
            webhooks.send()
        due_again(world)
        assert webhooks.send() == 0
        accept(world, "other", 10, "d2")
        relayed(world, "segment.recording")
        receiver.statuses = [410]
        assert webhooks.send() == 1
        due_again(world)
        assert webhooks.send() == 0
    given_up = world.database.fetch("SELECT FROM webhook_deliveries WHERE given_up_at IS NOT NULL")
    assert len(given_up) == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/",
        "http://localhost:9/",
        "http://[::1]:9/",
        "http://10.1.2.3/",
        "http://169.254.169.254/",
    ],
)
def test_addresses_of_the_own_network_are_not_called(url: str) -> None:
    with pytest.raises(BadInput, match="private"):
        HttpWebhooks().post(url, b"{}", {}, private=False)


def test_a_private_address_is_given_up_at_once(world: World) -> None:
    accept(world, "cam", 10, "d1")
    with receiving() as receiver:
        relayed(world, "segment.recording")
        assert sender(world, webhook_to(receiver, private=False)).send() == 1
        assert receiver.got == []
    row = world.database.fetch_one("SELECT error, given_up_at FROM webhook_deliveries")
    assert row is not None
    assert "private" in row["error"]
    assert row["given_up_at"] is not None


def test_who_was_killed_with_a_delivery_loses_it_later(world: World) -> None:
    accept(world, "cam", 10, "d1")
    relayed(world, "segment.recording")
    deliveries = PostgresWebhookRows(world.database)
    assert len(deliveries.take(["test"], 10, 60)) == 1
    assert deliveries.take(["test"], 10, 60) == []
    # as if the minute of its lease had passed
    world.database.execute("UPDATE webhook_deliveries SET next_at = next_at - interval '60 s'")
    assert len(deliveries.take(["test"], 10, 60)) == 1
    assert deliveries.take(["another"], 10, 60) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{name: a, url: 'ftp://x', secret: 0123456789abcdef}", "url"),
        ("{name: a, url: 'https://x', secret: short}", "secret"),
        ("{name: a, url: 'https://x', secret: 'whsec_%%%%%%%%%%%%'}", "secret"),
        (
            "{name: a, url: 'https://x', secret: 0123456789abcdef, events: [segment.eaten]}",
            "events",
        ),
        (f"{GOOD}, {GOOD}", "called a"),
    ],
)
def test_settings_that_cannot_be_are_named(tmp_path: Any, text: str, named: str) -> None:
    path = tmp_path / "platereel.yaml"
    path.write_text(f"webhooks: [{text}]\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        load(path, {})
    assert named in str(error.value)
    assert "0123456789abcdef" not in str(error.value)
