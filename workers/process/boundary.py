"""The edge between Celery and the use cases: nothing a task raises may end the worker."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from shared.domain.errors import PlatereelError
from shared.runtime.logs import logger
from workers.process.overrun import Overruns

_log = logger(__name__)


@contextmanager
def at_the_boundary(
    task: str, soft_limit_s: float, overruns: Overruns, **ids: str
) -> Iterator[None]:
    """Log what a task raises and swallow it: rows and leases decide what is tried again, not
    Celery. A MemoryError above all (NumPy's and PyAV's are subclasses): Celery would end the whole
    worker and requeue the task, which would then end the next one. A task that ran over ends its
    process too: the lock or library that held it up would hold up the next task, and the pool
    starts a new process at once.
    """
    with structlog.contextvars.bound_contextvars(task=task, **ids):
        try:
            with overruns.watched(soft_limit_s):
                yield
        except SoftTimeLimitExceeded as error:
            _log.error("task_timed_out", soft_limit_seconds=soft_limit_s)
            raise SystemExit("the task ran over; its process is replaced") from error
        except MemoryError:
            _log.error("task_out_of_memory")
        except PlatereelError as error:
            _log.warning(
                "task_failed", error=error.message, **{k: str(v) for k, v in error.facts.items()}
            )
        except Exception:  # noqa: BLE001 - the top of a loop
            _log.exception("task_crashed")
