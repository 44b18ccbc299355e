"""How a process publishes its counters: in a folder that a deployment shares, or at a port of its
own. prometheus-client decides at its import whether it counts in a folder, so this comes before
every other import.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import rmtree

from shared.runtime.configuration import ConfigurationError
from shared.runtime.logs import logger
from shared.runtime.metrics_room import FOLDER_VARIABLE, make_room
from shared.runtime.settings import Settings

PREFIX = "platereel-metrics-"

_log = logger(__name__)


def count(settings: Settings, process: str, *, forks: bool = False) -> Callable[[], None]:
    """Begin to count as the settings say, and say which version runs.

    Returns a call that a process which forks makes now and then. Raises ConfigurationError where
    the port is taken.
    """
    look = _begin(settings, forks=forks)
    # not before it is known where to count
    from shared.runtime.metrics import tell_build

    tell_build(process)
    return look


def _begin(settings: Settings, *, forks: bool) -> Callable[[], None]:
    if settings.metrics_dir is not None:
        _count_in(settings.metrics_dir)
    elif settings.metrics_port is not None:
        listening = _listen(settings.metrics_host, settings.metrics_port)
        if forks:
            folder = Path(tempfile.mkdtemp(prefix=PREFIX))
            if _count_in(folder):
                return Beside(listening, settings.log_format).look
            rmtree(folder, ignore_errors=True)
            return _nothing
        from shared.runtime.metrics_server import serve_on_a_thread

        serve_on_a_thread(listening)
    return _nothing


def _nothing() -> None:
    """Do nothing: nothing needs looking after."""


def _count_in(folder: Path) -> bool:
    """Count together with others in a folder.

    Returns False where it is full; then this process counts alone, unpublished.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        make_room(folder)
    except OSError as error:
        _log.warning("counters_not_shared", folder=str(folder), error=error.strerror)
        return False
    os.environ[FOLDER_VARIABLE] = str(folder)
    from shared.runtime.metrics_folder import MetricsFolder

    MetricsFolder(folder).enter()
    return True


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # the library adds the address to what the system says
        why = str(error.strerror).partition(" (while")[0]
        raise ConfigurationError(
            [f"metrics_port: cannot listen on {host}:{port}: {why}"]
        ) from error


class Beside:
    """A small process that answers for this one and its pool, from the folder in which they alone
    count. style: of its messages. It ends with this process, however that ends, because its
    standard input ends then; and it deletes the folder.
    """

    def __init__(self, listening: socket.socket, style: str) -> None:
        self._listening = listening
        self._style = style
        self._process = self._start()

    def look(self) -> None:
        """Start it again if it has ended; the counts are in the folder."""
        if self._process.poll() is not None:
            _log.warning("metrics_process_started_again", status=self._process.returncode)
            self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        handle = self._listening.fileno()
        return subprocess.Popen(  # noqa: S603 - our own arguments
            [
                sys.executable,
                "-P",
                "-m",
                "shared.runtime.metrics_server",
                str(handle),
                str(os.getpid()),
                self._style,
            ],
            stdin=subprocess.PIPE,
            pass_fds=[handle],
            start_new_session=True,
            cwd="/",
        )
