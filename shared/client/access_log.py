"""The access log, through the HTTP API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from shared.client.http import HttpApi, Progress, written
from shared.wire import api

_FORMS = {"csv": "text/csv", "ndjson": "application/x-ndjson"}


class AccessLogCalls(HttpApi):
    """The part of the client that reads who looked at what. It needs an admin's key."""

    def access_log(
        self,
        *,
        who: str | None = None,
        action: str | None = None,
        segment_id: UUID | str | None = None,
        purpose: str | None = None,
        case: str | None = None,
        plate: str | None = None,
        from_: datetime | None = None,
        to: datetime | None = None,
        limit: int = 100,
        before: int | None = None,
    ) -> api.AccessLog:
        """Returns lines, newest first; its `next_before` is the `before` of the next page."""
        query = {
            "who": who, "action": action, "segment_id": segment_id, "purpose": purpose, "case": case,
            "plate": plate, "from": from_, "to": to, "limit": limit, "before": before,
        }  # fmt: skip
        return self._read(api.AccessLog, "access-log", query)

    def every_access(self, **where: Any) -> Iterator[api.AccessEntry]:
        """Yields all lines that match, page by page. Takes what `access_log` takes."""
        page = self.access_log(**{"limit": 1000, **where})
        yield from page.items
        while page.next_before is not None:
            page = self.access_log(**{"limit": 1000, **where, "before": page.next_before})
            yield from page.items

    def export_access_log(
        self,
        path: Path,
        form: Literal["csv", "ndjson"] = "csv",
        progress: Progress = lambda *_: None,
        **where: Any,
    ) -> Path:
        """Fetch all lines that match as a signed file; `platereel verify` checks it."""
        given: Mapping[str, Any] = {
            name.rstrip("_"): written(value) for name, value in where.items() if value is not None
        }
        target = f"access-log?{urlencode(given)}" if given else "access-log"
        return self._fetch(target, path, progress, headers={"Accept": _FORMS[form]})
