"""Totals, growth, and how long the free space lasts."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Annotated

from fastapi import Query

from services.api.bodies import data_router
from services.api.callers import Ports, Viewer
from services.api.parameters import TimeZone, zone_named
from services.api.ports import ApiPorts
from shared.domain.growth import LOOKED_AT_DAYS, capacity
from shared.domain.statistics import Totals
from shared.domain.timing import from_ms
from shared.wire import api as schemas

MOST_DAYS, MOST_CAMERA_DAYS = 400, 31

router = data_router("stats")


@router.get("/stats")
def stats(
    ports: Ports,
    caller: Viewer,
    days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 30,
    time_zone: TimeZone = "UTC",
) -> schemas.Stats:
    """Returns totals, per camera, and per UTC day of the last `days`, of the caller's cameras; per
    camera and day of the time zone for 31 days at most.
    """
    here = from_ms(ports.clock.now_ms()).astimezone(zone_named(time_zone)).date()
    since = here - timedelta(days=min(days, MOST_CAMERA_DAYS) - 1)
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
        capacity=capacity_of(ports, found, limited=caller.scope is None),
        cameras=[schemas.CameraStats.model_validate(camera) for camera in found.cameras],
        passes=found.passes,
        reads=dict(found.reads),
        camera_days=[
            schemas.CameraDayStats.model_validate(each)
            for each in ports.counters.camera_days(since, time_zone, caller.scope)
        ],
        days=[schemas.DayStats.model_validate(day) for day in found.days if day.day >= first],
    )


def capacity_of(ports: ApiPorts, found: Totals, *, limited: bool) -> schemas.Capacity:
    """Returns the room of all cameras. A caller who sees only some is told their growth, and no
    limit.
    """
    policy = ports.settings.retention_policy()
    room = ports.store.room() if limited and policy.overall.max_bytes is None else None
    if not limited:
        policy = replace(policy, overall=replace(policy.overall, max_bytes=None))
    return schemas.Capacity.model_validate(
        capacity(
            found,
            policy,
            None if room is None else room.free_bytes,
            from_ms(ports.clock.now_ms()).date(),
        )
    )
