"""How far the intake is behind: known without a clock of another host, and by a process that was
stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from services.dispatch.in_hand import InHand
from shared.domain.errors import Retryable
from shared.domain.ports import DetectionDelivery
from tests.support.twins import SimulatedClock


@dataclass
class Stream:
    unread: float = 0.0
    kept: list[list[str]] = field(default_factory=list)
    away: bool = False

    def unread_s(self) -> float:
        if self.away:
            raise Retryable("the broker Redis does not answer")
        return self.unread

    def keep(self, entry_ids: Sequence[str]) -> None:
        self.kept.append(sorted(entry_ids))


@dataclass
class Bench:
    stream: Stream = field(default_factory=Stream)
    clock: SimulatedClock = field(default_factory=SimulatedClock)

    def __post_init__(self) -> None:
        self.in_hand = InHand(cast("Any", self.stream), self.clock)
        self.in_hand.look()


def test_with_nothing_waiting_nobody_is_behind() -> None:
    bench = Bench()
    for _ in range(20):
        assert bench.in_hand.behind_s() == 0
        bench.clock.sleep(0.4)
        bench.in_hand.look()


def test_a_process_that_stood_is_behind_until_it_has_looked_and_has_worked_off_what_it_found() -> (
    None
):
    bench = Bench()
    bench.clock.sleep(20)
    assert bench.in_hand.behind_s() == 20, "it goes on, and has not looked yet"
    bench.stream.unread = 19.0
    bench.in_hand.look()
    assert bench.in_hand.behind_s() == 19
    with bench.in_hand.working_on(
        [DetectionDelivery("1-0", {}, waited_s=19.0), DetectionDelivery("2-0", {}, waited_s=3.0)]
    ):
        bench.stream.unread = 0.0
        bench.in_hand.look()
        assert bench.in_hand.behind_s() == 19, "what it works on has waited so long"
    assert bench.in_hand.behind_s() == 0


def test_a_broker_that_does_not_answer_may_have_anything() -> None:
    bench = Bench()
    bench.stream.away = True
    for _ in range(5):
        bench.clock.sleep(1)
        with pytest.raises(Retryable):
            bench.in_hand.look()
    assert bench.in_hand.behind_s() == 5


def test_what_is_settled_is_not_kept() -> None:
    bench = Bench()
    with bench.in_hand.working_on([DetectionDelivery("1-0", {}), DetectionDelivery("2-0", {})]):
        bench.in_hand.settle(["1-0"])
        bench.in_hand.look()
    bench.in_hand.look()
    assert bench.stream.kept == [[], ["2-0"], []]
