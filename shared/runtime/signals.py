"""Stopping: SIGTERM, SIGINT and SIGHUP set an event; a child ends with its supervisor."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType

_PR_SET_PDEATHSIG = 1
# Loaded here, and not between fork and exec: a lock that another thread holds at the fork stays
# locked in the child.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform.startswith("linux") else None
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_BY_SIGNAL = 128  # what a shell adds to the number
LIFELINE_VARIABLE = "_PLATEREEL_LIFELINE"


def stop_event(at_once: Callable[[], object] = lambda: None) -> threading.Event:
    """Returns an event that a signal to stop sets. A second signal ends the process at once.

    at_once: called before that. A SIGHUP that our parent told us to ignore (nohup) stays ignored.
    """
    stopping = threading.Event()

    def stop(number: int, _: FrameType | None) -> None:
        if stopping.is_set():
            at_once()
            os._exit(_BY_SIGNAL + number)
        stopping.set()

    for number in STOP_SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, stop)
    return stopping


def stop_as_usual() -> None:
    """Give the signals back to the system, for code that installs its own handlers a moment
    later.
    """
    for number in STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def die_with_parent(parent: int, number: int = signal.SIGTERM) -> None:
    """Ask the kernel (Linux) for a signal when the parent ends, even by SIGKILL; call it in the
    child.

    parent: the parent's process id, noted before the fork. A parent that ended meanwhile is noticed
    here.
    """
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def hold_lifeline() -> None:
    """Where the kernel has no such signal: end when the pipe that the supervisor holds open
    closes.
    """
    handle = os.environ.pop(LIFELINE_VARIABLE, None)
    if handle is None:
        return

    def watch(descriptor: int) -> None:
        os.read(descriptor, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, args=(int(handle),), daemon=True, name="lifeline").start()
