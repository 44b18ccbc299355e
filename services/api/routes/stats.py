"""Totals, growth, and how long the free space lasts."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import Query

from services.api.bodies import data_router
from services.api.callers import Ports, Viewer
from services.api.ports import ApiPorts
from shared.domain.growth import LOOKED_AT_DAYS, forecast
from shared.domain.retention import capped
from shared.domain.statistics import Totals
from shared.domain.timing import from_ms
from shared.wire import api as schemas

MOST_DAYS = 400

router = data_router("stats")


@router.get("/stats")
def stats(
    ports: Ports, caller: Viewer, days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 30
) -> schemas.Stats:
    """Returns totals, per camera, and per UTC day of the last `days`, of the caller's cameras."""
    found = ports.counters.stats(max(days, LOOKED_AT_DAYS + 1), caller.scope, days)
    first = from_ms(ports.clock.now_ms()).date() - timedelta(days=days - 1)
    return schemas.Stats(
        segments=found.segments,
        bytes=found.bytes,
        duration_seconds=found.duration_seconds,
        average_duration_seconds=found.duration_seconds / found.segments if found.segments else 0.0,
        average_bytes=found.bytes / found.segments if found.segments else 0.0,
        protected_segments=found.protected_segments,
        protected_bytes=found.protected_bytes,
        by_status=dict(found.by_status),
        capacity=_capacity(ports, found, limited=caller.scope is None),
        cameras=[schemas.CameraStats.model_validate(camera) for camera in found.cameras],
        passes=found.passes,
        reads=dict(found.reads),
        days=[schemas.DayStats.model_validate(day) for day in found.days if day.day >= first],
    )


def _capacity(ports: ApiPorts, found: Totals, *, limited: bool) -> schemas.Capacity:
    """Of all cameras. A caller who sees only some is told their growth, and no limit."""
    retention = ports.settings.retention
    used, limit = found.bytes, None
    limited_by: Literal["retention_bytes", "disk"] | None = None
    if limited and retention.bytes is not None:
        limited_by, limit = "retention_bytes", retention.bytes
    elif limited and (room := ports.store.room()) is not None:
        limited_by, limit = "disk", used + max(0, room.free_bytes - (retention.free_bytes or 0))
    today = from_ms(ports.clock.now_ms()).date()
    expected = forecast(
        bytes_by_day={day.day: day.bytes for day in found.days},
        today=today,
        used_bytes=used,
        limit_bytes=limit,
        kept_days=capped(retention.days, retention.max_days),
    )
    return schemas.Capacity(
        limited_by=limited_by,
        limit_bytes=limit,
        free_bytes=None if limit is None else max(0, limit - used),
        bytes_per_day=expected.bytes_per_day,
        days_left=expected.days_left,
    )
