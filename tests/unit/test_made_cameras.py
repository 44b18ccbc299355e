"""Capture asks for made cameras, and a server that is away costs it nothing but that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import fakeredis
import pytest

from services.dispatch.camera_settings import CameraSettingsFollower
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.servers import OneServer
from shared.domain.errors import Retryable
from shared.domain.made_cameras import MadeCamera
from shared.runtime.told_cameras import PAUSE_SECONDS, ToldCameras
from shared.wire.keys import Keys
from shared.wire.made_cameras import decode_made, encode_made
from tests.support.twins import SimulatedClock

GATE = MadeCamera(
    camera_id="gate",
    settings={"source": "push:"},
    changed_by="alice",
    changed_at=datetime(2026, 11, 27, tzinfo=UTC),
)


class Told:
    """A server that is away as often as it is told to be."""

    def __init__(self, away: int) -> None:
        self.away, self.asked = away, 0

    def tell_made(self, read: Callable[[], Mapping[str, MadeCamera]]) -> None:
        raise AssertionError(read)

    def made(self) -> dict[str, MadeCamera] | None:
        self.asked += 1
        if self.asked <= self.away:
            raise Retryable("it does not answer")
        return {"gate": GATE}


def test_a_server_that_is_away_is_left_alone_for_a_while() -> None:
    clock, told = SimulatedClock(), Told(away=1)
    made = ToldCameras(told, clock)
    rounds = [made() for _ in range(10)]
    assert (rounds, told.asked) == ([None] * 10, 1)
    clock.sleep(PAUSE_SECONDS + 0.1)
    assert made() == {"gate": GATE}
    assert made() is None  # as before, for now
    assert told.asked == 2


def test_what_is_told_is_what_was_said() -> None:
    there = {"gate": GATE}
    assert decode_made(encode_made(there)) == there
    assert encode_made(there) == encode_made(dict(there))


@dataclass
class Rows:
    """Rows of cameras. meanwhile: what happens after a look, before its looker goes on."""

    there: dict[str, MadeCamera] = field(default_factory=dict)
    meanwhile: list[Callable[[], None]] = field(default_factory=list)

    def all(self) -> dict[str, MadeCamera]:
        seen = dict(self.there)
        if self.meanwhile:
            self.meanwhile.pop()()
        return seen


def dispatcher(server: fakeredis.FakeServer, rows: Rows) -> tuple[CameraSettingsFollower, Any]:
    told = RedisCameras(OneServer(fakeredis.FakeRedis(server=server)), Keys("unit"))
    live = SimpleNamespace(look=lambda: False, settings=SimpleNamespace(cameras={}))
    follower = CameraSettingsFollower(
        live=cast("Any", live), rows=cast("Any", rows), told=told, known={}
    )
    return follower, told


def test_a_dispatcher_that_stalls_forgets_no_camera_that_was_just_made() -> None:
    server, rows = fakeredis.FakeServer(), Rows()
    (slow, told), (other, _) = (dispatcher(server, rows) for _ in range(2))
    slow.look()

    def make() -> None:
        rows.there["gate"] = GATE
        other.look()

    rows.meanwhile.append(make)
    slow.look()
    assert told.made() == {"gate": GATE}


def test_a_dispatcher_that_stalls_brings_no_camera_back_that_is_gone() -> None:
    """What is told then is again what it was when the look began."""
    server, rows = fakeredis.FakeServer(), Rows()
    (slow, told), (other, _) = (dispatcher(server, rows) for _ in range(2))
    slow.look()
    rows.there["gate"] = GATE

    def remove() -> None:
        other.look()
        rows.there.clear()
        other.look()

    rows.meanwhile.append(remove)
    slow.look()
    assert told.made() == {}


def test_what_a_server_forgot_is_told_again() -> None:
    server, rows = fakeredis.FakeServer(), Rows({"gate": GATE})
    follower, told = dispatcher(server, rows)
    follower.look()
    fakeredis.FakeRedis(server=server).flushall()
    follower.look()
    assert told.made() == {"gate": GATE}


def test_a_database_that_is_away_changes_nothing_that_was_told() -> None:
    rows = Rows({"gate": GATE})
    follower, told = dispatcher(fakeredis.FakeServer(), rows)
    follower.look()

    def away() -> None:
        raise Retryable("the database does not answer")

    rows.meanwhile.append(away)
    with pytest.raises(Retryable, match="database"):
        follower.look()
    assert told.made() == {"gate": GATE}
