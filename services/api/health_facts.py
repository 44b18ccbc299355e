"""Looks at everything that a deployment's health is judged by.

What does not answer is a fact, too: it takes nothing else away.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from services.api.ports import ApiPorts
from services.api.routes.cameras import cameras_of
from services.api.routes.stats import capacity_of
from shared.domain.access import Caller, Role
from shared.domain.camera import UP, CameraNews
from shared.domain.errors import Retryable
from shared.domain.growth import LOOKED_AT_DAYS
from shared.domain.health import (
    CameraHealth,
    Health,
    QueueHealth,
    RowsHealth,
    StoreHealth,
)
from shared.domain.timing import from_ms, to_ms
from shared.runtime.dependencies import looked_at
from shared.wire import api as schemas
from shared.wire.urls import masked

SLOW_PICTURES = 3.0  # a camera may take so many times as long for a picture as it usually does


def health_of(ports: ApiPorts, caller: Caller, today: datetime) -> Health:
    """Returns what is so now, of the cameras that the caller sees."""
    servers = looked_at(ports.servers, ports.clock, closely=True)
    up = {each.name for each in servers if each.up}
    rows, news = None, dict[str, CameraNews]()
    if "database" in up:
        with suppress(Retryable):
            rows, news = _rows(ports, caller, today), dict(ports.news.told())
    return Health(
        dependencies=servers,
        cameras=[_camera(ports, each, news) for each in cameras_of(ports, caller)],
        queues=_detections(ports) if "broker" in up else [],
        rows=rows,
        store=_store(ports, caller) if {"database", "storage"} <= up else None,
    )


def _rows(ports: ApiPorts, caller: Caller, today: datetime) -> RowsHealth:
    """Only an admin is told in which words a webhook's server refused."""
    found = ports.health.look(today, caller.scope)
    if ports.settings.backup.keep == 0 or caller.scope is not None:
        found = replace(found, unbacked_seconds=0.0)
    if caller.role is not Role.ADMIN:
        return replace(found, failing=[replace(each, error="") for each in found.failing])
    return replace(
        found, failing=[replace(each, error=masked(each.error)) for each in found.failing]
    )


def _detections(ports: ApiPorts) -> list[QueueHealth]:
    with suppress(Retryable):
        waited = ports.stream.unread_s()
        return [QueueHealth(name="detections", length=None, oldest_seconds=waited or None)]
    return []


def _camera(
    ports: ApiPorts, camera: schemas.Camera, news: Mapping[str, CameraNews]
) -> CameraHealth:
    told = news.get(camera.camera_id)
    return CameraHealth(
        camera_id=camera.camera_id,
        state=camera.state,
        error=camera.error or "",
        late_seconds=_late_seconds(ports, camera),
        down_since=from_ms(told.since_ms) if told is not None and told.down else None,
        pushed=camera.source.startswith("push:"),
    )


def _late_seconds(ports: ApiPorts, camera: schemas.Camera) -> float:
    if camera.state not in UP or camera.last_frame_at is None:
        return 0.0
    age_s = (ports.clock.now_ms() - to_ms(camera.last_frame_at)) / 1000
    usual_s = SLOW_PICTURES / camera.fps if camera.fps else 0.0
    return age_s if age_s > max(ports.settings.camera_down_seconds, usual_s) else 0.0


def _store(ports: ApiPorts, caller: Caller) -> StoreHealth | None:
    """Returns how full the disk is; None where retention sees to it, and for callers who see only
    some cameras.
    """
    if caller.scope is not None:
        return None
    with suppress(Retryable):
        room, least = ports.store.room(), ports.settings.retention.free_bytes
        if room is None or (least is not None and room.free_bytes >= least):
            return None
        capacity = capacity_of(
            ports, ports.counters.stats(LOOKED_AT_DAYS + 1, None, 1), limited=True
        )
        return StoreHealth(
            total_bytes=room.total_bytes,
            free_bytes=room.free_bytes,
            days_left=capacity.days_left if capacity.limited_by == "disk" else None,
        )
    return None
