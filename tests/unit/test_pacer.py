"""The pacer alone: what counts as silence, and what a broker that is away costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from services.dispatch.closing import Closing
from services.dispatch.holding import Holding
from services.dispatch.offers import BROKER_PAUSE_SECONDS, MOST_A_TICK, QUEUE_BOUND, Offering
from services.dispatch.pacer import Pacer, PacerPorts
from services.dispatch.policies import Policies
from services.dispatch.silence import Silence
from shared.domain.camera import Recorded
from shared.domain.codec import Codec
from shared.domain.errors import Retryable
from shared.domain.lifecycle import SegmentStatus
from shared.domain.media import Frame
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import BoundsByCamera, BufferLimits, LiveSegment, Offer, OpenPass
from tests.support.twins import MemoryFrames, MemoryParking, SimulatedClock

START = 1_000_000
LIMITS = {"cam": BufferLimits(60_000, 60_000, 10**9)}


@dataclass
class Rows:
    """A growing window of one camera, and parts that are due."""

    due: list[UUID] = field(default_factory=list)
    silent: list[bool] = field(default_factory=list)
    told: list[dict[str, int | None]] = field(default_factory=list)
    fails: Exception | None = None
    late_ms: int = 0
    fps: float = 15.0
    covered_ms: int = 0
    offered: list[UUID] = field(default_factory=list)
    withdrawn: list[UUID] = field(default_factory=list)
    switched: list[Codec] = field(default_factory=list)

    def live(self) -> list[LiveSegment]:
        return [
            LiveSegment(
                segment_id=UUID(int=1),
                camera_id="cam",
                status=SegmentStatus.RECORDING,
                start_ms=START,
                deadline_ms=START + 20_000,
                covered_to_ms=START + self.covered_ms,
                policy=RecordingPolicy(capture_fps=self.fps),
                needed_ms=START if self.due else None,
                has_due=bool(self.due),
                late_ms=self.late_ms,
            )
        ]

    def advance(
        self, camera_id: str, watermark_ms: int, *, silent: bool, **told: int | None
    ) -> bool:
        self.silent.append(silent)
        self.told.append(told)
        if self.fails is not None:
            raise self.fails
        return False

    def switch(self, camera_id: str, policy: RecordingPolicy) -> bool:
        self.switched.append(policy.codec)
        if self.fails is not None:
            raise self.fails
        return True

    def offer_parts(self, passed: Mapping[UUID, int | None], limit: int) -> list[Offer]:
        assert list(passed) == [UUID(int=1)]
        taken, self.due = self.due[:limit], self.due[limit:]
        self.offered += taken
        return [Offer(part_id, 1) for part_id in taken]

    def withdraw_parts(self, offers: Sequence[Offer]) -> None:
        self.withdrawn += [offer.row_id for offer in offers]
        self.due = [offer.row_id for offer in offers] + self.due

    def offer_clips(self, limit: int) -> list[Offer]:
        return []

    def withdraw_clips(self, offers: Sequence[Offer]) -> None:
        assert not offers

    def take_back_lost_parts(self, *, queue_empty: bool) -> int:
        return 0

    def take_back_lost_clips(self, *, queue_empty: bool) -> int:
        return 0

    def parked_parts(self) -> set[tuple[str, str]]:
        return set()

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
    length: int = 0

    def waiting(self, queue: str) -> int:
        if self.away:
            self.tries += 1
            raise Retryable("the broker Redis does not answer")
        return self.length

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        self.tries += 1
        self.length += 1

    def send_all(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[bool]:
        sent = []
        for task, payload in messages:
            try:
                self.send(task, payload)
            except Retryable:
                sent.append(False)
            else:
                sent.append(True)
        return sent


class States:
    """Cameras of which capture says nothing."""

    def report_all(self, states: Mapping[str, Mapping[str, str | int | float]]) -> None:
        raise NotImplementedError

    def states_of(self, camera_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        return {camera_id: self.state(camera_id) for camera_id in camera_ids}

    def look_at(self, camera_id: str, for_s: float) -> None:
        raise NotImplementedError

    def looked_at(self, camera_ids: Sequence[str]) -> set[str]:
        return set()

    def state(self, camera_id: str) -> dict[str, str]:
        return {}


class NoPasses:
    def open_passes(self) -> list[OpenPass]:
        return []


@dataclass
class Bench:
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    rows: Rows = field(default_factory=Rows)
    queue: Queue = field(default_factory=Queue)
    behind_s: float = 0.0
    policies: Policies = field(default_factory=lambda: Policies({}))

    def __post_init__(self) -> None:
        self.frames = Frames(self.clock)
        self.frames.append(
            [Frame(camera_id="cam", captured_ms=START + 3_000, data=b"x", counter=0, run_id="r")],
            LIMITS,
        )
        ports: Any = None
        rows: Any = self.rows
        self.pacer = Pacer(
            PacerPorts(
                rows=rows,
                offering=Offering(self.rows, self.queue, self.clock),
                holding=Holding(
                    holds=self.frames,
                    parking=MemoryParking(),
                    rows=rows,
                    clock=self.clock,
                    cameras=("cam",),
                ),
                silence=Silence(self.frames, cast("Any", States()), self.clock),
                closing=Closing(cast("Any", NoPasses()), self.frames, self.policies, self.clock),
                frames=self.frames,
                stream=ports,
                events=ports,
                jobs=ports,
                clock=self.clock,
                periods_s={},
                behind_s=lambda: self.behind_s,
                policies=self.policies,
            )
        )

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


def test_silence_is_told_with_the_deadline_it_was_judged_for_and_how_long_it_lasts() -> None:
    bench = Bench()
    bench.ticks(75)
    assert bench.rows.told[-1]["deadline_ms"] == START + 20_000
    assert 7_000 < (bench.rows.told[-1]["still_ms"] or 0) < 8_000


@pytest.mark.parametrize(("apart_s", "fps"), [(10.0, 15.0), (0.0, 0.1)])
def test_a_camera_of_a_frame_in_ten_seconds_is_not_silent_between_them(
    apart_s: float, fps: float
) -> None:
    """Whether that is set, or seen of its last two frames."""
    bench = Bench(rows=Rows(fps=fps))
    if apart_s:
        bench.frames.append(
            [
                Frame(
                    camera_id="cam",
                    captured_ms=START + 3_000 + round(apart_s * 1000),
                    data=b"x",
                    counter=1,
                    run_id="r",
                )
            ],
            LIMITS,
        )
    bench.ticks(240)
    assert True not in bench.rows.silent
    bench.ticks(20)
    assert bench.rows.silent[-1]


def passed(bench: Bench, ms: int) -> bool:
    """Whether the pacer has something to do once the buffer holds a frame so long after the
    start.
    """
    bench.rows.silent.clear()
    bench.frames.append(
        [Frame(camera_id="cam", captured_ms=START + ms, data=b"x", counter=1, run_id="r")], LIMITS
    )
    bench.ticks(1)
    return bool(bench.rows.silent)


def test_a_window_waits_for_late_detections() -> None:
    bench = Bench(rows=Rows(late_ms=8_000))
    bench.rows.covered_ms = 15_000
    assert not passed(bench, 26_900)
    assert passed(bench, 27_100), "the part before its last second"
    bench.rows.covered_ms = 19_000
    assert not passed(bench, 27_900)
    assert passed(bench, 28_000)


def test_while_the_intake_is_behind_no_window_ends_as_far_as_the_buffer_allows() -> None:
    bench = Bench(behind_s=20.0)
    bench.rows.covered_ms = 19_000
    assert not passed(bench, 39_900)
    bench.behind_s = 0.0
    assert passed(bench, 39_950)
    bench.behind_s = 4_000.0
    assert not passed(bench, 20_000 + RecordingPolicy().most_late_ms - 1)
    assert passed(bench, 20_000 + RecordingPolicy().most_late_ms)


@pytest.mark.parametrize("error", [ValueError("broken"), Retryable("somebody has its lock")])
def test_a_recording_that_cannot_be_moved_holds_up_nothing_else(error: Exception) -> None:
    part = uuid4()
    bench = Bench(rows=Rows(due=[part], fails=error))
    assert passed(bench, 30_000)
    assert bench.rows.offered == [part]


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
    bench.frames.append(
        [Frame(camera_id="cam", captured_ms=START + 3_500, data=b"x", counter=1, run_id="r")],
        LIMITS,
    )
    bench.ticks(60)
    assert bench.rows.silent == []


def test_a_broker_that_is_away_is_asked_once_in_a_while_and_holds_up_nothing() -> None:
    bench = Bench(rows=Rows(due=[uuid4() for _ in range(20)]), queue=Queue(away=True))
    bench.ticks(1)
    assert (bench.queue.tries, bench.rows.offered) == (1, [])
    bench.ticks(int(BROKER_PAUSE_SECONDS / 0.1) - 2)
    assert bench.queue.tries == 1
    assert bench.frames.holds("cam") == {str(UUID(int=1)): START}
    bench.clock.sleep(BROKER_PAUSE_SECONDS)
    bench.queue.away = False
    bench.ticks(1)
    assert len(bench.rows.offered) == 20


def test_a_broker_that_goes_away_between_two_messages_gets_the_rest_later() -> None:
    class Fails(Queue):
        def send(self, task: str, payload: Mapping[str, Any]) -> None:
            if self.length == 3:
                raise Retryable("the broker Redis does not answer")
            super().send(task, payload)

    parts = [uuid4() for _ in range(10)]
    bench = Bench(rows=Rows(due=list(parts)), queue=Fails())
    bench.ticks(1)
    assert bench.rows.withdrawn == parts[3:]
    assert bench.rows.due == parts[3:]


def test_a_broker_that_is_far_holds_up_no_tick() -> None:
    """Fewer messages at once, until they fit into their share of a tick."""
    bench = Bench(rows=Rows(due=[uuid4() for _ in range(5_000)]))

    class Far(Queue):
        def send_all(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[bool]:
            bench.clock.sleep(0.1 * -(-len(messages) // 16))
            return super().send_all(messages)

    bench.queue = far = Far()
    bench.pacer.ports.offering.queue = far
    lengths = []
    for _ in range(12):
        before = bench.clock.monotonic()
        bench.ticks(1, every_s=0)
        lengths.append(bench.clock.monotonic() - before)
    assert lengths[0] > 0.5
    assert max(lengths[3:]) <= 0.35
    assert far.length > 200


def test_the_queue_stays_short_however_much_is_due() -> None:
    """Writers are away: what is due waits in the rows, and the broker's memory stays as it is."""
    bench = Bench(rows=Rows(due=[uuid4() for _ in range(20_000)]))
    bench.ticks(1)
    assert bench.queue.length == MOST_A_TICK
    bench.ticks(100)
    assert bench.queue.length == QUEUE_BOUND
    bench.queue.length -= 40
    bench.ticks(1)
    assert bench.queue.length == QUEUE_BOUND
    assert len(bench.rows.due) == 20_000 - QUEUE_BOUND - 40


def test_a_hold_that_could_not_be_set_is_set_with_the_next_look(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A node of the frames Redis went away between two questions; others answer."""
    bench = Bench()
    with monkeypatch.context() as patch:
        patch.setattr(bench.frames, "hold_all", lambda _: set())
        bench.ticks(1)
    assert bench.frames.holds("cam") == {}
    bench.ticks(1)
    assert bench.frames.holds("cam") == {str(UUID(int=1)): START}


def deciding(states: Mapping[str, Mapping[str, str]]) -> Policies:
    return Policies({"cam": RecordingPolicy()}, frozenset({"cam"}), lambda _: states)


COPIED = Recorded(copied=True, since_ms=START + 1_000, before=False).to_state()


@pytest.mark.parametrize("fails", [None, Retryable("locked"), RuntimeError("a broken row")])
def test_a_recording_whose_camera_changed_goes_on_otherwise_and_holds_up_nothing(
    fails: Exception | None,
) -> None:
    policies = deciding({"cam": {name: str(value) for name, value in COPIED.items()}})
    bench = Bench(rows=Rows(fails=fails, due=[UUID(int=2)]), policies=policies)
    bench.ticks(1)
    assert bench.rows.switched == [Codec.COPY]
    assert bench.rows.silent == [], "it is not moved on as it was"
    assert bench.rows.offered == [UUID(int=2)]


def test_a_recording_whose_camera_does_not_say_what_it_decided_waits() -> None:
    bench = Bench(policies=deciding({}))
    bench.ticks(80)
    assert (bench.rows.switched, bench.rows.silent) == ([], [])
