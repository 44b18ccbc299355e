"""Capture asks for made cameras, and a server that is away costs it nothing but that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.domain.errors import Retryable
from shared.domain.made_cameras import MadeCamera
from shared.runtime.told_cameras import PAUSE_SECONDS, ToldCameras
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

    def tell_made(self, cameras: Mapping[str, MadeCamera]) -> None:
        raise AssertionError(cameras)

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
