"""Logging: a line is one static event name with fields, as JSON or for people. Secrets are
masked.
"""

from __future__ import annotations

import io
import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from types import TracebackType
from typing import Any, TextIO

import structlog
from structlog.typing import ExcInfo, Processor

from shared.runtime.streams import LoggedStream
from shared.wire.urls import masked


def _mask(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and "://" in value:
            event[key] = masked(value)
    return event


def _named(process: str, *, with_pid: bool) -> Processor:
    """Adds the process's name to every line, of every thread: a bound context holds in one thread
    alone. The process id is asked for each time, because a logger that was used before a fork
    remembers its setup.
    """

    def name(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        if with_pid:
            event.setdefault("pid", os.getpid())
        return event

    return name


def _plain_traceback(out: TextIO, error: ExcInfo) -> None:
    """Removes local variables, which hold addresses with passwords, and masks the address in
    FFmpeg's errors.
    """
    text = io.StringIO()
    structlog.dev.plain_traceback(text, error)
    out.write(masked(text.getvalue()))


def configure(process: str, level: str, style: str) -> None:
    """Send structlog and the standard library's logging to standard error in one shape.

    It may be called again: after a fork, or when the settings are known.
    """
    out = _real(sys.stderr)
    shared_chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _named(process, with_pid=style == "json"),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
    ]
    final: list[Any]
    if style == "json":
        final = [structlog.processors.format_exc_info, _mask, structlog.processors.JSONRenderer()]
    else:
        renderer = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), pad_event_to=24, exception_formatter=_plain_traceback
        )
        final = [renderer]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared_chain,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("kombu", "amqp", "celery", "alembic", "uvicorn.access", "psycopg.pool", "libav"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # its retries are ours to report
    structlog.configure(
        processors=[*shared_chain, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=True,
    )


def log_everything() -> None:
    """Make all output of this process log lines, for a process whose lines a machine parses.

    Uncaught exceptions of any thread and warnings become events with their traceback; each printed
    line becomes an event.
    """
    if not logs_everything():
        sys.stdout = LoggedStream(sys.stdout, lambda line: _log.info("printed", line=line))
        sys.stderr = LoggedStream(sys.stderr, lambda line: _log.warning("printed", line=line))
    sys.excepthook = _uncaught
    threading.excepthook = _uncaught_in_thread
    sys.unraisablehook = _unraisable
    logging.captureWarnings(True)


def logs_everything() -> bool:
    """Returns whether printed lines are logged."""
    return isinstance(sys.stderr, LoggedStream)


def _real(stream: TextIO) -> TextIO:
    return stream.real if isinstance(stream, LoggedStream) else stream


def _uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    _log.critical("process_crashed", exc_info=(kind, error, trace))


def _uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
    if found.exc_type is SystemExit:
        return
    name = found.thread.name if found.thread is not None else None
    _log.error(
        "thread_crashed",
        thread=name,
        exc_info=(found.exc_type, found.exc_value, found.exc_traceback),
    )


def _unraisable(found: sys.UnraisableHookArgs) -> None:
    trouble = (found.exc_type, found.exc_value, found.exc_traceback)
    _log.error("error_nobody_can_catch", where=repr(found.object), exc_info=trouble)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """Returns a logger. Its event names are static; everything else is a field."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound


_log = logger(__name__)
