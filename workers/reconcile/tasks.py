"""The audit as a task."""

from __future__ import annotations

from functools import partial
from typing import Any

from celery import Celery

from shared.domain.ports import Progress
from shared.wire.tasks import Audit
from workers.boundary import at_the_boundary
from workers.overrun import Overruns
from workers.reconcile.audit import AuditPorts, audit
from workers.upkeep import SOFT_LIMIT_SECONDS, TIME_LIMIT_SECONDS, take_turn
from workers.wiring import world


def register(app: Celery, overruns: Overruns) -> None:
    """Add the audit to `app`."""

    @app.task(name=Audit.NAME, time_limit=TIME_LIMIT_SECONDS, soft_time_limit=SOFT_LIMIT_SECONDS, shared=False)
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Audit.NAME, SOFT_LIMIT_SECONDS, overruns):
            ports, period_s = world().audit, world().audit_seconds
            regular = {"repair": True, "regular": True} if job_id is None else {}
            take_turn(ports.jobs, ports.clock, "check", job_id, period_s, partial(_audit, ports, regular))


def _audit(ports: AuditPorts, regular: dict[str, Any], params: dict[str, Any], tell: Progress) -> dict[str, Any]:
    return audit(ports, {**regular, **params}, tell)
