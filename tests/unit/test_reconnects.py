"""When a camera is opened again, and what is said of why it was lost."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr, ValidationError

from services.capture.camera import Camera
from services.capture.outbox import Outbox
from services.capture.sources.picture import Picture, SourceLost
from services.capture.sources.stream import StreamSource
from shared.runtime.sections import CameraSettings, RecordingSettings
from shared.runtime.settings import Settings
from tests.support.pictures import numbered_jpeg
from tests.support.twins import SimulatedClock
from tests.support.waiting import WAIT_SECONDS

FPS = 10


class Connections:
    """A camera whose connections last and deliver as they are told: (seconds, deliver pictures)."""

    def __init__(
        self, clock: SimulatedClock, plan: list[tuple[float, bool]], every_s: float = 1 / FPS
    ) -> None:
        self.clock, self.plan, self.every_s = clock, plan, every_s
        self.pauses: list[float] = []
        self.ended_at: float | None = None

    def pictures(self) -> Iterator[Picture]:
        if self.ended_at is not None:
            self.pauses.append(round(self.clock.monotonic() - self.ended_at, 2))
        lasts, delivers = self.plan.pop(0)
        for _ in range(round(lasts / self.every_s)):
            self.clock.sleep(self.every_s)
            yield Picture(lambda: numbered_jpeg(1) if delivers else b"no picture")
        self.ended_at = self.clock.monotonic()
        raise SourceLost("the stream ended")


def watched(
    plan: list[tuple[float, bool]], every_s: float = 1 / FPS, timeout_s: float = 10
) -> tuple[Camera, Connections]:
    clock, outbox = SimulatedClock(), Outbox()
    outbox.open("gate-1", 5000, 10**9)
    source = Connections(clock, plan, every_s)
    camera = Camera(
        camera_id="gate-1",
        source=source,
        fps=FPS,
        outbox=outbox,
        clock=clock,
        newest=lambda: None,
        timeout_s=timeout_s,
    )

    def waits(seconds: float) -> bool:
        clock.sleep(seconds)
        if not plan:
            camera._stopping.set()
        return False

    camera._stopping.wait = waits  # type: ignore[method-assign, assignment]
    camera._run()
    return camera, source


def test_a_camera_that_delivered_is_opened_again_at_once() -> None:
    _, source = watched([(8, True)] * 6)
    assert source.pauses == [0.1] * 5


def test_a_camera_that_ends_at_once_is_not_stormed() -> None:
    _, source = watched([(0.1, True)] * 6)
    assert source.pauses == [0.9] * 5


def test_a_camera_that_delivers_nothing_of_use_is_asked_less_and_less() -> None:
    _, source = watched([(0.5, False)] * 9)
    assert all(0.5 * 2**n <= pause <= 2**n for n, pause in enumerate(source.pauses[:5]))
    assert all(15 <= pause <= 30.1 for pause in source.pauses[6:])


def test_pictures_reset_the_pause() -> None:
    _, source = watched([(0.5, False)] * 5 + [(3, True), (0.5, False), (3, True)])
    assert source.pauses[5] == 0.1
    assert source.pauses[6] <= 1


def test_a_slow_camera_is_used_within_its_timeout() -> None:
    """A picture every six seconds; the slowest that can be used is a setting."""
    camera, _ = watched([(60, True)], every_s=6)
    assert (camera.report.frames, camera.report.reconnects) == (10, 0)
    camera, _ = watched([(600, True)], every_s=60, timeout_s=90)
    assert camera.report.frames == 10


@pytest.mark.parametrize(
    ("own", "general", "expected"), [(None, None, 10), (None, 20, 20), ("1m", 20, 60)]
)
def test_the_timeout_is_a_setting(own: str | None, general: float | None, expected: float) -> None:
    camera = CameraSettings.model_validate({"source": "push:", "source_timeout_seconds": own})
    settings = Settings(
        cameras={"gate": camera}, defaults=RecordingSettings(source_timeout_seconds=general)
    )
    assert settings.source_timeout_s("gate") == expected
    with pytest.raises(ValidationError, match="source_timeout_seconds"):
        CameraSettings(source=SecretStr("push:"), source_timeout_seconds=0.5)


@contextmanager
def rtsp(answer: Callable[[str, str], str]) -> Iterator[tuple[str, list[str]]]:
    """An RTSP server that answers each request (method, transport) with a status line and
    headers.
    """
    asked: list[str] = []
    server = socket.create_server(("127.0.0.1", 0))

    def talk(connection: socket.socket) -> None:
        with connection, connection.makefile("rwb") as stream:
            while line := stream.readline():
                method, headers = line.split(b" ")[0].decode(), {}
                while header := stream.readline().strip():
                    name, _, value = header.partition(b":")
                    headers[name.lower()] = value.strip().decode()
                asked.append(method)
                told = answer(method, headers.get(b"transport", ""))
                stream.write(f"RTSP/1.0 {told}\r\nCSeq: {headers[b'cseq']}\r\n\r\n".encode())
                stream.flush()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            talk(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"rtsp://user:secretword@127.0.0.1:{server.getsockname()[1]}/stream", asked
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(WAIT_SECONDS)


@pytest.mark.parametrize(
    ("status", "told"),
    [("401 Unauthorized", "401"), ("404 Not Found", "404"), ("403 Forbidden", "403")],
)
def test_what_a_camera_refuses_is_told_and_not_asked_twice(status: str, told: str) -> None:
    """Over UDP it would be refused again, and three wrong passwords lock many a camera."""
    with (
        rtsp(lambda method, _: status if method == "DESCRIBE" else "200 OK") as (url, asked),
        pytest.raises(SourceLost, match=told) as lost,
    ):
        next(StreamSource(url, 85, SimulatedClock(), 2).pictures())
    assert "secretword" not in lost.value.message
    assert asked.count("DESCRIBE") <= 2  # without and with the password


def test_a_failure_over_tcp_is_told_as_it_was() -> None:
    """The server breaks in the middle; UDP, tried then, fails in another way, which is nobody's
    news.
    """
    states = iter(["500 Internal Server Error", "404 Not Found", "404 Not Found"])
    with (
        rtsp(lambda method, _: next(states) if method == "DESCRIBE" else "200 OK") as (url, asked),
        pytest.raises(SourceLost) as lost,
    ):
        next(StreamSource(url, 85, SimulatedClock(), 2).pictures())
    assert asked.count("DESCRIBE") == 2
    assert "404" not in lost.value.message
