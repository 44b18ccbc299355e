"""Logging: one static event name and fields a line, JSON or for people; secrets never pass."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from shared.runtime.settings import masked


def _mask(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and "://" in value:
            event[key] = masked(value)
    return event


def configure(process: str, level: str, style: str) -> None:
    """Send structlog and the standard library's logging to standard error in one shape."""
    shared_chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _mask,
    ]
    final: list[Any]
    if style == "json":
        final = [structlog.processors.format_exc_info, _mask, structlog.processors.JSONRenderer()]
    else:
        # A plain traceback: the pretty one prints local variables, and those hold addresses with passwords.
        plain = structlog.dev.plain_traceback
        final = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=24, exception_formatter=plain)]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared_chain,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *final],
    )
    handler = logging.StreamHandler(sys.stderr)
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
    structlog.contextvars.bind_contextvars(process=process, **({"pid": os.getpid()} if style == "json" else {}))


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; its event names are static, everything else is a field."""
    bound: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return bound
