"""The lanes of webhooks and the relay of events, with time that is given."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from services.dispatch.lanes import LONGEST_SILENCE_SECONDS
from services.dispatch.pacer import EVENTS_BATCH, Pacer, PacerPorts
from services.dispatch.webhooks import Webhook, webhook_lane
from shared.adapters.webhooks import checked_address
from shared.domain.errors import BadInput, Retryable
from shared.domain.ports import WebhookDelivery
from tests.support.twins import SimulatedClock

PUBLIC = ("1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8")
PRIVATE = (
    "127.0.0.1",
    "10.1.2.3",
    "192.168.1.1",
    "172.16.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "::1",
    "fe80::1%eth0",
    "fd00::1",
    "fec0::1",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::a00:1",
    "64:ff9b::808:808",
    "2002:a00:1::1",
    "2001:0:808:808::1",
    "240.0.0.1",
    "2001:db8::1",
)
NOBODY = (
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "239.1.2.3",
    "ff02::1",
    "ff0e::1",
    "255.255.255.255",
    "::ffff:224.0.0.1",
)
WEBHOOK = Webhook("a", "https://a/", "0123456789abcdef", private=True, source=None)


@dataclass
class Rows:
    """Deliveries of one webhook; those that are taken and not settled are gone."""

    waiting: list[WebhookDelivery] = field(default_factory=list)
    done: list[UUID] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, count: int) -> None:
        self.waiting += [
            WebhookDelivery(
                delivery_id=uuid4(), webhook="a", name="segment.ready", body={}, attempts=0
            )
            for _ in range(count)
        ]

    def take(self, webhooks: Sequence[str], limit: int, lease_s: float) -> list[WebhookDelivery]:
        taken, self.waiting = self.waiting[:limit], self.waiting[limit:]
        self.lent = {each.delivery_id: each for each in taken}
        return taken

    def put_back(self, delivery_ids: Sequence[UUID], again_s: float) -> None:
        self.waiting = [self.lent[each] for each in delivery_ids] + self.waiting

    def delivered(self, delivery_id: UUID) -> None:
        self.done.append(delivery_id)

    def failed(self, delivery_id: UUID, reason: str, again_s: float | None) -> None:
        self.failures.append(reason)
        if again_s is not None:
            before = self.lent[delivery_id]
            self.waiting.append(replace(before, attempts=before.attempts + 1))


@dataclass
class Post:
    """A webhook that takes its time, and may never answer, or break."""

    clock: SimulatedClock
    hangs: bool = False
    breaks: bool = False
    posts: int = 0

    def post(self, url: str, body: bytes, headers: Mapping[str, str], *, private: bool) -> int:
        self.posts += 1
        self.clock.sleep(10 if self.hangs else 0.02)
        if self.breaks:
            raise ValueError("no port")
        if self.hangs:
            raise Retryable("a does not answer")
        return 200


def test_a_webhook_that_does_not_answer_rests_and_its_other_events_are_no_worse_for_it() -> None:
    clock, rows = SimulatedClock(), Rows()
    post = Post(clock, hangs=True)
    lane = webhook_lane(WEBHOOK, cast("Any", rows), post, clock)
    rows.add(100)
    began_s = clock.monotonic()
    while clock.monotonic() - began_s < 3600:
        lane.send()
        clock.sleep(0.5)
    assert 3600 / (LONGEST_SILENCE_SECONDS + 11) <= post.posts <= 60
    assert len(rows.waiting) == 100
    assert max(each.attempts for each in rows.waiting) <= 1
    post.hangs = False
    clock.sleep(LONGEST_SILENCE_SECONDS)
    while lane.send():
        pass
    assert len(rows.done) == 100


def test_whatever_one_delivery_raises_the_others_are_tried() -> None:
    clock, rows = SimulatedClock(), Rows()
    lane = webhook_lane(WEBHOOK, cast("Any", rows), Post(clock, breaks=True), clock)
    rows.add(3)
    assert lane.send() == 3
    assert rows.failures == ["it cannot be sent: ValueError"] * 3


@dataclass
class Outbox:
    """Takes a time an event; fails when a turn takes over 20 s."""

    clock: SimulatedClock
    event_s: float
    waiting: int = 1_000

    def relay_events(self, publish: object, limit: int, webhooks: object) -> int:
        count = min(limit, self.waiting)
        self.clock.sleep(count * self.event_s)
        if count * self.event_s > 20:
            raise Retryable("the database does not answer")
        self.waiting -= count
        return count


def test_events_that_take_long_go_out_in_smaller_numbers() -> None:
    clock = SimulatedClock()
    outbox = Outbox(clock, event_s=0.5)
    nothing: Any = None
    pacer = Pacer(
        PacerPorts(
            rows=cast("Any", outbox),
            offering=nothing,
            holding=nothing,
            silence=nothing,
            closing=nothing,
            frames=nothing,
            stream=nothing,
            events=cast("Any", SimpleNamespace(publish_all=None)),
            jobs=nothing,
            clock=clock,
            periods_s={},
        )
    )
    failures = 0
    for _ in range(5_000):
        try:
            pacer.relay()
        except Retryable:
            failures += 1
        if not outbox.waiting:
            break
    assert (outbox.waiting, failures) == (0, 2)
    outbox.event_s, outbox.waiting = 0.0001, 10_000
    turns = 0
    while pacer.relay():
        turns += 1
    assert turns <= 10_000 / EVENTS_BATCH + 10


@pytest.mark.parametrize("given", [*PUBLIC, *PRIVATE, *NOBODY])
def test_an_address_is_looked_at_before_anything_is_sent(
    given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check alone: a name that leads there is resolved, and nothing is connected to."""
    family = socket.AF_INET6 if ":" in given else socket.AF_INET
    answer = [
        (family, socket.SOCK_STREAM, 6, "", ("1.1.1.1", 443)),
        (family, socket.SOCK_STREAM, 6, "", (given, 443)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    for private in (False, True):
        if given in NOBODY or (given in PRIVATE and not private):
            with pytest.raises(BadInput, match=r"webhook\.invalid"):
                checked_address("webhook.invalid", 443, private=private)
        else:
            assert checked_address("webhook.invalid", 443, private=private) in {"1.1.1.1", given}
