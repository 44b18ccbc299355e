"""A worker whose one task hangs when told to; started as a process by its test."""

from __future__ import annotations

import os
import sys
import threading

from celery import Celery
from celery.signals import worker_before_create_process

from shared.runtime.configuration import load
from workers.app import build_app
from workers.process.boundary import at_the_boundary
from workers.process.overrun import Overruns

HANG, SOFT_SECONDS = "probe.hang", 2


def tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def register(app: Celery, overruns: Overruns, _: object) -> None:
    @app.task(name=HANG, soft_time_limit=SOFT_SECONDS, time_limit=SOFT_SECONDS + 5, shared=False)
    def hang(seconds: float) -> None:
        with at_the_boundary(HANG, SOFT_SECONDS, overruns):
            tell(f"child {os.getpid()}")
            threading.Event().wait(seconds)


@worker_before_create_process.connect(weak=False)
def _forking(**_: object) -> None:
    tell(f"threads {threading.active_count()}")


if __name__ == "__main__":
    settings = load(None)
    app = build_app(settings, sys.argv[1], register)
    app.conf.task_routes = {HANG: {"queue": "parts"}}
    app.worker_main(
        [
            "worker",
            "--queues",
            "parts",
            "--concurrency",
            "1",
            "--loglevel",
            "info",
            "--without-mingle",
        ]
    )
