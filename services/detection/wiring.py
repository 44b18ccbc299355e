"""Builds the detection process's world."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.util import find_spec

from services.detection.detector import Detector, LibraryDetector, TemplateDetector
from services.detection.loop import DetectionLoop, DetectionPorts
from shared.adapters.video.jpeg import decode_bgr
from shared.deployment import Deployment
from shared.domain.errors import Retryable
from shared.runtime.live_cameras import LOOK_SECONDS, LiveCameras
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.runtime.told_cameras import ToldCameras


def build(settings: Settings) -> DetectionLoop:
    """A detector for every camera that asks for one."""
    deployment = Deployment(settings, "platereel-detect")
    detector: Detector = LibraryDetector() if find_spec("fast_alpr") else TemplateDetector()
    stream, clock = deployment.stream(f"detect-{os.getpid()}"), deployment.clock
    live = LiveCameras(settings, ToldCameras(deployment.cameras, clock))
    alive = pulse(settings.pulse_file, clock)
    ports = DetectionPorts(
        frames=deployment.frames, stream=stream, clock=clock, decode=decode_bgr, alive=alive
    )
    looked_at = float("-inf")

    def cameras() -> list[str]:
        nonlocal looked_at
        if clock.monotonic() - looked_at >= LOOK_SECONDS:
            looked_at = clock.monotonic()
            with suppress(Retryable):  # other servers may have cameras to look at
                live.look()
        return [camera_id for camera_id, camera in settings.cameras.items() if camera.detect]

    return DetectionLoop(cameras, settings.detect_fps, detector, ports)
