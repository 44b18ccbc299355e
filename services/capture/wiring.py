"""Builds capture's world."""

from __future__ import annotations

import os
import socket

from services.capture.leases import Ownership
from services.capture.loop import CameraPlan, Capture, CapturePorts
from shared.adapters.clock import SystemClock
from shared.adapters.redis.camera_buffers import CameraBuffers
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.memory_check import check_room
from shared.adapters.redis.packets import RedisPackets
from shared.adapters.redis.servers import frame_servers
from shared.domain.capacity import buffered_bytes
from shared.domain.errors import PartlyAway
from shared.runtime.addresses import addresses
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.wire.keys import Keys

# A connection that died without a word is noticed, and the lease renewed by another, before the lease ends.
FRAMES_PATIENCE_SECONDS, LEASES_PATIENCE_SECONDS = 2.0, 1.0


def check_frames_redis(settings: Settings) -> bool:
    """True when the frames Redis keeps what it is given and has room for every buffer; Permanent says why it is not.

    A camera's need is known from the size of its newest frame, so one that was never captured counts nothing yet.
    """
    keys = Keys(settings.redis_prefix, settings.detections_name)
    with frame_servers(addresses(settings).frames, name="platereel-capture") as servers:
        frames = RedisFrames(servers, keys)
        needs = {}
        for camera_id in settings.cameras:
            try:
                newest = frames.newest(camera_id)
            except PartlyAway:
                continue
            if newest is not None:
                keep_s = settings.limits(camera_id).keep_ms / 1000
                needs[camera_id] = buffered_bytes(settings.jpeg_fps(camera_id), len(newest.data), keep_s)
        check_room(servers, needs, {camera_id: keys.frames(camera_id) for camera_id in settings.cameras})
    return True


def build(settings: Settings) -> Capture:
    """One capture process for all cameras it can get; `push:` cameras are written by their clients."""
    clock = SystemClock()
    keys = Keys(settings.redis_prefix, settings.detections_name)
    url = addresses(settings).frames
    servers = frame_servers(url, name="platereel-capture", patience_s=FRAMES_PATIENCE_SECONDS)
    frames = CameraBuffers(
        RedisFrames(servers, keys), RedisPackets(servers, keys), lambda camera_id: settings.policy(camera_id).copied
    )
    cameras = RedisCameras(frame_servers(url, name="platereel-leases", patience_s=LEASES_PATIENCE_SECONDS), keys)
    plans = {
        camera_id: CameraPlan(
            source=settings.source(camera_id),
            fps=settings.jpeg_fps(camera_id),
            jpeg_quality=settings.jpeg_quality(camera_id),
            limits=settings.limits(camera_id),
            outbox_ms=max(1000, settings.policy(camera_id).buffer_ms),
            copied=settings.policy(camera_id).copied,
            watched=settings.cameras[camera_id].detect,
            timeout_s=settings.source_timeout_s(camera_id),
        )
        for camera_id in settings.cameras
        if not settings.source(camera_id).startswith("push:")
    }
    holds = RedisFrames(servers, keys)
    owner = f"{socket.gethostname()}:{os.getpid()}"
    ownership = Ownership(
        leases=cameras,
        clock=clock,
        owner=owner,
        cameras=list(plans),
        server_ms=frames.server_ms,
        recorded=lambda camera_id: bool(holds.holds(camera_id)),
    )
    alive = pulse(settings.pulse_file, clock)
    return Capture(plans, CapturePorts(frames=frames, states=cameras, clock=clock, alive=alive), ownership)
