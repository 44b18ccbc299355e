"""Builds capture's world."""

from __future__ import annotations

import os
import socket

from services.capture.leases import Ownership
from services.capture.loop import CameraPlan, Capture, CapturePorts
from shared.adapters.clock import SystemClock
from shared.adapters.redis_cameras import RedisCameras
from shared.adapters.redis_client import redis_client
from shared.adapters.redis_frames import RedisFrames
from shared.runtime.addresses import addresses
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.wire.keys import Keys


def build(settings: Settings) -> Capture:
    """One capture process for all cameras it can get; `push:` cameras are written by their clients."""
    clock = SystemClock()
    keys = Keys(settings.redis_prefix, settings.detections_name)
    client = redis_client(addresses(settings).frames, name="platereel-capture")
    frames, cameras = RedisFrames(client, keys), RedisCameras(client, keys)
    plans = {
        camera_id: CameraPlan(
            settings.source(camera_id),
            settings.policy(camera_id).capture_fps,
            settings.jpeg_quality(camera_id),
            settings.limits(camera_id),
            max(1000, settings.policy(camera_id).buffer_ms),
        )
        for camera_id in settings.cameras
        if not settings.source(camera_id).startswith("push:")
    }
    owner = f"{socket.gethostname()}:{os.getpid()}"
    ownership = Ownership(
        cameras, clock, owner, list(plans), frames.server_ms, lambda camera_id: bool(frames.holds(camera_id))
    )
    alive = pulse(settings.pulse_file, clock)
    return Capture(plans, CapturePorts(frames, cameras, clock, alive), ownership)
