"""What is wrong now, and what to do about it."""

from __future__ import annotations

from services.api.bodies import data_router
from services.api.callers import Ports, Viewer
from services.api.health_facts import health_of
from services.api.parameters import TimeZone, zone_named
from shared.domain.health import problems
from shared.domain.timing import from_ms
from shared.wire import api as schemas

router = data_router("health")


@router.get("/health")
def health(ports: Ports, caller: Viewer, time_zone: TimeZone = "UTC") -> schemas.DeploymentHealth:
    """Returns what is wrong now and what to do about it, errors first, and how servers, queues and
    cameras are. A key for some cameras is told of these.
    """
    now = from_ms(ports.clock.now_ms()).astimezone(zone_named(time_zone))
    found = health_of(ports, caller, now.replace(hour=0, minute=0, second=0, microsecond=0))
    return schemas.DeploymentHealth.model_validate(
        {
            "problems": problems(found),
            "dependencies": found.dependencies,
            "queues": found.all_queues,
            "cameras": found.camera_states,
            "frames_lost_today": None if found.rows is None else found.rows.frames_lost,
        },
        from_attributes=True,
    )
