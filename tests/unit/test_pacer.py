"""The pacer alone: what counts as silence, and what a broker that is away costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from services.dispatch.pacer import BROKER_PAUSE_SECONDS, Pacer, PacerPorts
from shared.adapters.memory import MemoryFrames, MemoryParking, SimulatedClock
from shared.domain.errors import Retryable
from shared.domain.media import Frame
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import BoundsByCamera, BufferLimits, LiveSegment, PartView

START = 1_000_000
LIMITS = {"cam": BufferLimits(60_000, 60_000, 10**9)}


@dataclass
class Rows:
    """A growing window of one camera, and parts that are due."""

    parts: tuple[PartView, ...] = ()
    silent: list[bool] = field(default_factory=list)
    offered: list[UUID] = field(default_factory=list)
    withdrawn: list[UUID] = field(default_factory=list)

    def live(self) -> list[LiveSegment]:
        return [
            LiveSegment(
                UUID(int=1), "cam", "recording", START, START + 20_000, START, RecordingPolicy(), self.parts,
                finalise_offerable=False,
            )
        ]  # fmt: skip

    def advance(self, camera_id: str, watermark_ms: int, *, silent: bool) -> bool:
        self.silent.append(silent)
        return False

    def offer_part(self, part_id: UUID) -> int:
        self.offered.append(part_id)
        return 1

    def withdraw_offer(self, part_id: UUID, offer: int) -> None:
        self.withdrawn.append(part_id)

    def expire_leases(self) -> int:
        return 0


class Frames(MemoryFrames):
    """A buffer whose server can be away."""

    away = False

    def bounds(self, camera_ids: Any) -> BoundsByCamera:
        if self.away:
            raise Retryable("the frames Redis does not answer")
        return super().bounds(camera_ids)


@dataclass
class Queue:
    """A broker that answers, or does not."""

    away: bool = False
    tries: int = 0

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        self.tries += 1
        if self.away:
            raise Retryable("the broker Redis does not answer")


class States:
    """Cameras of which capture says nothing."""

    def state(self, camera_id: str) -> dict[str, str]:
        return {}


@dataclass
class Bench:
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    rows: Rows = field(default_factory=Rows)
    queue: Queue = field(default_factory=Queue)

    def __post_init__(self) -> None:
        self.frames = Frames(self.clock)
        self.frames.append([Frame("cam", START + 3_000, b"x", 0, "r")], LIMITS)
        ports: Any = cast("Any", None)
        self.pacer = Pacer(
            PacerPorts(
                cast("Any", self.rows), self.frames, self.frames, MemoryParking(), cast("Any", States()), ports,
                self.queue, ports, ports, self.clock, ("cam",), {},
            )
        )  # fmt: skip

    def ticks(self, count: int, every_s: float = 0.1) -> None:
        for _ in range(count):
            self.pacer.tick()
            self.clock.sleep(every_s)


def test_a_camera_that_does_not_move_is_silent_after_buffer_and_two_seconds() -> None:
    bench = Bench()
    bench.ticks(70)
    assert bench.rows.silent == []
    bench.ticks(5)
    assert bench.rows.silent
    assert all(bench.rows.silent)


@pytest.mark.parametrize("stopped", ["pacer", "frames"])
def test_time_in_which_nobody_looked_is_no_silence(stopped: str) -> None:
    """The pacer was frozen, or the frames Redis did not answer: for a minute."""
    bench = Bench()
    bench.ticks(20)
    if stopped == "pacer":
        bench.clock.sleep(60)
    else:
        bench.frames.away = True
        for _ in range(60):
            with pytest.raises(Retryable):
                bench.pacer.tick()
            bench.clock.sleep(1)
        bench.frames.away = False
    bench.ticks(20)
    assert bench.rows.silent == []


def test_a_frame_ends_the_silence() -> None:
    bench = Bench()
    bench.ticks(60)
    bench.frames.append([Frame("cam", START + 3_500, b"x", 1, "r")], LIMITS)
    bench.ticks(60)
    assert bench.rows.silent == []


def test_a_broker_that_is_away_is_asked_once_in_a_while_and_holds_up_nothing() -> None:
    due = tuple(PartView(uuid4(), n, START, START + 1_000, "due", offerable=True) for n in range(20))
    bench = Bench(rows=Rows(parts=due), queue=Queue(away=True))
    bench.ticks(1)
    assert (bench.queue.tries, bench.rows.withdrawn) == (1, [due[0].part_id])
    bench.ticks(int(BROKER_PAUSE_SECONDS / 0.1) - 2)
    assert bench.queue.tries == 1
    assert bench.frames.holds("cam") == {str(UUID(int=1)): START}
    bench.clock.sleep(BROKER_PAUSE_SECONDS)
    bench.queue.away = False
    bench.rows.offered.clear()
    bench.ticks(1)
    assert len(bench.rows.offered) == 20
