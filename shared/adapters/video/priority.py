"""Keeps an encoder from taking the whole machine.

SVT-AV1, where it runs as root, gives its threads and the one that opens it the real-time priority 99 (SCHED_FIFO).
Then nothing else runs on its cores, and every process that is started from there inherits it: two busy ones stopped a
machine of two cores, servers and all. No option turns that off, so it is undone as soon as the encoder is open.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def kept_priority() -> Iterator[None]:
    """Give every thread of this process the scheduling back that the calling thread had at the block's start."""
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in Path("/proc/self/task").iterdir():
            try:
                if os.sched_getscheduler(int(task.name)) != policy:
                    os.sched_setscheduler(int(task.name), policy, parameters)
            except ProcessLookupError:
                continue  # it has ended meanwhile
