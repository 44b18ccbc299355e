"""Builds the detection process's world."""

from __future__ import annotations

import os
from importlib.util import find_spec

from services.detection.detector import Detector, LibraryDetector, TemplateDetector
from services.detection.loop import DetectionLoop, DetectionPorts
from shared.adapters.video.jpeg import decode_bgr
from shared.deployment import Deployment
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings


def build(settings: Settings) -> DetectionLoop:
    """A detector for every camera that asks for one."""
    deployment = Deployment(settings, "platereel-detect")
    detector: Detector = LibraryDetector() if find_spec("fast_alpr") else TemplateDetector()
    cameras = [camera_id for camera_id, camera in settings.cameras.items() if camera.detect]
    stream, clock = deployment.stream(f"detect-{os.getpid()}"), deployment.clock
    alive = pulse(settings.pulse_file, clock)
    ports = DetectionPorts(
        frames=deployment.frames, stream=stream, clock=clock, decode=decode_bgr, alive=alive
    )
    return DetectionLoop(cameras, settings.detect_fps, detector, ports)
