"""What was done to a site, and what it answered."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass
class Entry:
    """One operation: invoked, and then ok, failed (it certainly did not happen) or unknown."""

    kind: str
    what: str
    at: float
    result: str = "invoked"
    took_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass
class History:
    """Everything that was done to a site, in order; a line of JSON each in `path`."""

    path: Path
    entries: list[Entry] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, kind: str, what: str, **facts: Any) -> Entry:
        entry = Entry(kind, what, time.time(), facts=facts)
        with self._lock:
            self.entries.append(entry)
            self._write(entry)
        return entry

    def end(self, entry: Entry, result: str, **facts: Any) -> None:
        with self._lock:
            entry.result, entry.took_s = result, time.time() - entry.at
            entry.facts |= facts
            self._write(entry)

    def _write(self, entry: Entry) -> None:
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps(asdict(entry)) + "\n")

    def acknowledged(self, since: float = 0.0) -> dict[str, Entry]:
        """Detections that were accepted, by id; a repeated one once."""
        with self._lock:
            ok = [
                e
                for e in self.entries
                if e.kind == "detection" and e.result == "ok" and e.at >= since
            ]
        return {entry.facts["detection_id"]: entry for entry in ok}
