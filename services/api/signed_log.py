"""The access log as a signed file, read page by page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from hashlib import sha256
from typing import Any

from fastapi import Request
from fastapi.responses import StreamingResponse

from services.api.ports import ApiPorts
from shared.domain.access import AccessEntry, AccessFilter, Caller
from shared.domain.timing import from_ms
from shared.wire.signed_lines import Seal

CSV, NDJSON, JSON = "text/csv", "application/x-ndjson", "application/json"
AT_ONCE = 1000
COLUMNS = ("id", "at", "who", "action", "segment_id", "purpose", "case", "details")
_TEXT = {"schema": {"type": "string"}}
SIGNED_ANSWER: dict[int | str, dict[str, Any]] = {200: {"content": {CSV: _TEXT, NDJSON: _TEXT}}}
_SUFFIX = {CSV: "csv", NDJSON: "ndjson"}
# A spreadsheet takes such a text for a formula, unless an apostrophe goes before it.
_FORMULA = ("=", "+", "-", "@")


def wanted_form(request: Request) -> str | None:
    """Returns CSV or NDJSON where a request asks for one of them, and not for JSON before it."""
    asked = request.headers.get("accept", "").split(",")
    kinds = [each.partition(";")[0].strip() for each in asked]
    found = next((each for each in kinds if each in {CSV, NDJSON, JSON}), JSON)
    return None if found == JSON else found


def signed_answer(
    ports: ApiPorts, caller: Caller, where: AccessFilter, form: str
) -> StreamingResponse:
    """Returns every line that matches, newest first, and a last one that signs them."""
    first = ports.access.log(where, None, AT_ONCE)
    headers = {
        "Content-Disposition": f'attachment; filename="access-log.{_SUFFIX[form]}"',
        "Cache-Control": "no-store",
    }
    lines = _sealed(ports, caller, where, first, csv_form=form == CSV)
    return StreamingResponse(lines, 200, headers, f"{form}; charset=utf-8")


def _sealed(
    ports: ApiPorts,
    caller: Caller,
    where: AccessFilter,
    page: list[AccessEntry],
    *,
    csv_form: bool,
) -> Iterator[bytes]:
    digest, count = sha256(), 0
    made_at = from_ms(ports.clock.now_ms()).isoformat()
    written = _csv_rows([COLUMNS]) if csv_form else b""
    while True:
        count += len(page)
        written += _csv_rows(map(_row, page)) if csv_form else b"".join(map(_json_line, page))
        digest.update(written)
        yield written
        written = b""
        if len(page) < AT_ONCE:
            break
        page = ports.access.log(where, page[-1].id, AT_ONCE)
    asked = {name: str(value) for name, value in asdict(where).items() if value is not None}
    seal = Seal(
        deployment=str(ports.deployment_id),
        made_at=made_at,
        made_by=caller.name,
        asked=asked,
        lines=count,
        sha256=digest.hexdigest(),
        public_key=ports.signer.public_key,
    )
    yield seal.line(ports.signer.sign(seal.encode()), csv=csv_form).encode()


def _csv_rows(rows: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def _row(entry: AccessEntry) -> Sequence[str]:
    return [_cell(getattr(entry, column)) for column in COLUMNS]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat()
    text = json.dumps(value) if isinstance(value, dict) else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _json_line(entry: AccessEntry) -> bytes:
    body = {column: getattr(entry, column) for column in COLUMNS}
    plain = {
        **body,
        "at": entry.at.isoformat(),
        "segment_id": None if entry.segment_id is None else str(entry.segment_id),
    }
    return json.dumps(plain).encode() + b"\n"
