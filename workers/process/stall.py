"""Notices a worker that runs and takes no work any more, and ends it so that its supervisor starts
a new one.

Seen with Celery 5.7 on Redis: the broker restarts while a task runs, its late acknowledgement
fails, the transport counts the message as unacknowledged for good, the prefetch limit of one is
used up, and nothing is ever asked of the broker again. The event loop turns, so no check of the
process finds anything. What shows it is work: the queue holds some, the pool has nothing to do, and
still nothing is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from shared.domain.errors import PlatereelError
from shared.domain.ports import Clock
from shared.runtime.logs import logger

LOOK_SECONDS = 1.0
PATIENCE_SECONDS = 6.0

_log = logger(__name__)


@dataclass(slots=True)
class Stall:
    """How long a worker has had nothing to do beside a queue that has work."""

    since: float | None = None
    taken: int = -1

    def look(self, now: float, *, waiting: bool, busy: bool, taken: int) -> bool:
        """Look once.

        Returns True when it has gone on for too long; an idle worker takes a message within
        milliseconds.
        """
        if not waiting or busy or taken != self.taken:
            self.since, self.taken = None, taken
        elif self.since is None:
            self.since = now
        return self.since is not None and now - self.since > PATIENCE_SECONDS


def watch(
    waiting: Callable[[], bool], busy: Callable[[], bool], taken: Callable[[], int], clock: Clock
) -> Callable[[], None]:
    """Look once; the worker's event loop calls it every LOOK_SECONDS. Ends the process at a stall.

    The loop calls it, and no thread does: a lock that another thread holds while the pool forks,
    above all an import's, stays locked in the child for ever.
    """
    stall = Stall()

    def look() -> None:
        nonlocal stall
        if busy():
            stall = Stall()
            return
        try:
            some = waiting()
        except PlatereelError:  # a broker that does not answer is no stall of ours
            stall = Stall()
            return
        if stall.look(clock.monotonic(), waiting=some, busy=False, taken=taken()):
            _log.critical("worker_stalled", seconds=PATIENCE_SECONDS)
            os._exit(1)

    return look
