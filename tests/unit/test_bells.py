"""Bells: who waits for events is woken, and nothing depends on it."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.api.media.event_bell import EventBell
from services.dispatch.bell import Bell
from services.dispatch.loop import _relay
from shared.domain.errors import Retryable
from shared.domain.events import Event
from tests.support.twins import SimulatedClock
from tests.support.waiting import WAIT_SECONDS


@dataclass
class Feed:
    """A stream of events that grows when the test says so."""

    newest: int = 0
    away: bool = False
    asked: int = 0
    grown: threading.Condition = field(default_factory=threading.Condition)

    def grow(self, *, away: bool = False) -> None:
        with self.grown:
            self.newest += 1
            self.away = away
            self.grown.notify_all()

    def last(self) -> str:
        with self.grown:
            self._ask()
            return f"{self.newest}-0"

    def wait(self, after: str, timeout_s: float) -> bool:
        with self.grown:
            self._ask()
            return self.grown.wait_for(lambda: f"{self.newest}-0" != after, 0.02)

    def read(self, after: str, limit: int) -> list[Event]:
        raise NotImplementedError

    def _ask(self) -> None:
        self.asked += 1
        if self.away:
            self.away = False
            raise Retryable("the broker Redis does not answer")


async def _heard(rung: asyncio.Event) -> None:
    await asyncio.wait_for(rung.wait(), WAIT_SECONDS)
    rung.clear()


async def _asked(feed: Feed) -> None:
    """Until the waiting thread has asked again: it knows the newest event, then."""
    before = feed.asked
    while feed.asked < before + 2:  # noqa: ASYNC110 - the thread knows nothing of this loop
        await asyncio.sleep(0.001)


def test_every_listener_is_woken_by_one_thread_that_ends_with_the_last() -> None:
    feed = Feed()
    bell = EventBell(feed, SimulatedClock())

    async def listen() -> None:
        with bell.heard() as first, bell.heard() as second:
            await _asked(feed)
            feed.grow()
            await _heard(first)
            await _heard(second)
            feed.grow(away=True)
            await _asked(feed)
            feed.grow()
            await _heard(first)
            threads = [each for each in threading.enumerate() if each.name == "event bell"]
            assert len(threads) == 1
        threads[0].join(WAIT_SECONDS)
        assert not threads[0].is_alive()
        with bell.heard() as third:
            await _asked(feed)
            feed.grow()
            await _heard(third)

    asyncio.run(listen())


def test_a_ring_before_the_wait_is_not_lost() -> None:
    bell = Bell()
    bell.ring()
    bell.wait(WAIT_SECONDS)


@pytest.mark.parametrize("relayed", [0, 3])
def test_lanes_are_woken_when_events_were_relayed(relayed: int) -> None:
    lanes = [SimpleNamespace(bell=Bell()) for _ in range(2)]
    events = Bell()
    events.ring()
    world = SimpleNamespace(
        pacer=SimpleNamespace(relay=lambda: relayed), events_wait=events, lanes=lanes
    )
    _relay(cast("Any", world))
    assert [lane.bell._rung.is_set() for lane in lanes] == [relayed > 0] * 2
    assert events._rung.is_set() == (relayed > 0)
