"""The process that writes the logs of all children: it reads their pipes and appends to their
files (`log_pipes` says why it is a process).
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path

from platereel.embedded.logfiles import LogFile

CHUNK_BYTES = 65_536
TAKEN = b"+"
_PRIVATE_UMASK = 0o077


class LogWriter:
    """Reads pipes until all of them have ended and nobody can give it more."""

    def __init__(self, line: socket.socket) -> None:
        """line: from where pipes come, each with the log that it belongs to."""
        self._line = line
        self._logs: dict[str, LogFile] = {}
        self._selector = selectors.DefaultSelector()
        self._selector.register(line, selectors.EVENT_READ)

    def run(self) -> None:
        """Write until there is nothing left to wait for."""
        while self._selector.get_map():
            for key, _ in self._selector.select():
                if key.data is None:
                    self._take()
                else:
                    self._pass_on(key.fd, key.data)

    def _take(self) -> None:
        """Take a pipe. A log may have several: those of a child and of the one that it replaced."""
        message, handles, _, _ = socket.recv_fds(self._line, CHUNK_BYTES, 1)
        if not message:  # the supervisor has ended, in whatever way
            self._selector.unregister(self._line)
            self._line.close()
            return
        asked = json.loads(message)
        log = self._logs.setdefault(
            asked["path"],
            LogFile(Path(asked["path"]), asked["most_bytes"], asked["most_files"]),
        )
        self._selector.register(handles[0], selectors.EVENT_READ, log)
        self._line.send(TAKEN)

    def _pass_on(self, handle: int, log: LogFile) -> None:
        data = os.read(handle, CHUNK_BYTES)
        if data:
            log.write(data)
        else:
            self._selector.unregister(handle)
            os.close(handle)


def main() -> None:
    """Write logs. Signals to stop are for the children: their last lines are still to come."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.umask(_PRIVATE_UMASK)
    with socket.socket(fileno=os.dup(sys.stdin.fileno())) as line:
        LogWriter(line).run()


if __name__ == "__main__":
    main()
