"""Stopping: SIGTERM and SIGINT set an event; a child ends with its supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from types import FrameType

_PR_SET_PDEATHSIG = 1
# Loaded here, and not between fork and exec: a lock that another thread holds at the fork stays locked in the child.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
LIFELINE_VARIABLE = "_PLATEREEL_LIFELINE"


def stop_event() -> threading.Event:
    """An event that SIGTERM or SIGINT sets; the second signal of a kind acts as if nobody had listened."""
    stopping = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        stopping.set()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Ask the kernel (Linux) for a signal when the parent ends, even by SIGKILL; call it in the child.

    parent: the parent's process id, noted before the fork. A parent that ended meanwhile is noticed here.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def hold_lifeline() -> None:
    """Where the kernel has no such signal: end when the pipe that the supervisor holds open closes."""
    handle = os.environ.pop(LIFELINE_VARIABLE, None)
    if handle is None:
        return

    def watch(descriptor: int) -> None:
        os.read(descriptor, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, args=(int(handle),), daemon=True, name="lifeline").start()
