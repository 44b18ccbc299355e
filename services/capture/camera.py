"""One camera: open, read, stamp, thin, check, hand to the outbox; open again after a pause."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

from services.capture.outbox import Outbox
from services.capture.sources.picture import CodedPicture, Picture, Source, SourceLost
from shared.domain.errors import BadInput, PlatereelError
from shared.domain.media import Frame, PacketMark
from shared.domain.ports import Clock
from shared.domain.timing import CaptureClock, RateLimit, SourceTimeline
from shared.runtime.logs import logger
from shared.runtime.metrics import FRAMES_DROPPED, RECONNECTS
from shared.wire.frames import check_jpeg

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
STALL_SECONDS = 10.0
HEALTHY_SECONDS = 10.0
AVERAGED = 0.02  # a frame's share of the moving average of sizes: some seconds

_log = logger(__name__)


@dataclass(slots=True)
class CameraReport:
    """What is known of a camera, for operators. Written by its thread, read by the reporter."""

    state: str = "connecting"
    run: str = ""
    width: int = 0
    height: int = 0
    frames: int = 0
    jpeg_bytes: float = 0.0
    gop_ms: int = 0
    bad_frames: int = 0
    reconnects: int = 0
    last_ms: int = 0
    error: str = ""


class Camera:
    """Reads one camera on a thread of its own, from the moment its lease is won until it is stopped.

    Every connection is a capture run: its counter starts at 0, and its clock is anchored to the wall once.
    """

    def __init__(
        self, camera_id: str, source: Source, fps: float, outbox: Outbox, clock: Clock, newest: Callable[[], int | None]
    ) -> None:
        self.camera_id = camera_id
        self.report = CameraReport()
        self._source = source
        self._fps = fps
        self._outbox = outbox
        self._clock = clock
        self._newest = newest
        self._stopping = threading.Event()
        self._last_ms: int | None = None
        self._read_at = clock.monotonic()
        self._chance = random.Random(camera_id)  # noqa: S311 - spreads load or draws a picture, guards nothing
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"camera-{camera_id}")

    def start(self) -> None:
        """Begin reading."""
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Stop reading; a source that blocks is left behind after wait_s."""
        self._stopping.set()
        self._thread.join(wait_s)

    def stalled(self) -> bool:
        """True while an open source delivers nothing that can be used."""
        return self.report.state == "connected" and self._clock.monotonic() - self._read_at > STALL_SECONDS

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began = self._clock.monotonic()
            try:
                self._read()
                self._lost("the source ended")
            except SourceLost as error:
                self._lost(error.message)
            except PlatereelError as error:
                self._lost(error.message)
            except Exception:  # noqa: BLE001 - the top of a loop
                _log.exception("camera_failed", camera_id=self.camera_id)
                self._lost("an unexpected error; see the log")
            if self._clock.monotonic() - began > HEALTHY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._stopping.wait(pause * self._chance.uniform(0.5, 1.0))
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)
            if not self._stopping.is_set():
                self.report.reconnects += 1
                RECONNECTS.labels(self.camera_id).inc()

    def _lost(self, reason: str) -> None:
        if self._stopping.is_set():
            return
        self.report.state, self.report.error = "disconnected", reason
        _log.warning("camera_lost", camera_id=self.camera_id, reason=reason)

    def _read(self) -> None:
        """One run, from opening to losing the source."""
        self.report.state = "connecting"
        if self._last_ms is None:
            self._last_ms = self._newest()
        run = _Run(self._clock, self._last_ms, self._fps)
        self._read_at = self._clock.monotonic()
        for picture in self._source.pictures():
            if self._stopping.is_set():
                return
            if self.report.state != "connected":
                self.report.state, self.report.error, self.report.run = "connected", "", run.run_id
                _log.info("camera_connected", camera_id=self.camera_id, run=run.run_id)
            frame = self._frame(run, picture)
            if frame is not None:
                self._read_at = self._clock.monotonic()
                self._last_ms = frame.captured_ms
                self.report.frames += 1
                self._measure(frame)
                self.report.last_ms = frame.captured_ms
                self._outbox.put(frame)
            elif self.stalled():
                raise SourceLost(f"no usable picture for {STALL_SECONDS:g} s")

    def _frame(self, run: _Run, picture: Picture | CodedPicture) -> Frame | None:
        """The frame of a picture, or None when it is thinned out, unusable, or its time cannot be told yet."""
        captured_ms = run.time_of(picture)
        if captured_ms is None:
            FRAMES_DROPPED.labels(self.camera_id, "clock_behind").inc()
            return None
        if isinstance(picture, CodedPicture):
            return self._coded(run, picture, captured_ms)
        if not run.rate.take(captured_ms):
            return None
        jpeg = picture.jpeg()
        try:
            info = check_jpeg(jpeg)
        except BadInput as error:
            self.report.bad_frames += 1
            self.report.error = error.message
            FRAMES_DROPPED.labels(self.camera_id, "bad_frame").inc()
            run.counter += 1
            return None
        self.report.width, self.report.height = info.width, info.height
        frame = Frame(self.camera_id, captured_ms, jpeg, run.counter, run.run_id)
        run.counter += 1
        return frame

    def _measure(self, frame: Frame) -> None:
        if frame.packet is None:
            size = len(frame.data)
            self.report.jpeg_bytes += (size - self.report.jpeg_bytes) * (AVERAGED if self.report.jpeg_bytes else 1)

    def _coded(self, run: _Run, picture: CodedPicture, captured_ms: int) -> Frame:
        if picture.keyframe:
            self.report.gop_ms = captured_ms - run.keyframe_ms if run.keyframe_ms else 0
            run.keyframe_ms = captured_ms
        mark = PacketMark(picture.keyframe, captured_ms + picture.shown_after_ms, picture.parameters)
        run.packets += 1
        return Frame(self.camera_id, captured_ms, picture.data, run.packets - 1, run.run_id, mark)


class _Run:
    """One capture run's clock, rate and counter; made anew for every connection."""

    def __init__(self, clock: Clock, last_ms: int | None, fps: float) -> None:
        self.run_id = uuid4().hex[:12]
        self.rate = RateLimit(fps)
        self.counter = 0
        self.packets = 0
        self.keyframe_ms = 0
        self._clock = clock
        self._capture = CaptureClock(clock.now_ms(), clock.monotonic(), last_ms)
        self._timeline = SourceTimeline()
        self._last_ms = last_ms if last_ms is not None else -1

    def time_of(self, picture: Picture | CodedPicture) -> int | None:
        """Capture time of a picture, newer than any before; None while the buffer is ahead of this host's clock."""
        if isinstance(picture, Picture) and picture.captured_ms is not None:
            self._last_ms = max(self._last_ms + 1, picture.captured_ms)
            return self._last_ms
        now = self._clock.monotonic()
        if not self._capture.ready(now):
            return None
        return self._capture.stamp(self._timeline.place(now, picture.source_s))
