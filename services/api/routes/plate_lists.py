"""Lists of plates: known ones, watched ones, and ones to ignore."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.api.bodies import DATA, data_router
from services.api.callers import ListKeeper, Ports
from services.api.parameters import Text
from services.api.ports import ApiPorts
from shared.domain.accepted_plates import accepted_plates
from shared.domain.access import Caller
from shared.domain.errors import BadInput
from shared.domain.plate_lists import ListKind, ListSettings
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from shared.wire.api.plate_lists import ONLY_IGNORED
from shared.wire.plate_list_csv import csv_of, entries_of, refusal, report_of, settings_of

CSV = "text/csv"
IMPORT = rf"{DATA}/lists/[^/]+/import"
SHOWN_PASSES = 100
_FILE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {CSV: {"schema": {"type": "string"}}}}
}

router = data_router("lists")


@router.get("/lists")
def show_lists(ports: Ports, caller: ListKeeper) -> schemas.PlateLists:
    """Returns all lists, with the number of their entries."""
    items = ports.lists.all()
    ports.looks.listed(caller, "lists", {})
    return schemas.PlateLists.model_validate({"items": items, "total": len(items)})


@router.post("/lists", status_code=201)
def create_list(ports: Ports, caller: ListKeeper, body: schemas.ListRequest) -> schemas.PlateList:
    """Make a list. Its name and kind stay."""
    return schemas.PlateList.model_validate(
        ports.lists.create(ListSettings(**dict(body)), caller.name)
    )


@router.post("/list-preview")
def preview(ports: Ports, caller: ListKeeper, body: schemas.PreviewRequest) -> schemas.Preview:
    """Returns what an entry would accept: examples, the lists that hold the plate already, and the
    recent passes that it would have matched. Changes nothing.
    """
    since = from_ms(ports.clock.now_ms()) - timedelta(days=body.days)
    seen = ports.lists.seen(body.plate, body.tolerance, since, SHOWN_PASSES)
    ports.looks.listed(caller, "preview", {"plate": body.plate, "tolerance": body.tolerance})
    return schemas.Preview.model_validate(
        {
            "accepted": accepted_plates(body.plate, body.tolerance),
            "lists": ports.lists.holding(body.plate),
            "items": seen.items,
            "total": seen.total,
        }
    )


@router.get("/lists/{name}")
def show_list(ports: Ports, caller: ListKeeper, name: str) -> schemas.PlateList:
    """Returns a list's settings and the number of its entries."""
    found = ports.lists.get(name)
    ports.looks.listed(caller, "lists", {"list": name})
    return schemas.PlateList.model_validate(found)


@router.patch("/lists/{name}")
def change_list(
    ports: Ports, caller: ListKeeper, name: str, body: schemas.ListPatch
) -> schemas.PlateList:
    """Change a list's settings. What is left out stays."""
    changes = body.model_dump(exclude_unset=True)
    if changes.get("reads", "kept") != "kept" and ports.lists.get(name).kind != ListKind.IGNORE:
        raise BadInput("reads", ONLY_IGNORED)
    return schemas.PlateList.model_validate(ports.lists.change(name, changes, caller.name))


@router.delete("/lists/{name}", status_code=204)
def delete_list(ports: Ports, caller: ListKeeper, name: str) -> None:
    """Delete a list with all its entries."""
    ports.lists.delete(name, caller.name)


@router.get("/lists/{name}/entries")
def show_entries(
    ports: Ports,
    caller: ListKeeper,
    name: str,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str | None, Query(max_length=400)] = None,
    plate: Text | None = None,
) -> schemas.EntryPage:
    """Returns entries by plate. `plate` takes * and ?, and ignores case, spaces and dashes."""
    page = ports.lists.entries(name, limit, cursor, plate)
    ports.looks.listed(caller, "entries", {"list": name, "plate": plate})
    return schemas.EntryPage.model_validate(page)


@router.post("/lists/{name}/entries", status_code=201)
def add_entry(
    ports: Ports, caller: ListKeeper, name: str, body: schemas.EntryRequest
) -> schemas.ListEntry:
    """Add a plate or a wildcard to a list."""
    return schemas.ListEntry.model_validate(ports.lists.add(name, settings_of(body), caller.name))


@router.patch("/lists/{name}/entries/{entry_id}")
def change_entry(
    ports: Ports, caller: ListKeeper, name: str, entry_id: UUID, body: schemas.EntryPatch
) -> schemas.ListEntry:
    """Change an entry. What is left out stays; another plate is another entry."""
    changes = body.model_dump(exclude_unset=True)
    return schemas.ListEntry.model_validate(
        ports.lists.change_entry(name, entry_id, changes, caller.name)
    )


@router.delete("/lists/{name}/entries/{entry_id}", status_code=204)
def remove_entry(ports: Ports, caller: ListKeeper, name: str, entry_id: UUID) -> None:
    """Take an entry off a list."""
    ports.lists.remove(name, entry_id, caller.name)


@router.post("/lists/{name}/import", openapi_extra=_FILE)
async def import_list(
    ports: Ports,
    caller: ListKeeper,
    name: str,
    request: Request,
    dry_run: bool = False,
    partial: bool = False,
) -> schemas.ImportReport:
    """Import a CSV file, whose first line names columns of an entry. Plates that the list has are
    changed, others are added; nothing is removed. A file with a wrong line is refused as a whole,
    with the lines' numbers; with `partial` its other lines are imported. `dry_run` changes nothing.
    """
    file = await request.body()
    return await run_in_threadpool(
        _imported, ports, caller, name, file, dry_run=dry_run, partial=partial
    )


def _imported(
    ports: ApiPorts, caller: Caller, name: str, file: bytes, *, dry_run: bool, partial: bool
) -> schemas.ImportReport:
    ports.lists.get(name)
    read = entries_of(file)
    if read.problems and not (partial or dry_run):
        raise refusal(read.problems)
    done = ports.lists.load(name, read.entries, caller.name, dry_run=dry_run)
    return report_of(read, done, dry_run=dry_run)


@router.get(
    "/lists/{name}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
def export_list(ports: Ports, caller: ListKeeper, name: str) -> Response:
    """Returns all entries as CSV, as `import` takes it."""
    entries = ports.lists.every_entry(name, caller.name)
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.csv"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(csv_of(entries), 200, headers, CSV)
