"""A host's clock that is set back or forward while its cameras are captured."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from services.capture.camera import Camera
from services.capture.leases import Ownership
from services.capture.outbox import Outbox
from services.capture.reporting import Reporter
from services.capture.sources.picture import CodedPicture, Picture, SourceLost
from shared.domain.errors import Retryable
from shared.domain.media import Frame
from tests.support.leases import Server
from tests.support.pictures import numbered_jpeg
from tests.support.twins import SimulatedClock

FPS = 10
EXPIRY_S = 90.0
START_MS = 1_700_000_000_000


class Wall(SimulatedClock):
    """A clock whose wall time can be set."""

    def __init__(self) -> None:
        super().__init__(START_MS)
        self.offset_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.offset_ms


class Stream:
    """The camera's stream as the frames Redis keeps it: gone some time after its last entry."""

    def __init__(self, clock: Wall) -> None:
        self.clock = clock
        self.stamps: list[tuple[float, int]] = []
        self.away = False
        self.refused = 0

    def newest(self) -> int | None:
        if self.away:
            raise Retryable("the frames Redis does not answer")
        alive = self.stamps and self.clock.monotonic() - self.stamps[-1][0] < EXPIRY_S
        return self.stamps[-1][1] if alive else None

    def put(self, frame: Frame) -> None:
        newest = self.newest()
        if newest is not None and frame.captured_ms <= newest:
            self.refused += 1
            return
        self.stamps.append((self.clock.monotonic(), frame.captured_ms))

    def blind(self) -> list[tuple[float, float]]:
        """Stretches without a frame, in seconds of monotonic time."""
        return [(a, b) for (a, _), (b, _) in pairwise(self.stamps) if b - a > 3]


class Film:
    """A camera with a picture every tenth of a second. `events`: what happens at a second of its
    life.
    """

    def __init__(
        self, clock: Wall, events: dict[float, Callable[[], None]], coded: bool, end_s: float
    ) -> None:
        self.clock, self.events, self.coded, self.end_s = (
            clock,
            dict(sorted(events.items())),
            coded,
            end_s,
        )
        self.stopped = threading.Event()

    def pictures(self) -> Iterator[Picture | CodedPicture]:
        while True:
            self.clock.sleep(1 / FPS)
            now = self.clock.monotonic()
            if now > self.end_s:
                self.stopped.set()
                raise SourceLost("the end")
            for at_s in [at_s for at_s in self.events if at_s <= now]:
                self.events.pop(at_s)()
            if self.coded:
                yield CodedPicture(b"packet", keyframe=True, parameters="h264:1", source_s=now)
            else:
                yield Picture(lambda: numbered_jpeg(1))


def hang_up() -> None:
    raise SourceLost("the camera hung up")


def watch(
    events: Callable[[Wall, Stream], dict[float, Callable[[], None]]],
    end_s: float,
    *,
    coded: bool = False,
) -> tuple[Stream, list[tuple[str, str]]]:
    """A camera's life: its stream, and the states and errors that were told."""
    clock = Wall()
    stream = Stream(clock)
    film = Film(clock, events(clock, stream), coded, end_s)
    outbox = Outbox()
    outbox.open("gate-1", 5000, 10**9)
    server = Server(0, late=False)
    ownership = Ownership(
        leases=server,
        clock=clock,
        owner="me",
        cameras=["gate-1"],
        server_ms=lambda _: START_MS + round(clock.monotonic() * 1000),
        recorded=bool,
    )
    reporter = Reporter(server, clock, ownership, outbox)
    told: list[tuple[str, str]] = []
    camera = Camera(
        camera_id="gate-1", source=film, fps=FPS, outbox=outbox, clock=clock, newest=stream.newest
    )

    def waits(seconds: float) -> bool:
        clock.sleep(seconds)
        return film.stopped.is_set()

    def send(frame: Frame) -> None:
        if not ownership.too_far_ahead(frame.captured_ms):
            stream.put(frame)

    def each_second() -> None:
        if film.stopped.is_set():
            return
        ownership.round()
        reporter.report({"gate-1": camera}, {})
        state = (server.states["gate-1"], server.errors["gate-1"])
        if state[0] != "connecting" and (not told or told[-1][0] != state[0]):
            told.append(state)

    original = film.pictures

    def pictures() -> Iterator[Picture | CodedPicture]:
        for number, picture in enumerate(original()):
            if number % FPS == 0:
                each_second()
            yield picture

    film.pictures = pictures  # type: ignore[method-assign]
    outbox.put = send  # type: ignore[method-assign]
    camera._stopping.wait = waits  # type: ignore[method-assign, assignment]
    camera._stopping.is_set = film.stopped.is_set  # type: ignore[method-assign]
    camera._run()
    return stream, told


def step(clock: Wall, seconds: float) -> Callable[[], None]:
    def work() -> None:
        clock.offset_ms += round(seconds * 1000)

    return work


@pytest.mark.parametrize("coded", [False, True], ids=["jpeg", "copied"])
def test_after_a_step_back_a_camera_is_blind_for_no_longer_than_its_buffer_lasts(
    coded: bool,
) -> None:
    stream, told = watch(lambda clock, _: {20: step(clock, -600), 21: hang_up}, 300, coded=coded)
    (blind,) = stream.blind()
    assert blind[0] == pytest.approx(21, abs=0.5)
    assert blind[1] - blind[0] == pytest.approx(EXPIRY_S, abs=4)
    assert [state for state, _ in told] == ["connected", "clock_behind", "connected"]
    assert "600 s behind the newest frame" in told[1][1] or "599 s" in told[1][1]
    assert stream.refused == 0


def test_a_small_step_back_is_waited_out() -> None:
    stream, _ = watch(lambda clock, _: {20: step(clock, -8), 21: hang_up}, 60)
    (blind,) = stream.blind()
    assert blind[1] - blind[0] < 9


def test_a_step_forward_is_no_gap_of_its_own() -> None:
    stream, told = watch(lambda clock, _: {20: step(clock, 20), 21: hang_up}, 60)
    assert stream.blind() == []
    assert {state for state, _ in told} == {"connected"}


def test_a_camera_that_connected_while_the_clock_was_wrong_is_put_right_with_it() -> None:
    """Far ahead: all is refused, and told. Then the host's clock is put right, and the camera goes
    on by it.
    """
    stream, told = watch(
        lambda clock, _: {5: step(clock, 3600), 6: hang_up, 30: step(clock, -3600)}, 60
    )
    (blind,) = stream.blind()
    assert blind[0] == pytest.approx(6, abs=1)
    assert blind[1] == pytest.approx(30.5, abs=1.5)
    assert [state for state, _ in told] == ["connected", "clock_ahead", "connected"]
    assert "3600 s ahead of the frames Redis" in told[1][1]


@pytest.mark.parametrize("seconds", [30, -30])
def test_a_run_that_began_by_a_clock_half_a_minute_wrong_is_put_right(seconds: int) -> None:
    stream, _ = watch(
        lambda clock, _: {1: step(clock, seconds), 2: hang_up, 20: step(clock, -seconds)}, 200
    )
    at_s, captured_ms = stream.stamps[-1]
    assert captured_ms == pytest.approx(START_MS + at_s * 1000, abs=2000)
    assert stream.refused == 0


def test_a_step_while_connected_is_ignored() -> None:
    stream, _ = watch(lambda clock, _: {20: step(clock, -600), 40: step(clock, 600)}, 60)
    assert stream.blind() == []


def test_a_camera_comes_back_although_the_buffer_does_not_answer() -> None:
    def events(_: Wall, stream: Stream) -> dict[float, Callable[[], None]]:
        def away() -> None:
            stream.away = True
            stream.put = lambda frame: stream.stamps.append((0, frame.captured_ms))  # type: ignore[method-assign]
            hang_up()

        return {20: away}

    stream, _ = watch(events, 30)
    assert len(stream.stamps) > 25 * FPS
