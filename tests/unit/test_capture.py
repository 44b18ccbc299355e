"""Capture's parts: outbox, leases, sources, one camera."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import cv2
import numpy as np
import pytest

from services.capture.camera import Camera
from services.capture.leases import Ownership
from services.capture.outbox import BATCH_BYTES, BATCH_FRAMES, Outbox, is_full
from services.capture.sources.factory import make_source
from services.capture.sources.picture import Picture, SourceLost
from services.capture.sources.stream import StreamSource
from services.detection.detector import TemplateDetector
from shared.adapters.clock import SystemClock
from shared.domain.errors import BadInput
from shared.domain.media import Frame
from tests.support.numbers import number_of_jpeg
from tests.support.pictures import numbered_jpeg
from tests.support.twins import SimulatedClock
from tests.support.waiting import wait_until


def frame(ms: int, size: int = 100) -> Frame:
    return Frame(camera_id="cam", captured_ms=ms, data=bytes(size), counter=ms // 100, run_id="run")


class Leases:
    """Leases as the frames Redis keeps them, without time."""

    def __init__(self, alive: int) -> None:
        self.alive = alive
        self.owners: dict[str, str] = {}

    def acquire(self, camera_id: str, owner: str, ttl_s: float) -> bool:
        return self.owners.setdefault(camera_id, owner) == owner

    def renew(self, camera_ids: Sequence[str], owner: str, ttl_s: float) -> dict[str, bool]:
        return {each: self.acquire(each, owner, ttl_s) for each in camera_ids}

    def release(self, camera_id: str, owner: str) -> None:
        if self.owners.get(camera_id) == owner:
            del self.owners[camera_id]

    def enrol(self, owner: str, ttl_s: float) -> int:
        return self.alive

    def resign(self, owner: str) -> None:
        self.alive -= 1


def test_a_camera_with_much_to_write_takes_no_turn_of_others() -> None:
    outbox = Outbox()
    for camera in ("much", "one", "two"):
        outbox.open(camera, keep_ms=10**9, max_bytes=10**9)
    for ms in range(BATCH_FRAMES + 10):
        outbox.put(replace(frame(ms), camera_id="much"))
    for camera in ("one", "two"):
        outbox.put(replace(frame(0), camera_id=camera))
    assert {each.camera_id for each in outbox.take(0, lambda _: True)} == {"much"}
    assert [each.camera_id for each in outbox.take(0, lambda _: True)][:2] == ["one", "two"]
    assert outbox.empty()


def test_the_outbox_drops_the_oldest_and_counts() -> None:
    outbox = Outbox()
    outbox.open("cam", keep_ms=1000, max_bytes=10**6)
    for ms in range(0, 3000, 100):
        outbox.put(frame(ms))
    assert (outbox.waiting("cam"), outbox.dropped("cam")) == (11, 19)
    batch = outbox.take(0.1, lambda _: True)
    assert [f.captured_ms for f in batch] == list(range(1900, 3000, 100))
    outbox.put(frame(3000))
    outbox.put_back(batch)
    assert [f.captured_ms for f in outbox.take(0.1, lambda _: True)] == list(range(2000, 3100, 100))
    assert outbox.empty()


def test_the_outbox_is_bounded_in_bytes_and_gives_nothing_without_a_lease() -> None:
    outbox = Outbox()
    outbox.open("cam", keep_ms=10**6, max_bytes=1000)
    for ms in range(0, 3000, 100):
        outbox.put(frame(ms, 300))
    assert outbox.waiting("cam") == 3
    assert outbox.take(0.01, lambda _: False) == []


def test_a_queue_that_is_opened_again_has_its_new_bounds() -> None:
    outbox = Outbox()
    outbox.open("cam", 10_000, 10**6)
    outbox.open("cam", 10_000, 250)
    for ms in (100, 200, 300):
        outbox.put(frame(ms))
    assert [each.captured_ms for each in outbox.take(0, lambda _: True)] == [200, 300]


def test_the_sender_waits_for_company_only_when_a_batch_has_room() -> None:
    """Else what one process writes a second would be bounded by its pauses."""
    few = [frame(ms, 1000) for ms in range(BATCH_FRAMES - 1)]
    assert not is_full(few)
    assert is_full([*few, frame(BATCH_FRAMES)])
    assert is_full([frame(1, BATCH_BYTES // 2), frame(2, BATCH_BYTES // 2)])


def test_capture_processes_share_cameras_and_hand_one_over() -> None:
    clock, leases = SimulatedClock(), Leases(alive=1)
    cameras = ["a", "b", "c", "d"]
    busy = {"d"}
    first = Ownership(
        leases=leases,
        clock=clock,
        owner="first",
        cameras=cameras,
        server_ms=lambda _: clock.now_ms(),
        recorded=busy.__contains__,
    )
    first.round()
    assert first.owned() == cameras
    leases.alive = 2
    second = Ownership(
        leases=leases,
        clock=clock,
        owner="second",
        cameras=cameras,
        server_ms=lambda _: clock.now_ms(),
        recorded=busy.__contains__,
    )
    for _ in range(4):
        surplus = first.round()
        if surplus is not None:
            first.give_up(surplus)
        second.round()
    assert len(first.owned()) == len(second.owned()) == 2
    assert set(first.owned()) | set(second.owned()) == set(cameras)
    assert "d" in first.owned()  # it is being recorded
    second.leave()
    first.round()
    assert len(first.owned()) == 4


def test_a_lease_that_was_not_renewed_writes_nothing() -> None:
    clock, leases = SimulatedClock(), Leases(alive=1)
    owner = Ownership(
        leases=leases,
        clock=clock,
        owner="me",
        cameras=["a"],
        server_ms=lambda _: clock.now_ms(),
        recorded=lambda _: False,
    )
    owner.round()
    assert owner.holds("a")
    clock.sleep(3.1)
    assert not owner.holds("a")
    leases.owners["a"] = "somebody else"
    owner.round()
    assert owner.owned() == []
    assert not owner.too_far_ahead(clock.now_ms() + 59_000)
    assert owner.too_far_ahead(clock.now_ms() + 61_000)


def test_a_numbered_source_makes_every_number_at_its_rate() -> None:
    clock = SimulatedClock()
    source = make_source("synthetic:numbered?fps=10&size=320x180&frames=25", clock, 85)
    pictures = list(source.pictures())
    assert [number_of_jpeg(p.jpeg()) for p in pictures] == list(range(25))
    assert clock.monotonic() == pytest.approx(2.4)


def test_a_source_that_is_opened_again_goes_on_counting() -> None:
    clock = SimulatedClock()
    since = clock.now_ms() // 1000
    name = f"synthetic:numbered?fps=10&size=320x180&since={since}&frames=5"
    clock.sleep(7.03)
    pictures = list(make_source(name, clock, 85).pictures())
    assert [number_of_jpeg(p.jpeg()) for p in pictures] == [71, 72, 73, 74, 75]
    assert [p.captured_ms for p in pictures] == [since * 1000 + n * 100 for n in range(71, 76)]
    with pytest.raises(BadInput, match="since goes with speed 1"):
        make_source(f"{name}&speed=2", clock, 85)


def test_an_accelerated_source_starts_in_the_past_and_ends_by_now() -> None:
    clock = SimulatedClock()
    began = clock.now_ms()
    pictures = list(
        make_source("synthetic:numbered?fps=10&frames=600&speed=60", clock, 85).pictures()
    )
    times = [p.captured_ms for p in pictures if p.captured_ms is not None]
    assert len(times) == 600
    assert times[0] == began - 60_000
    assert times[-1] < clock.now_ms()
    assert all(b - a == 100 for a, b in pairwise(times))


def test_vehicles_in_the_made_street_are_found_and_read() -> None:
    """The detector sees nothing but the JPEG."""
    source = make_source("synthetic:street?seed=2&first=0&fps=5&frames=20", SimulatedClock(), 85)
    detector = TemplateDetector()
    plates = []
    for picture in source.pictures():
        image = cv2.imdecode(np.frombuffer(picture.jpeg(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        before = image.copy()
        annotated, found = detector.process_frame(image.astype(np.uint8))
        assert np.array_equal(image, before)
        assert annotated.shape == image.shape
        assert bool(found) != np.array_equal(annotated, before)
        plates += [d["plate"] for d in found if d["confidence"] > 0.5]
    read = {plate for plate in plates if plate is not None}
    assert read == {"SB172WP"}
    assert plates.count("SB172WP") > 8


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("synthetic:moon", "moon"),
        ("synthetic:?fsp=3", "fsp"),
        ("synthetic:?size=big", "size"),
        ("synthetic:?fps=0", "fps"),
        ("synthetic:?speed=4", "frames"),
        ("file:", "path"),
        ("file:x.mp4?speed=2&loop=true", "loop"),
        ("push:", "no capture process"),
    ],
)
def test_wrong_sources_are_named(name: str, named: str) -> None:
    with pytest.raises(BadInput, match=named):
        make_source(name, SimulatedClock(), 85)


@pytest.fixture
def mjpeg_url() -> Iterator[str]:
    """An HTTP camera that sends numbered JPEGs, ten of them, and hangs up."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for n in range(10):
                jpeg = numbered_jpeg(n)
                self.wfile.write(
                    b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                )
                self.wfile.write(jpeg + b"\r\n")

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://user:secretword@127.0.0.1:{server.server_address[1]}/video.mjpg"
    server.shutdown()
    server.server_close()
    thread.join()


def read_all(source: StreamSource) -> tuple[list[Picture], str]:
    pictures: list[Picture] = []
    message = ""
    try:
        for picture in source.pictures():
            pictures.append(picture)  # noqa: PERF402 - what came before the loss is wanted
    except SourceLost as error:
        message = error.message
    assert message
    return pictures, message


def test_http_mjpeg_is_passed_on_undecoded(mjpeg_url: str) -> None:
    pictures, message = read_all(StreamSource(mjpeg_url, 85, SystemClock()))
    assert "secretword" not in message
    jpegs = [picture.jpeg() for picture in pictures]
    assert len(jpegs) >= 9
    assert jpegs == [numbered_jpeg(n) for n in range(len(jpegs))]
    assert all(picture.source_s is None for picture in pictures)


def test_a_source_that_is_away_is_lost_without_telling_its_password() -> None:
    _, message = read_all(
        StreamSource("rtsp://user:secretword@127.0.0.1:9/stream", 85, SystemClock())
    )
    assert "secretword" not in message
    assert "cannot be read" in message


class Troubled:
    """A source that delivers, sends junk, is lost, and comes back."""

    def __init__(self) -> None:
        self.opened = 0

    def pictures(self) -> Iterator[Picture]:
        self.opened += 1
        for n in range(5):
            jpeg = b"junk" if n == 2 else numbered_jpeg(n)
            time.sleep(0.02)
            yield Picture(lambda data=jpeg: data, n / 50)  # type: ignore[misc]
        raise SourceLost("the camera hung up")


def test_a_camera_counts_bad_frames_and_comes_back_as_a_new_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("services.capture.camera.FIRST_PAUSE_SECONDS", 0.05)
    outbox, source = Outbox(), Troubled()
    outbox.open("cam", keep_ms=60_000, max_bytes=10**8)
    camera = Camera(
        camera_id="cam",
        source=source,
        fps=100,
        outbox=outbox,
        clock=SystemClock(),
        newest=lambda: None,
    )
    camera.start()
    wait_until("a second connection", lambda: source.opened >= 2 and camera.report.frames >= 8)
    camera.stop(2)
    frames = outbox.take(0.1, lambda _: True)
    first = [f for f in frames if f.run_id == frames[0].run_id]
    assert [f.counter for f in first] == [0, 1, 3, 4]
    assert len({f.run_id for f in frames}) >= 2
    assert all(b.captured_ms > a.captured_ms for a, b in pairwise(frames))
    assert camera.report.bad_frames >= 1
    assert camera.report.reconnects >= 1
