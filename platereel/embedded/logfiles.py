"""The log of one child as files of bounded size: NAME.log, and before it NAME.log.1 and so on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

PRIVATE = 0o600  # plates are in it
NEWLINE = b"\n"


@dataclass(slots=True)
class LogFile:
    """Appends to a log, and begins a new file where the next line would make it larger than
    `most_bytes`. `most_files` are kept, the one that is written included.

    A line stays in one file. One that comes in pieces, or is longer than a file, makes that larger;
    at twice the size it is cut.
    """

    path: Path
    most_bytes: int
    most_files: int
    _handle: int | None = None
    _size: int = 0
    _in_line: bool = False
    _missing: int = field(default=0, init=False)

    def write(self, data: bytes) -> None:
        """Append what a child has written.

        What the disk does not take is counted and given up, so that the child never waits for it;
        the first line that fits again says how much is missing.
        """
        try:
            self._open()
            if self._missing:
                self._append(self._note())
                self._missing = 0
        except OSError:
            self._missing += len(data)
            return
        while data:
            cut = self._fitting(data)
            if cut == 0:
                self._turn()
                continue
            try:
                self._append(data[:cut])
            except OSError:
                self._missing += len(data)
                return
            data = data[cut:]

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _fitting(self, data: bytes) -> int:
        """Returns how many bytes belong into this file: 0 where the next one begins."""
        room = self.most_bytes - self._size
        if len(data) <= room:
            return len(data)
        lines = data.rfind(NEWLINE, 0, max(0, room)) + 1
        if lines:
            return lines
        unending = self._size >= 2 * self.most_bytes
        if self._size and (unending or not self._in_line):
            return 0
        return data.find(NEWLINE) + 1 or len(data)

    def _append(self, data: bytes) -> None:
        self._open()
        if self._handle is None:
            return
        while data:
            written = os.write(self._handle, data)
            self._size += written
            self._in_line = data[written - 1 : written] != NEWLINE
            data = data[written:]

    def _note(self) -> bytes:
        begin = "\n" if self._in_line else ""
        told = {"event": "log_bytes_missing", "bytes": self._missing, "reason": "not writable"}
        return f"{begin}{json.dumps(told)}\n".encode()

    def _open(self) -> None:
        if self._handle is not None:
            return
        self._handle = private(self.path)
        self._size = os.fstat(self._handle).st_size
        self._in_line = False
        self._drop_older()

    def _turn(self) -> None:
        """Begin a new file. Where files cannot be renamed, the old one is written on, and this is
        tried again after as much again.
        """
        self.close()
        try:
            for number in range(self.most_files - 1, 0, -1):
                older = self._numbered(number - 1) if number > 1 else self.path
                if older.exists():
                    older.replace(self._numbered(number))
            self._open()
        except OSError:
            self._size = 0

    def _drop_older(self) -> None:
        """Delete what an earlier run with more files has left."""
        for path in self.path.parent.glob(f"{self.path.name}.*"):
            number = path.suffix.removeprefix(".")
            if number.isdecimal() and int(number) >= self.most_files:
                path.unlink(missing_ok=True)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


def private(path: Path) -> int:
    """Open a log for appending, for its owner alone; also one that was there before."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, PRIVATE)
    os.fchmod(handle, PRIVATE)
    return handle
