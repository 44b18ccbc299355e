"""Where every thread of a pool child stood when its task ran over its time.

Python's own watchdog writes the stacks from a thread of C, so even a child whose interpreter cannot
answer reports them. Children write into one unnamed file that the main process opened before the
fork. The main process logs what appears there, also when the child has been killed meanwhile.
"""

from __future__ import annotations

import faulthandler
import fcntl
import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from shared.runtime.logs import logger

KILLED_AFTER_SECONDS = 15.0
BEFORE_SECONDS = 1.0  # the stacks of a task that then ends by itself would tell nothing

_log = logger(__name__)


def _nameless() -> int:
    """Returns the descriptor of a file to which several processes append; it is deleted with the
    last of them.
    """
    with tempfile.TemporaryFile() as made:
        descriptor = os.dup(made.fileno())
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
    return descriptor


def end_task() -> None:
    """End this child's task from another thread, as the pool does at a soft time limit (SIGUSR1:
    billiard's choice). A process that hangs in a library does not notice, and is killed some
    seconds later. Any other has ended by then.
    """
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
    threading.Event().wait(KILLED_AFTER_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)


@dataclass(slots=True)
class Overruns:
    """Make it in the main process, before the pool forks."""

    _file: int = field(default_factory=_nameless)
    _told: int = 0
    _seen: int = 0

    @contextmanager
    def watched(self, soft_limit_s: float) -> Iterator[None]:
        """In a child: write down every thread's stack when the block lasts nearly until its soft
        limit.
        """
        faulthandler.dump_traceback_later(max(0.1, soft_limit_s - BEFORE_SECONDS), file=self._file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()

    def tell(self) -> None:
        """In the main process, called regularly: log stacks that have been written since, once they
        are complete.
        """
        size = os.fstat(self._file).st_size
        if size == self._seen and size > self._told:
            stacks = os.pread(self._file, size - self._told, self._told).decode("utf-8", "replace")
            self._told = size
            _log.error("task_ran_over", stacks=stacks.strip())
        self._seen = size
