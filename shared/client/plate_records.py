"""Everything that is kept of a plate, through the HTTP API."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from shared.client.http import HttpApi, Progress
from shared.wire import api


class PlateRecordCalls(HttpApi):
    """The part of the client that exports and erases a plate. It needs an admin's key."""

    def export_plate(self, plate: str, path: Path, progress: Progress = lambda *_: None) -> Path:
        """Fetch everything that is kept of a plate, as lines of JSON."""
        return self._fetch(f"plates/{quote(plate, safe='')}/export", path, progress)

    def erase_plate(self, plate: str, *, dry_run: bool = False) -> api.PlateErasure:
        """Erase what is kept of a plate. Returns what went, or would go."""
        path = f"plates/{quote(plate, safe='')}/erase"
        return self._send(api.PlateErasure, "POST", path, {"dry_run": dry_run}, again=True)
