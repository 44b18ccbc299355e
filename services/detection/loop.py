"""The detection process: the newest frame of each camera, at its own pace.

Frames that come too fast are skipped, never queued.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import uuid5

from services.detection.detector import Detector, Image
from shared.domain.errors import PartlyAway, Permanent, PlatereelError, told
from shared.domain.media import Box, Detection, Frame
from shared.domain.ports import Clock, DetectionStream, FrameBuffer
from shared.runtime.logs import logger
from shared.wire.detections import NAMESPACE, encode_detection

AGAIN_SECONDS = 1.0
BACKOFF_SECONDS = 1.0

Cameras = Callable[[], Iterable[str]]  # those to look at, as they are now

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionPorts:
    """What the detector needs of the world. It publishes through the durable stream.

    decode: JPEG to BGR. `alive` is called after every good round.
    """

    frames: FrameBuffer
    stream: DetectionStream
    clock: Clock
    decode: Callable[[bytes], Image]
    alive: Callable[[], None]


class DetectionLoop:
    """Looks at each camera at most `fps` times a second; the same plate is reported at most once a
    second.
    """

    def __init__(
        self, cameras: Cameras, fps: float, detector: Detector, ports: DetectionPorts
    ) -> None:
        self._cameras = cameras
        self._interval_s = 1 / fps
        self._detector = detector
        self._ports = ports
        self._seen_ms: dict[str, int] = {}
        self._reported: dict[tuple[str, str | None], int] = {}

    def run(self, stopping: threading.Event) -> None:
        """Run until `stopping`."""
        failing = False
        while not stopping.is_set():
            began = self._ports.clock.monotonic()
            try:
                for camera_id in self._cameras():
                    self._look(camera_id)
                self._ports.alive()
            except PlatereelError as error:
                if not failing:
                    _log.warning("detection_waits", error=told(error))
                failing = True
                stopping.wait(BACKOFF_SECONDS)
            else:
                if failing:
                    _log.info("detection_goes_on")
                failing = False
            stopping.wait(max(0.0, self._interval_s - (self._ports.clock.monotonic() - began)))

    def _look(self, camera_id: str) -> None:
        try:
            frame = self._ports.frames.newest(camera_id)
        except PartlyAway:
            return
        if frame is None or frame.captured_ms == self._seen_ms.get(camera_id):
            return
        self._seen_ms[camera_id] = frame.captured_ms
        try:
            picture = self._ports.decode(frame.data)
        except Permanent:
            return
        for found in self._detector.process_frame(picture)[1]:
            self._report(frame, found["plate"], found["confidence"], Box(*found["bbox"]))

    def _report(self, frame: Frame, plate: str | None, confidence: float, box: Box) -> None:
        key = (frame.camera_id, plate)
        if frame.captured_ms - self._reported.get(key, 0) < AGAIN_SECONDS * 1000:
            return
        self._reported[key] = frame.captured_ms
        # The same frame gives the same id: two detectors on one camera report it once.
        identifier = str(
            uuid5(NAMESPACE, f"{frame.camera_id}|{frame.captured_ms}|{plate}|{box.x},{box.y}")
        )
        detection = Detection(
            detection_id=identifier,
            camera_id=frame.camera_id,
            captured_ms=frame.captured_ms,
            confidence=round(confidence, 4),
            plate=plate,
            bbox=box,
        )
        self._ports.stream.publish(encode_detection(detection))
        _log.info(
            "plate_seen", camera_id=frame.camera_id, plate=plate, confidence=round(confidence, 2)
        )
