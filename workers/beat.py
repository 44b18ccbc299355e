"""Beat: nudges cleanup and check, and gives a sign of life."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.beat import Scheduler

from shared.runtime.pulse import EVERY_SECONDS
from shared.runtime.settings import Settings
from workers.wiring import process_pulse


def run_beat(celery: Celery, settings: Settings) -> None:
    """Run until told to stop. The schedule is in memory: whatever beat forgets, dispatch makes up
    for.
    """
    alive = process_pulse(settings)

    class Scheduling(Scheduler):
        """Looks at its table every two seconds, and says so."""

        def tick(self, *arguments: Any, **named: Any) -> float:
            seconds: float = super().tick(*arguments, **named)
            alive()
            return seconds

    beat = celery.Beat(
        scheduler_cls=Scheduling,  # type: ignore[arg-type]  # a class is taken too
        max_interval=round(EVERY_SECONDS),
        loglevel=settings.log_level,
        quiet=True,
    )
    beat.run()
