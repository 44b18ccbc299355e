"""The supervisor's side of its children's logs.

A child has a file descriptor for its output that nobody can change from outside. If that is the
log file itself, it can only be renamed, and the child writes on into the old file, or copied and
emptied, and what is written between is lost. So each child gets a pipe, and one process, the
`log_writer`, appends what comes to files that it turns as it likes.

It is a process of its own and no thread here, because it must live as long as the children do.
When the supervisor is killed, the kernel asks the children to stop, and they stop in order: a pipe
that nobody reads any more would stop them in the middle of a line. The writer goes on until the
last child has closed its pipe.

The supervisor holds every reading end too and never reads. So a writer that is killed breaks no
pipe: another one takes the same pipes, and what was in them is written. A child waits meanwhile, if
it fills its pipe. What is lost is what the killed one had read and not written, at most 64 KiB.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass, field
from pathlib import Path

from platereel.embedded.log_writer import TAKEN
from platereel.embedded.logfiles import private
from shared.domain.ports import Clock
from shared.runtime.logs import logger

ANSWER_SECONDS = 20.0  # a slow host that is busy with something else
AGAIN_SECONDS = 1.0
SETTLE_SECONDS, SETTLE_STEP_SECONDS = 1.0, 0.05
END_SECONDS = 1.0

_log = logger(__name__)


@dataclass(slots=True, kw_only=True)
class LogPipes:
    """Gives each child a pipe, and keeps the process that writes what comes through them."""

    clock: Clock
    most_bytes: int
    most_files: int
    _process: subprocess.Popen[bytes] | None = None
    _line: socket.socket | None = None
    _began: float = 0.0
    _held: dict[Path, int] = field(default_factory=dict)

    def pipe(self, log: Path) -> int:
        """Returns the descriptor to which a child of that log writes. The caller closes it.

        Raises OSError where the log cannot be written.
        """
        os.close(private(log))
        if self._process is None:
            self._begin()
        reading, writing = os.pipe()
        earlier = self._held.get(log)
        self._held[log] = reading
        if earlier is not None:  # the writer has it too, and reads it to its end
            os.close(earlier)
        self._hand_over(log, reading)
        return writing

    def pids(self) -> list[int]:
        """Returns the process id of the writer."""
        return [] if self._process is None else [self._process.pid]

    def look(self) -> bool:
        """Start the writer again if it has died. Returns whether it had."""
        if self._process is None or self._process.poll() is None:
            return False
        if self.clock.monotonic() - self._began < AGAIN_SECONDS:
            return False
        _log.warning("log_writer_died", status=self._process.returncode)
        self._begin()
        for log, reading in self._held.items():
            self._hand_over(log, reading)
        return True

    def settle(self, log: Path) -> None:
        """Wait until what a child has written is in its file, for whoever reads that."""
        reading = self._held.get(log)
        until = self.clock.monotonic() + SETTLE_SECONDS
        while reading is not None and _waiting(reading) and self.clock.monotonic() < until:
            self.clock.sleep(SETTLE_STEP_SECONDS)
        self.clock.sleep(SETTLE_STEP_SECONDS)  # read, and perhaps not yet written

    def close(self) -> None:
        """Let the writer end, once the children have: it writes what is left."""
        for reading in self._held.values():
            os.close(reading)
        self._held.clear()
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None:
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:  # somebody who left a child holds the pipe
                self._process.kill()
                self._process.wait()
            self._process = None

    def _begin(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line, theirs = socket.socketpair()
        self._line.settimeout(ANSWER_SECONDS)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "platereel.embedded.log_writer"],
                stdin=theirs.fileno(),
                cwd="/",
                start_new_session=True,  # a Ctrl-C is for the supervisor alone
            )
        self._began = self.clock.monotonic()

    def _hand_over(self, log: Path, reading: int) -> None:
        """Give the writer a pipe. If it dies meanwhile, the next one gets it from `look`."""
        if self._line is None:
            return
        asked = {"path": str(log), "most_bytes": self.most_bytes, "most_files": self.most_files}
        try:
            socket.send_fds(self._line, [json.dumps(asked).encode()], [reading])
            taken = self._line.recv(len(TAKEN)) == TAKEN
        except OSError:
            taken = False
        if not taken:
            _log.warning("log_not_taken", log=str(log))


def _waiting(reading: int) -> int:
    """Returns how many bytes are in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(reading, termios.FIONREAD, b"\0" * 4))
    return int(count)
