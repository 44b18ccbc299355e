"""Standard output and error as events, for libraries that print instead of logging."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from typing import TextIO

Say = Callable[[str], None]


class LoggedStream(io.TextIOBase):
    """A text stream that hands every line to `say`. `real` is the stream that it replaces.

    Each thread has its own unfinished line, so lines do not mix, and there is no lock that could be
    held at a fork.
    """

    def __init__(self, stream: TextIO, say: Say) -> None:
        super().__init__()
        self.real = stream
        self._say = say
        self._mine = threading.local()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """See TextIO."""
        return self.real.encoding or "utf-8"

    def writable(self) -> bool:
        """See TextIO."""
        return True

    def fileno(self) -> int:
        """See TextIO."""
        return self.real.fileno()

    def write(self, text: str) -> int:
        """Hand over the lines that are complete now."""
        *lines, rest = (getattr(self._mine, "begun", "") + text).split("\n")
        self._mine.begun = rest
        for line in lines:
            self._hand_over(line)
        return len(text)

    def flush(self) -> None:
        """Hand over an unfinished line, too."""
        begun = getattr(self._mine, "begun", "")
        self._mine.begun = ""
        self._hand_over(begun)

    def _hand_over(self, line: str) -> None:
        if not line.strip():
            return
        if getattr(self._mine, "saying", False):  # logging itself failed, and prints why
            self.real.write(json.dumps({"event": "printed", "line": line}) + "\n")
            return
        self._mine.saying = True
        try:
            self._say(line)
        finally:
            self._mine.saying = False
