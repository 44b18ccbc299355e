"""The Celery application of the workers, and beat's table. Built by a call, so that importing connects to nothing."""

from __future__ import annotations

import os
import signal
from typing import Any

import cv2
from celery import Celery, bootsteps
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown
from celery.worker import state

from shared.adapters.celery_queue import celery_app
from shared.adapters.clock import SystemClock
from shared.runtime.logs import configure
from shared.runtime.memory import limit_memory
from shared.runtime.pulse import EVERY_SECONDS
from shared.runtime.settings import Settings
from shared.runtime.signals import die_with_parent
from shared.wire.tasks import Audit, Sweep
from workers.reconcile.tasks import register as register_audit
from workers.retention.tasks import register as register_sweep
from workers.stall import watch
from workers.wiring import close_world, open_world, queues_hold_work, worker_pulse
from workers.writer.tasks import register as register_writer


def build_app(settings: Settings, broker_url: str) -> Celery:
    """An application with every task, and signals that open each pool child's clients after the fork."""
    app = celery_app(broker_url)
    for register in (register_writer, register_sweep, register_audit):
        register(app)
    app.conf.beat_schedule = {
        "sweep": {"task": Sweep.NAME, "schedule": settings.sweep_seconds},
        "audit": {"task": Audit.NAME, "schedule": settings.audit_seconds},
    }
    _connect_signals(settings)
    app.steps["worker"].add(_pulse_step(settings))
    app.steps["worker"].add(_stall_step(settings))
    return app


def _pulse_step(settings: Settings) -> type[bootsteps.StartStopStep]:
    """The worker's event loop gives the sign of life: one that hangs in a connection gives none."""
    alive = worker_pulse(settings)

    class Pulse(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: Any) -> None:
            parent.timer.call_repeatedly(EVERY_SECONDS, alive)

    return Pulse


def _stall_step(settings: Settings) -> type[bootsteps.StartStopStep]:
    """Beside the event loop: whether it still takes work."""

    class StallWatch(bootsteps.StartStopStep):
        requires = ("celery.worker.components:Timer",)

        def start(self, parent: Any) -> None:
            queues = sorted(parent.app.amqp.queues.consume_from)
            watch(
                queues_hold_work(settings, queues), lambda: bool(state.active_requests),
                lambda: sum(state.total_count.values()), SystemClock(),
            )  # fmt: skip

    return StallWatch


def _connect_signals(settings: Settings) -> None:
    parent = os.getpid()

    @setup_logging.connect(weak=False)
    def _logging(**_: object) -> None:
        configure("worker", settings.log_level, settings.log_format)

    @worker_process_init.connect(weak=False)
    def _init(**_: object) -> None:
        die_with_parent(parent, signal.SIGKILL)  # billiard's children may be past listening to SIGTERM
        limit_memory(settings.worker_memory_bytes)
        cv2.setNumThreads(1)
        configure("worker", settings.log_level, settings.log_format)
        open_world(settings)

    @worker_process_shutdown.connect(weak=False)
    def _shutdown(**_: object) -> None:
        close_world()
