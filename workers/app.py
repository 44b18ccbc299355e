"""The Celery application of the workers, and beat's table. Built by a call, so that importing
connects to nothing.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from typing import Any

import cv2
from celery import Celery, bootsteps
from celery.apps import worker as worker_program
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready
from celery.worker import state

from shared.adapters.celery_queue import celery_app
from shared.adapters.clock import SystemClock
from shared.runtime.logs import configure, logger, logs_everything
from shared.runtime.memory import limit_memory
from shared.runtime.metrics_folder import shared_folder
from shared.runtime.pulse import EVERY_SECONDS
from shared.runtime.settings import Settings
from shared.runtime.signals import die_with_parent
from shared.runtime.tracing import begin_tracing, end_tracing
from shared.wire.tasks import Backup, Check, Cleanup
from workers.backup.tasks import LOOK_SECONDS as BACKUP_LOOK_SECONDS
from workers.backup.tasks import register as register_backup
from workers.consistency.tasks import register as register_check
from workers.process.farewell import say_as_json
from workers.process.overrun import Overruns
from workers.process.stall import LOOK_SECONDS, watch
from workers.retention.tasks import register as register_cleanup
from workers.wiring import OpenWorld, process_pulse, queues_hold_work
from workers.writer.tasks import register as register_writer

Register = Callable[[Celery, Overruns, OpenWorld], None]
Look = Callable[[], None]
_log = logger(__name__)


def register_all(app: Celery, overruns: Overruns, world: OpenWorld) -> None:
    """Add every task, each with the ports of its own use case."""
    register_writer(app, overruns, lambda: world().writer)
    register_cleanup(app, overruns, lambda: world().cleanup)
    register_check(app, overruns, lambda: world().check)
    register_backup(app, overruns, lambda: world().backup)


def build_app(
    settings: Settings,
    broker_url: str,
    register: Register = register_all,
    *,
    process: str = "worker",
    looks: Sequence[Look] = (),
) -> Celery:
    """An application with its tasks, and signals that open each pool child's clients after the
    fork.

    process: what its log lines call it; looks: what else the worker's event loop does once a
    second.
    """
    app = celery_app(broker_url)
    overruns, world = Overruns(), OpenWorld(settings)
    register(app, overruns, world)
    app.conf.beat_schedule = _schedule(settings)
    _connect_signals(settings, process, world)
    app.steps["consumer"].add(_looks_step(settings, overruns, looks))
    return app


def _schedule(settings: Settings) -> dict[str, Any]:
    turns = [
        ("cleanup", Cleanup.NAME, settings.cleanup_seconds),
        ("check", Check.NAME, settings.check_seconds),
    ]
    if settings.backup.keep:
        turns.append(("backup", Backup.NAME, BACKUP_LOOK_SECONDS))
    return {
        name: {"task": task, "schedule": seconds, "options": {"expires": seconds}}
        for name, task, seconds in turns
    }


def _looks_step(
    settings: Settings, overruns: Overruns, more: Sequence[Look]
) -> type[bootsteps.StartStopStep]:
    """What the worker's event loop does once a second beside its work, by a timer and never by a
    thread.

    It gives the sign of life (a loop that hangs in a connection gives none), looks whether the
    worker still takes work, and tells of tasks that ran over. A step of the consumer: each start of
    it, also after the broker was away, sets the timers anew.
    """
    alive = process_pulse(settings)

    class Looks(bootsteps.StartStopStep):
        requires = ("celery.worker.consumer.tasks:Tasks",)

        def __init__(self, parent: Any, **_: Any) -> None:
            super().__init__(parent)
            self.timers: list[Any] = []

        def start(self, parent: Any) -> None:
            queues = sorted(parent.app.amqp.queues.consume_from)
            taking = watch(
                queues_hold_work(settings, queues),
                lambda: bool(state.active_requests),
                lambda: sum(state.total_count.values()),
                SystemClock(),
            )
            looks = [
                (EVERY_SECONDS, alive),
                *((LOOK_SECONDS, look) for look in (taking, overruns.tell, *more)),
            ]
            self.timers = [parent.timer.call_repeatedly(every, look) for every, look in looks]

        def stop(self, _: Any) -> None:
            for timer in self.timers:
                timer.cancel()
            self.timers = []

    return Looks


def _connect_signals(settings: Settings, process: str, world: OpenWorld) -> None:
    parent = os.getpid()
    if logs_everything():
        worker_program.safe_say = say_as_json  # type: ignore[attr-defined]
    # by nohup; Celery sets a handler all the same
    hang_up_ignored = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

    @setup_logging.connect(weak=False)
    def _logging(**_: object) -> None:
        configure(process, settings.log_level, settings.log_format)

    @worker_ready.connect(weak=False)
    def _ready(**_: object) -> None:
        # Celery would start the worker anew; here a hang-up stops it like any other process.
        stop = (
            signal.SIG_IGN if hang_up_ignored else lambda *_: os.kill(os.getpid(), signal.SIGTERM)
        )
        signal.signal(signal.SIGHUP, stop)

    @worker_process_init.connect(weak=False)
    def _init(**_: object) -> None:
        # billiard's children may be past listening to SIGTERM
        die_with_parent(parent, signal.SIGKILL)
        limit_memory(settings.worker_memory_bytes)
        cv2.setNumThreads(1)
        configure(process, settings.log_level, settings.log_format)
        _count_anew()
        begin_tracing(process)
        world.open()

    @worker_process_shutdown.connect(weak=False)
    def _shutdown(**_: object) -> None:
        world.close()
        end_tracing()


def _count_anew() -> None:
    """A pool child counts in files of its own; on a full disk it may not get them, and works all
    the same.
    """
    folder = shared_folder()
    try:
        if folder is not None:
            folder.enter()
    except OSError as error:
        _log.warning("counters_have_no_room", error=error.strerror)
