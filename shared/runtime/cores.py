"""How many cores this process may use, and how many of them are idle."""

from __future__ import annotations

import os
from math import ceil
from pathlib import Path

MOST_THREADS = 4
_QUOTA, _LOAD = Path("/sys/fs/cgroup/cpu.max"), Path("/proc/loadavg")


def usable_cores() -> int:
    """Returns the cores of this process: its CPU affinity, or less where its control group has a
    quota (Linux, cgroup v2).
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
        return max(1, min(cores, ceil(int(quota) / int(period))))
    except (OSError, ValueError):
        return cores


def idle_threads() -> int:
    """Returns how many threads an encoder may use without taking a core from another: one, and one
    more for each idle core. Beyond a few, x264 loses more to waiting than it gains. The kernel's
    count of running threads is a single look.
    """
    try:
        running = int(_LOAD.read_text(encoding="ascii").split()[3].split("/")[0])
    except (OSError, ValueError, IndexError):
        return 1
    return max(1, min(MOST_THREADS, usable_cores() - running + 1))
