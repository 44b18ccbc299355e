"""The audit as a task."""

from __future__ import annotations

from celery import Celery

from shared.wire.tasks import Audit
from workers.boundary import at_the_boundary
from workers.reconcile.audit import audit
from workers.upkeep import take_turn
from workers.wiring import world


def register(app: Celery) -> None:
    """Add the audit to `app`."""

    @app.task(name=Audit.NAME, shared=False)
    def run(job_id: str | None = None) -> None:
        with at_the_boundary(Audit.NAME):
            ports = world().audit
            regular = {"repair": True, "regular": True} if job_id is None else {}
            take_turn(
                ports.jobs,
                ports.clock,
                "check",
                job_id,
                world().audit_seconds,
                lambda params, tell: audit(ports, {**regular, **params}, tell),
            )
