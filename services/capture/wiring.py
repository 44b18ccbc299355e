"""Builds capture's world."""

from __future__ import annotations

import os
import socket
from secrets import token_hex

from services.capture.leases import Ownership
from services.capture.loop import CameraPlan, Capture, CapturePorts
from services.capture.sources.packets import Copying
from shared.adapters.redis.memory_check import check_room
from shared.deployment import Deployment
from shared.domain.capacity import buffered_bytes
from shared.domain.errors import PartlyAway
from shared.runtime.live_cameras import LiveCameras
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.runtime.told_cameras import ToldCameras

# A connection that died without a word is noticed, and the lease renewed by another, before the
# lease ends.
FRAMES_PATIENCE_SECONDS, LEASES_PATIENCE_SECONDS = 2.0, 1.0


def check_frames_redis(settings: Settings) -> bool:
    """True when the frames Redis keeps what it is given and has room for every buffer; Permanent
    says why it is not.

    A camera's need is known from the size of its newest frame, so one that was never captured
    counts nothing yet.
    """
    with Deployment(settings, "platereel-capture") as deployment:
        needs = {}
        for camera_id in settings.cameras:
            try:
                newest = deployment.frames.newest(camera_id)
            except PartlyAway:
                continue
            if newest is not None:
                keep_s = settings.limits(camera_id).keep_ms / 1000
                needs[camera_id] = buffered_bytes(
                    settings.jpeg_fps(camera_id), len(newest.data), keep_s
                )
        keys = {camera_id: deployment.keys.frames(camera_id) for camera_id in settings.cameras}
        check_room(deployment.frame_servers, needs, keys)
    return True


def build(settings: Settings) -> Capture:
    """One capture process for all cameras it can get; `push:` cameras are written by their
    clients.
    """
    deployment = Deployment(settings, "platereel-capture", patience_s=FRAMES_PATIENCE_SECONDS)
    leases = Deployment(settings, "platereel-leases", patience_s=LEASES_PATIENCE_SECONDS).cameras
    clock, frames, holds = deployment.clock, deployment.buffers, deployment.frames
    live = LiveCameras(settings, ToldCameras(leases, clock))
    plans = _plans(settings)
    owner = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
    ownership = Ownership(
        leases=leases,
        clock=clock,
        owner=owner,
        cameras=list(plans),
        server_ms=frames.server_ms,
        recorded=lambda camera_id: bool(holds.holds(camera_id)),
    )
    alive = pulse(settings.pulse_file, clock)

    seen = settings.cameras

    def changed() -> dict[str, CameraPlan] | None:
        nonlocal seen
        live.look()
        if settings.cameras is seen:
            return None
        seen = settings.cameras
        return _plans(settings)

    ports = CapturePorts(frames=frames, states=leases, clock=clock, alive=alive, changed=changed)
    return Capture(plans, ports, ownership)


def _plans(settings: Settings) -> dict[str, CameraPlan]:
    return {
        camera_id: _plan(settings, camera_id)
        for camera_id in settings.cameras
        if not settings.source(camera_id).startswith("push:")
    }


def _plan(settings: Settings, camera_id: str) -> CameraPlan:
    return CameraPlan(
        source=settings.source(camera_id),
        fps=settings.jpeg_fps(camera_id),
        fps_beside=settings.fps_beside(camera_id),
        jpeg_quality=settings.jpeg_quality(camera_id),
        limits=settings.limits(camera_id),
        outbox_ms=max(1000, settings.policy(camera_id).buffer_ms),
        copying=_copying(settings, camera_id),
        watched=settings.cameras[camera_id].detect,
        timeout_s=settings.source_timeout_s(camera_id),
    )


def _copying(settings: Settings, camera_id: str) -> Copying:
    if settings.may_be_copied(camera_id):
        return Copying.WHERE_IT_CAN
    return Copying.ALWAYS if settings.policy(camera_id).copied else Copying.NEVER
