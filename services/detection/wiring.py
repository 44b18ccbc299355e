"""Builds the detection process's world."""

from __future__ import annotations

import os
from importlib.util import find_spec

from services.detection.detector import Detector, LibraryDetector, TemplateDetector
from services.detection.loop import DetectionLoop, DetectionPorts
from shared.adapters.clock import SystemClock
from shared.adapters.redis.client import redis_client
from shared.adapters.redis.detections import RedisDetections
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers
from shared.adapters.video.jpeg import decode_bgr
from shared.runtime.addresses import addresses
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.wire.keys import Keys


def build(settings: Settings) -> DetectionLoop:
    """A detector for every camera that asks for one."""
    urls = addresses(settings)
    keys = Keys(settings.redis_prefix, settings.detections_name)
    clock = SystemClock()
    frames = RedisFrames(frame_servers(urls.frames, name="platereel-detect"), keys)
    broker = redis_client(urls.broker, name="platereel-detect")
    detector: Detector = LibraryDetector() if find_spec("fast_alpr") else TemplateDetector()
    cameras = [camera_id for camera_id, camera in settings.cameras.items() if camera.detect]
    stream = RedisDetections(broker, keys, f"detect-{os.getpid()}", clock)
    ports = DetectionPorts(
        frames=frames, stream=stream, clock=clock, decode=decode_bgr, alive=pulse(settings.pulse_file, clock)
    )
    return DetectionLoop(cameras, settings.detect_fps, detector, ports)
