"""Task bodies: payload in, use case called."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from celery import Celery

from shared.wire.tasks import Finalise, WritePart
from workers.process.boundary import at_the_boundary
from workers.process.overrun import Overruns
from workers.writer import finalise as finalising
from workers.writer import write_part as writing
from workers.writer.ports import WriterPorts


def register(app: Celery, overruns: Overruns, ports: Callable[[], WriterPorts]) -> None:
    """Add the writer's tasks to `app`; ports: asked for in the process that runs the task."""

    @app.task(
        name=WritePart.NAME,
        time_limit=writing.TIME_LIMIT_SECONDS,
        soft_time_limit=writing.SOFT_LIMIT_SECONDS,
        shared=False,
    )
    def write_part(part_id: str, offer: int) -> None:
        with at_the_boundary(WritePart.NAME, writing.SOFT_LIMIT_SECONDS, overruns, part_id=part_id):
            writing.write_part(UUID(part_id), offer, ports())

    @app.task(
        name=Finalise.NAME,
        time_limit=finalising.TIME_LIMIT_SECONDS,
        soft_time_limit=finalising.SOFT_LIMIT_SECONDS,
        shared=False,
    )
    def finalise(segment_id: str, offer: int) -> None:
        with at_the_boundary(
            Finalise.NAME, finalising.SOFT_LIMIT_SECONDS, overruns, segment_id=segment_id
        ):
            finalising.finalise(UUID(segment_id), offer, ports())
