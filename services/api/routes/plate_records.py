"""Everything that is kept of one plate: its export, and its erasure."""

from __future__ import annotations

from itertools import chain
from typing import Annotated, Any

from fastapi import Path, Response
from fastapi.responses import StreamingResponse

from services.api.bodies import data_router
from services.api.callers import Admin, Ports, require_all_cameras
from shared.domain.plate_erasure import erase
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from shared.wire.api.plate_records import erasure_answer
from shared.wire.plate_export import NDJSON, export_lines

_EXPORT: dict[int | str, dict[str, Any]] = {
    200: {"content": {NDJSON: {"schema": {"type": "string"}}}}
}
OnePlate = Annotated[str, Path(max_length=64, pattern=r"^[^\x00*?]*[^\x00*? ._/·•-][^\x00*?]*$")]

router = data_router("plates")


@router.get("/plates/{plate}/export", response_class=StreamingResponse, responses=_EXPORT)
def export_plate(ports: Ports, caller: Admin, plate: OnePlate) -> Response:
    """Returns everything that is kept of a plate, as lines of JSON: the lists that have it, its
    passes with reads, variants, reviews, hits and segments, and the lines of the access log that
    name it.
    """
    require_all_cameras(caller)
    ports.looks.exported_plate(caller, plate)
    lines = export_lines(plate, ports.records, ports.passes, from_ms(ports.clock.now_ms()))
    beginning = [next(lines), next(lines)]  # what is wrong is told before anything is sent
    headers = {
        "Content-Disposition": 'attachment; filename="plate.ndjson"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(chain(beginning, lines), 200, headers, NDJSON)


@router.post("/plates/{plate}/erase")
def erase_plate(
    ports: Ports, caller: Admin, plate: OnePlate, body: schemas.ErasureRequest
) -> schemas.PlateErasure:
    """Erase what is kept of a plate: its passes with their reads and pictures, clips that show no
    other plate, and its name in all other rows but entries of lists. 409, which names them, where
    clips show it that are protected or still being made: then nothing is erased. `dry_run` says
    what would go.
    """
    require_all_cameras(caller)
    ports.looks.require_purpose()
    if body.dry_run:
        ports.looks.listed(caller, "erasure", {"plate": plate})
    found = erase(plate, ports.records, ports.store, caller.name, dry_run=body.dry_run)
    return erasure_answer(found, dry_run=body.dry_run)
