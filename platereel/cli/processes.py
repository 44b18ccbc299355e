"""The single processes of a distributed deployment."""

from __future__ import annotations

import os
import socket
from typing import Annotated

import typer

from platereel.cli.beginnings import begin
from platereel.cli.context import ConfigOption, JsonOption, print_json, settings_of
from platereel.cli.counting import count
from shared.domain.errors import BadInput, Permanent
from shared.runtime.addresses import addresses
from shared.runtime.configuration import ConfigurationError
from shared.runtime.signals import stop_as_usual, stop_event
from shared.runtime.startup import when_ready
from shared.wire.tasks import QUEUES, UPKEEP_QUEUES, WRITER_QUEUES

REMAP = "REMAP_SIGTERM"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for function in (capture, detect, dispatch, api, worker, beat, health):
        app.command(rich_help_panel="Processes of a distributed deployment")(function)


def capture(config: ConfigOption = None) -> None:
    """Read cameras into the frame buffer. Start more, and they share the cameras."""
    settings = begin("capture", config)
    count(settings, "capture")
    from services.capture.__main__ import main

    main(settings)


def detect(config: ConfigOption = None) -> None:
    """Find plates in the buffer's frames and publish detections."""
    settings = begin("detect", config)
    count(settings, "detect")
    from services.detection.__main__ import main

    main(settings)


def dispatch(config: ConfigOption = None) -> None:
    """Turn detections into recordings, and pace the writers. Two or more are fine."""
    settings = begin("dispatch", config)
    count(settings, "dispatch")
    from services.dispatch.__main__ import main

    main(settings)


def api(config: ConfigOption = None) -> None:
    """Serve the REST API."""
    settings = begin("api", config)
    count(settings, "api")
    from services.api.__main__ import main

    main(settings)


def worker(
    config: ConfigOption = None,
    queues: Annotated[
        str, typer.Option(help=f"Queues to serve, of {', '.join(QUEUES)}.")
    ] = ",".join(WRITER_QUEUES),
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Pool processes.")] = 2,
) -> None:
    """Run a Celery worker. Start more, on any host, to write more at once.

    Retention, consistency checks and backups need a worker of their own, one a deployment: --queues
    retention,consistency,backup.
    """
    wanted = [queue.strip() for queue in queues.split(",")]
    unknown = sorted(set(wanted) - set(QUEUES))
    if unknown:
        raise BadInput("--queues", f"no queue {unknown[0]}; there are {', '.join(QUEUES)}")
    if set(wanted) & set(WRITER_QUEUES) and set(wanted) & set(UPKEEP_QUEUES):
        together = f"{', '.join(UPKEEP_QUEUES)} would keep recordings waiting: start another worker for them"
        raise BadInput("--queues", together)
    settings = begin("worker", config)
    look = count(settings, "worker", forks=True)
    # SIGTERM as SIGQUIT: a soft shutdown, which ends in seconds; a run that is cut short is offered
    # again. Celery looks for it when it is imported.
    os.environ.setdefault(REMAP, "SIGQUIT")
    from workers.app import build_app
    from workers.wiring import check_servers

    stopping = stop_event()
    if not when_ready(lambda: check_servers(settings), stopping) or stopping.is_set():
        return
    # Celery listens in a moment; a signal until then ends the process instead of being lost
    stop_as_usual()
    celery = build_app(settings, addresses(settings).broker, looks=[look])
    celery.worker_main(
        [
            "--quiet",
            "worker",
            "--queues",
            ",".join(wanted),
            "--concurrency",
            str(concurrency),
            "--pool",
            "prefork",
            "--hostname",
            f"{wanted[0]}-{os.getpid()}@{socket.gethostname()}",
            "--loglevel",
            settings.log_level,
            "--without-gossip",
            "--without-mingle",
            "--without-heartbeat",
        ]
    )


def beat(config: ConfigOption = None) -> None:
    """Start cleanups and checks regularly. Several beats, or none, do no harm."""
    settings = begin("beat", config)
    count(settings, "beat")
    from workers.app import build_app
    from workers.beat import run_beat
    from workers.wiring import check_broker

    stopping = stop_event()
    if not when_ready(lambda: check_broker(settings), stopping) or stopping.is_set():
        return
    stop_as_usual()
    run_beat(build_app(settings, addresses(settings).broker, process="beat"), settings)


def health(
    config: ConfigOption = None,
    within: Annotated[float, typer.Option(help="Seconds that may have passed.")] = 30,
    json: JsonOption = False,
) -> None:
    """Exit status 0 if the process that writes PLATEREEL_PULSE_FILE gave a sign of life lately.

    A container's check is `platereel-health`: the same check, without the second that this command
    takes to start.
    """
    from shared.adapters.clock import SystemClock
    from shared.runtime.pulse import seconds_since
    from shared.runtime.vitals import complaint

    path = settings_of(config).pulse_file
    if path is None:
        raise ConfigurationError(["PLATEREEL_PULSE_FILE is not set"])
    age = seconds_since(path, SystemClock())
    wrong = complaint(age, within)
    if json:
        print_json({"ok": wrong is None, "seconds": age})
    if wrong is not None:
        raise Permanent(wrong)
