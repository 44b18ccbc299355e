"""Keeps an encoder from taking the whole machine.

Where SVT-AV1 runs as root, it gives its threads, and the thread that opens it, the real-time
priority 99 (SCHED_FIFO). Nothing else then runs on their cores, and every process that is started
from there inherits the priority. Two such processes stopped a machine of two cores with all its
servers. No option turns that off, so it is undone as soon as the encoder is open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def kept_priority() -> Iterator[None]:
    """Give every thread of this process the scheduling back that the calling thread had before the
    block.
    """
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in Path("/proc/self/task").iterdir():
            try:
                thread = int(task.name)
                now = (os.sched_getscheduler(thread), os.sched_getparam(thread).sched_priority)
                if now != (policy, parameters.sched_priority):
                    os.sched_setscheduler(thread, policy, parameters)
            except ProcessLookupError:
                continue  # it has ended meanwhile
