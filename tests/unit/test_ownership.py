"""Which cameras a capture process reads: a thread for every lease it has, whatever fails on the
way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest

from services.capture import loop
from services.capture.camera import Camera
from services.capture.leases import Ownership
from services.capture.loop import CameraPlan, Capture, CapturePorts
from services.capture.sources.picture import Picture
from shared.domain.errors import BadInput
from shared.domain.ports import BufferLimits
from tests.support.leases import Server
from tests.support.twins import MemoryFrames

CAMERAS = ["gate-1", "gate-2", "gate-3", "gate-4"]
LIMITS = BufferLimits(10_000, 20_000, 10**7)
COMMANDS = 12  # more than a round has
Scene = Callable[[Server, int], None]


class Rounds(threading.Event):
    """Lets a capture process make some rounds, with a scene before each, and looks at its threads
    after the last.
    """

    def __init__(self, server: Server, scene: Scene, rounds: int = 8) -> None:
        super().__init__()
        self._server, self._scene, self._rounds = server, scene, rounds
        self.number = 0
        self.mine: list[str] = []
        self.threads: list[str] = []

    def is_set(self) -> bool:
        if self.number == self._rounds:
            self._server.expire()
            self.mine = sorted(
                camera for camera, owner in self._server.owners.items() if owner == "me"
            )
            self.threads = settled(self.mine)
            return True
        self._scene(self._server, self.number)
        self.number += 1
        return False

    def wait(self, timeout: float | None = None) -> bool:
        self._server.clock.sleep(timeout or 0)
        return False


def readers() -> list[str]:
    """Cameras by the threads that read them, one entry a thread."""
    names = [thread.name.removeprefix("camera-") for thread in threading.enumerate()]
    return sorted(name for name in names if name in CAMERAS)


def settled(expected: list[str]) -> list[str]:
    """What `readers` says once it is as expected, or after a while: a thread ends with its next
    picture.
    """
    for _ in range(100):
        if readers() == expected:
            break
        time.sleep(0.002)
    return readers()


class Slow:
    """A source that delivers nothing of use."""

    def pictures(self) -> Iterator[Picture]:
        while True:
            time.sleep(0.002)
            yield Picture(lambda: b"", captured_ms=0)


def startup(_: Server, number: int) -> None:
    return


def takeover(server: Server, number: int) -> None:
    """Another process has all cameras, and dies."""
    if number == 0:
        server.armed = False
        server.alive = 2
        server.owners |= dict.fromkeys(CAMERAS, "other")
    if number == 2:
        server.armed = True
        server.alive = 1
        server.owners.clear()


def loss(server: Server, number: int) -> None:
    """Another process comes, and has taken two cameras whose leases were not renewed in time."""
    server.armed = number >= 2
    if number == 2:
        server.alive = 2
        server.owners |= dict.fromkeys(CAMERAS[1:3], "other")


def handover(server: Server, number: int) -> None:
    """Another process comes, and this one gives it its share."""
    server.armed = number >= 2
    if number == 2:
        server.alive = 2
    for camera in CAMERAS if number >= 2 else []:
        server.expire()
        server.owners.setdefault(camera, "other")


def owning(server: Server, cameras: Sequence[str]) -> Ownership:
    """One process that may capture all of these."""
    return Ownership(
        leases=server,
        clock=server.clock,
        owner="me",
        cameras=cameras,
        server_ms=server.time,
        recorded=lambda _: False,
    )


def ports_of(
    server: Server, changed: Callable[[], dict[str, CameraPlan] | None] = lambda: None
) -> CapturePorts:
    """changed: what is told of new plans, once a round."""
    return CapturePorts(
        frames=MemoryFrames(server.clock),
        states=server,
        clock=server.clock,
        alive=lambda: None,
        changed=changed,
    )


def run(server: Server, scene: Scene, source: str = "rtsp://127.0.0.1/x") -> Rounds:
    clock = server.clock
    clock.sleep(1)
    plans = {
        camera: CameraPlan(source=source, fps=15, jpeg_quality=85, limits=LIMITS, outbox_ms=1000)
        for camera in CAMERAS
    }
    ownership = owning(server, CAMERAS)
    rounds = Rounds(server, scene)
    Capture(plans, ports_of(server), ownership).run(rounds)
    return rounds


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "TAKE_SECONDS", 0.002)
    monkeypatch.setattr(loop, "camera_source", lambda *_, **__: Slow())


@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer-lost"])
@pytest.mark.parametrize(
    ("scene", "mine"),
    [(startup, 4), (takeover, 4), (loss, 2), (handover, 2)],
    ids=["startup", "takeover", "loss", "handover"],
)
def test_a_round_that_fails_half_way_forgets_no_camera(scene: Scene, mine: int, late: bool) -> None:
    for number in range(1, COMMANDS + 1):
        server = Server(number, late)
        rounds = run(server, scene)
        assert rounds.threads == rounds.mine, f"command {number} failed"
        assert len(rounds.mine) == mine, f"command {number} failed"
        settled([])


def test_no_reader_outlives_the_loop() -> None:
    """A thread that is inside of OpenCV when the interpreter ends takes the process along."""
    server = Server(0, late=False)
    run(server, startup)
    assert readers() == []


def test_a_release_that_fails_does_not_keep_the_other_cameras() -> None:
    server = Server(0, late=False)
    ownership = owning(server, CAMERAS)
    ownership.round()
    server.fails_at = server._count + 1
    ownership.leave()
    assert list(server.owners) == CAMERAS[:1]


def test_a_camera_that_changes_touches_no_other() -> None:
    """One keeps its thread, one begins anew under its lease, one is given back, one is new."""
    server = Server(0, late=False)
    old = {
        name: CameraPlan(source="rtsp://a", fps=15, jpeg_quality=85, limits=LIMITS, outbox_ms=1000)
        for name in ("same", "changed", "gone")
    }
    new = {
        "same": old["same"],
        "changed": replace(old["changed"], source="rtsp://b"),
        "new": old["gone"],
    }
    told: list[dict[str, CameraPlan] | None] = [None, None, new, None, None]
    seen: list[dict[str, object]] = []
    stopping = threading.Event()

    def changed() -> dict[str, CameraPlan] | None:
        seen.append(dict(capture._cameras))
        if not told:
            stopping.set()
        return told.pop(0) if told else None

    ownership = owning(server, list(old))
    capture = Capture(old, ports_of(server, changed), ownership)
    capture.run(stopping)
    before, after = seen[2], seen[-1]
    assert set(before) == {"same", "changed", "gone"}
    assert set(after) == {"same", "changed", "new"}
    assert after["same"] is before["same"]
    assert after["changed"] is not before["changed"]
    assert "gone" not in server.owners


def test_a_source_that_is_wrong_is_told_for_as_long_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> Slow:
        raise BadInput("source", "unknown option")

    monkeypatch.setattr(loop, "camera_source", refuse)
    server = Server(0, late=False)

    def forgetful(server: Server, _: int) -> None:
        server.states.clear()  # states expire; what is still true has to be told again

    rounds = run(server, forgetful)
    assert rounds.number == 8
    assert server.states == dict.fromkeys(CAMERAS, "misconfigured")


@pytest.mark.parametrize("fails", [False, True], ids=["well", "release-fails"])
def test_many_cameras_that_change_at_once_cost_no_other_its_lease(
    monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """Each of them hangs in its connection, and is waited for."""
    server, stop = Server(0, late=False), Camera.stop

    def hangs(camera: Camera, wait_s: float) -> None:
        server.clock.sleep(wait_s)
        stop(camera, 0.0)

    monkeypatch.setattr(Camera, "stop", hangs)
    monkeypatch.setattr(loop, "ROUND_SECONDS", 0.0)
    plan = CameraPlan(source="rtsp://a", fps=15, jpeg_quality=85, limits=LIMITS, outbox_ms=1000)
    old = dict.fromkeys(["same", "gone-1", "gone-2", *CAMERAS], plan)
    new = {"same": plan} | dict.fromkeys(CAMERAS, replace(plan, source="rtsp://b"))
    told: list[dict[str, CameraPlan] | None] = [None, new, None]
    at_s: list[float] = []
    stopping = threading.Event()

    def changed() -> dict[str, CameraPlan] | None:
        at_s.append(server.clock.monotonic())
        if len(told) == 2 and fails:
            server.fails_at = server._count + 1
        if len(told) == 1:
            stopping.set()
            server.expire()
            assert sorted(capture._cameras) == sorted(new)
            assert set(server.owners) >= {"same"}
        return told.pop(0)

    ownership = owning(server, list(old))
    capture = Capture(old, ports_of(server, changed), ownership)
    capture.run(stopping)
    assert at_s[2] - at_s[1] < 2.0
