"""Everything that is kept of a plate, as lines of JSON (NDJSON).

The first line says of which plate, the last one (`end`) how many lines of each kind there are: a
file without it is not whole.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.domain.errors import NotFound
from shared.domain.found_passes import DetailedPass
from shared.domain.pictures import PictureKind
from shared.domain.ports import DetectionFilter, PassRows, PlateRecordRows, ReadOrder
from shared.wire import api as schemas

AT_ONCE, LOG_LINES_AT_ONCE = 1_000, 50_000
NDJSON = "application/x-ndjson"
PREFIX = "/v2/video"
_OWN_LINES = {"detections", "hits"}


def export_lines(
    plate: str, records: PlateRecordRows, passes: PassRows, made_at: datetime
) -> Iterator[bytes]:
    """Yields the lines: lists, passes each with its reads, then the access log.

    Addresses of clips and pictures are those of the API, without its host.
    """
    counts: Counter[str] = Counter()
    yield _line("export", {"plate": plate, "made_at": made_at.isoformat()})
    for kind, body in _facts(plate, records, passes):
        counts[kind] += 1
        yield _line(kind, body)
    yield _line("end", dict(counts))


def _facts(
    plate: str, records: PlateRecordRows, passes: PassRows
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name in records.lists_with(plate):
        yield "list", {"name": name}
    for pass_id in records.passes_of(plate):
        with suppress(NotFound):  # it was deleted since
            yield "pass", _pass(passes, passes.get(pass_id))
            for read in _reads(passes, pass_id):
                yield "read", read
    place: int | None = 0
    while place is not None:
        lines, place = records.log_lines(plate, place, LOG_LINES_AT_ONCE)
        for each in lines:
            yield "look", schemas.AccessEntry.model_validate(each).model_dump(mode="json")


def _pass(passes: PassRows, found: DetailedPass) -> Mapping[str, Any]:
    """Returns a pass without its reads; of its hits, the lists' names and the times."""
    hits = [
        {"list": each.list_name, "kind": str(each.kind), "at": each.at.isoformat()}
        for each in passes.hits(found.id)
    ]
    told = vars(found) | {"hits": [], "dwell_seconds": found.dwell_seconds}
    body = schemas.PassDetail.model_validate(told).model_dump(mode="json", exclude=_OWN_LINES)
    for segment in body["segments"]:
        segment["download"] = f"{PREFIX}/segments/{segment['segment_id']}/download"
    pictures = [f"{PREFIX}/passes/{found.id}/{kind}.jpg" for kind in PictureKind]
    return body | {"hits": hits, "pictures": pictures}


def _reads(passes: PassRows, pass_id: UUID) -> Iterator[Mapping[str, Any]]:
    where, cursor = DetectionFilter(pass_id=pass_id), None
    while True:
        page = passes.detections(where, AT_ONCE, cursor, ReadOrder.OLDEST)
        for each in page.items:
            yield schemas.FoundDetection.model_validate(each).model_dump(mode="json")
        cursor = page.next_cursor
        if cursor is None:
            return


def _line(kind: str, body: Mapping[str, Any]) -> bytes:
    return json.dumps({"kind": kind} | dict(body)).encode() + b"\n"
