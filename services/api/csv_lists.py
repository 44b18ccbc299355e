"""Lists as CSV: all that match, read page by page, so that any number needs the memory of one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from shared.domain.found_passes import Listed
from shared.wire.plate_list_csv import FORMULA

CSV = "text/csv"
AT_ONCE = 2_000
CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {CSV: {"schema": {"type": "string"}}}}
}


def wants_csv(request: Request) -> bool:
    """Returns whether a request asks for CSV: it names it, and not JSON before it."""
    kinds = [
        each.partition(";")[0].strip() for each in request.headers.get("accept", "").split(",")
    ]
    return next((each for each in kinds if each in {CSV, "application/json"}), None) == CSV


def csv_answer(
    name: str, columns: Sequence[str], read: Callable[[int, str | None], Listed[Any]]
) -> StreamingResponse:
    """Returns everything that `read` (a limit and a cursor) lists, as a file of this name."""
    first = read(AT_ONCE, None)  # what is wrong with the request is told before anything is sent
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(
        _lines(columns, first, read), media_type=f"{CSV}; charset=utf-8", headers=headers
    )


def _lines(
    columns: Sequence[str], page: Listed[Any], read: Callable[[int, str | None], Listed[Any]]
) -> Iterator[str]:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    while True:
        for item in page.items:
            writer.writerow([_written(getattr(item, column)) for column in columns])
        yield out.getvalue()
        if page.next_cursor is None:
            return
        out.seek(0)
        out.truncate()
        page = read(AT_ONCE, page.next_cursor)


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict | list):
        return json.dumps(value)
    # A spreadsheet takes such a text for a formula, unless an apostrophe goes before it.
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
