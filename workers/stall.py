"""Notices a worker that runs and takes no work any more, and ends it so that its supervisor starts a new one.

Seen with Celery 5.7 on Redis: the broker restarts while a task runs, its late acknowledgement fails, the transport
counts the message as unacknowledged for good, the prefetch limit of one is used up, and nothing is ever asked of the
broker again. The event loop turns, so no check of the process finds anything. What shows it is work: the queue holds
some, the pool has nothing to do, and still nothing is taken.
"""

from __future__ import annotations

import os
import threading
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
    """For how long a worker has had nothing to do beside a queue that has something."""

    since: float | None = None
    taken: int = -1

    def look(self, now: float, *, waiting: bool, busy: bool, taken: int) -> bool:
        """One look; True when it has gone on for too long. An idle worker takes a message within milliseconds."""
        if not waiting or busy or taken != self.taken:
            self.since, self.taken = None, taken
        elif self.since is None:
            self.since = now
        return self.since is not None and now - self.since > PATIENCE_SECONDS


def watch(waiting: Callable[[], bool], busy: Callable[[], bool], taken: Callable[[], int], clock: Clock) -> None:
    """Look once a second from a thread of its own, for as long as the process lives."""

    def run() -> None:
        stall = Stall()
        while True:
            clock.sleep(LOOK_SECONDS)
            try:
                some = waiting()
            except PlatereelError:  # a broker that does not answer is no stall of ours
                stall = Stall()
                continue
            if stall.look(clock.monotonic(), waiting=some, busy=busy(), taken=taken()):
                _log.critical("worker_stalled", seconds=PATIENCE_SECONDS)
                os._exit(1)

    threading.Thread(target=run, daemon=True, name="stall").start()
