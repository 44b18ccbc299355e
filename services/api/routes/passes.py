"""Passes: finding them, and saying what is right."""

from __future__ import annotations

from datetime import time
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request, Response

from services.api.bodies import data_router
from services.api.callers import Operator, Ports, Viewer, require_lists
from services.api.csv_lists import CSV_ANSWER, csv_answer, wants_csv
from services.api.parameters import (
    ATTRIBUTES,
    Confidence,
    Cursor,
    Limit,
    Plate,
    Seconds,
    Text,
    TimeOfDay,
    TimeZone,
    attributes_of,
    zone_named,
)
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.errors import NotFound
from shared.domain.events import OF_LISTS
from shared.domain.found_passes import DetailedPass, FoundPass, Listed, Review
from shared.domain.pictures import PictureKind
from shared.domain.plate_lists import ListKind
from shared.domain.ports import PassFilter, ReadOrder
from shared.wire import api as schemas
from shared.wire.moments import Moment, ms_of

PASS_COLUMNS = (
    "id", "camera_id", "first_at", "last_at", "dwell_seconds", "plate", "read_plate", "confidence", "reads", "recorded",
    "review", "note", "attributes",
)  # fmt: skip
LIST_FIELDS = (OF_LISTS - {"list"}) | {"list_name"}
MOST_DAYS = 1_000

_PICTURE: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}
router = data_router("passes")


@router.get(
    "/passes",
    responses=CSV_ANSWER,
    openapi_extra=ATTRIBUTES,
    response_model=schemas.PassPage,
)
def list_passes(
    ports: Ports,
    caller: Viewer,
    request: Request,
    limit: Limit = 20,
    cursor: Cursor | None = None,
    camera_id: Text | None = None,
    plate: Plate | None = None,
    fuzzy: bool = False,
    from_: Annotated[Moment | None, Query(alias="from")] = None,
    to: Moment | None = None,
    day_from: TimeOfDay | None = None,
    day_to: TimeOfDay | None = None,
    time_zone: TimeZone = "UTC",
    min_confidence: Confidence | None = None,
    min_dwell: Seconds | None = None,
    max_dwell: Seconds | None = None,
    recorded: bool | None = None,
    hit: bool | None = None,
    acknowledged: bool | None = None,
    on_list: Annotated[Text | None, Query(alias="list", max_length=64)] = None,
    review: Review | None = None,
    sort: ReadOrder | None = None,
) -> Any:
    """List passes, newest first; as CSV (all that match) with `Accept: text/csv`.

    `plate` takes * and ?; with `fuzzy`, nearly equal plates are found too, the closest first. It
    finds what was read and what a person corrected. `from` and `to` select passes that began in
    that time, `day_from` and `day_to` the time of day in `tz`. Dwell is in seconds, of passes that
    have ended. `hit`: a plate on a watch list was read; `acknowledged`: whether somebody has seen
    its hits; `list` (for those with the right to the lists): it is on this list.
    """
    if on_list is not None:
        require_lists(caller)
    where = PassFilter(
        camera_id=camera_id,
        cameras=caller.scope,
        plate=plate,
        fuzzy=fuzzy,
        from_ms=ms_of(from_),
        to_ms=ms_of(to),
        day_from=None if day_from is None else time.fromisoformat(day_from),
        day_to=None if day_to is None else time.fromisoformat(day_to),
        zone=zone_named(time_zone).key,
        min_confidence=min_confidence,
        min_dwell_s=min_dwell,
        max_dwell_s=max_dwell,
        recorded=recorded,
        hit=hit,
        acknowledged=acknowledged,
        list_name=on_list,
        review=review,
        attributes=attributes_of(request),
    )
    if wants_csv(request):
        ports.looks.require_purpose()
    ports.looks.listed(caller, "passes", dict(request.query_params) | {"cursor": None})
    read = partial(
        _passes, ports, where, sort or (ReadOrder.NEAREST if fuzzy else ReadOrder.NEWEST)
    )
    if wants_csv(request):
        return csv_answer("passes", PASS_COLUMNS, partial(read, plain=True))
    return _page(ports, caller, read(limit, cursor))


def _passes(
    ports: ApiPorts,
    where: PassFilter,
    order: ReadOrder,
    limit: int,
    cursor: str | None,
    *,
    plain: bool = False,
) -> Listed[FoundPass]:
    return ports.passes.search(where, limit, cursor, order, plain=plain)


def _page(ports: ApiPorts, caller: Caller, page: Listed[FoundPass]) -> schemas.PassPage:
    lists: dict[UUID, list[str]] | None = None
    if caller.keeps_lists:
        lists = ports.passes.lists_of([each.id for each in page.items])
    return schemas.PassPage.model_validate(
        {
            "items": [
                vars(each)
                | {
                    "dwell_seconds": each.dwell_seconds,
                    "lists": None if lists is None else lists.get(each.id, []),
                }
                for each in page.items
            ],
            "total": page.total,
            "more_than_total": page.more_than_total,
            "next_cursor": page.next_cursor,
        }
    )


@router.get("/passes/{pass_id}")
def show_pass(ports: Ports, caller: Viewer, pass_id: UUID) -> schemas.PassDetail:
    """Returns one pass with its reads, its segments, and what people said of it."""
    found = pass_of(ports, caller, pass_id)
    ports.looks.shown(caller, "pass", {"pass_id": str(found.id), "plate": found.plate})
    return _detail(ports, caller, found)


@router.patch("/passes/{pass_id}")
def review_pass(
    ports: Ports, caller: Operator, pass_id: UUID, body: schemas.PassReview
) -> schemas.PassDetail:
    """Confirm, correct or reject a pass, or take that back. What was read stays beside it."""
    ports.looks.require_purpose()
    pass_of(ports, caller, pass_id)
    found = ports.passes.review(pass_id, body.review, body.plate, body.note, caller.name)
    return _detail(ports, caller, found)


@router.post("/passes/{pass_id}/acknowledge")
def acknowledge(
    ports: Ports, caller: Operator, pass_id: UUID, body: schemas.Acknowledgement
) -> schemas.PassDetail:
    """Note that somebody has seen the hits of a pass; 409 for a pass that is no hit."""
    ports.looks.require_purpose()
    pass_of(ports, caller, pass_id)
    ports.passes.acknowledge(pass_id, body.note, caller.name)
    return _detail(ports, caller, ports.passes.get(pass_id))


def _detail(ports: ApiPorts, caller: Caller, found: DetailedPass) -> schemas.PassDetail:
    """Returns a pass as the caller may see it: without the right to the lists, that there was a
    hit, but not of which list.
    """
    told = [schemas.PassHit.model_validate(each) for each in ports.passes.hits(found.id)]
    if not caller.keeps_lists:
        told = [
            each.model_copy(update=dict.fromkeys(LIST_FIELDS))
            for each in told
            if each.kind is ListKind.WATCH
        ]
    return schemas.PassDetail.model_validate(
        vars(found) | {"hits": told, "dwell_seconds": found.dwell_seconds}
    )


@router.get("/passes/{pass_id}/plate.jpg", response_class=Response, responses=_PICTURE)
def plate_picture(ports: Ports, caller: Viewer, pass_id: UUID) -> Response:
    """Returns a picture of the plate, of the pass's best read; 404 where its detector did not say
    where the plate is, or nothing shows it any more.
    """
    return _picture(ports, caller, pass_id, PictureKind.PLATE)


@router.get("/passes/{pass_id}/scene.jpg", response_class=Response, responses=_PICTURE)
def scene_picture(ports: Ports, caller: Viewer, pass_id: UUID) -> Response:
    """Returns the whole frame of the pass's best read; 404 where nothing shows it any more."""
    return _picture(ports, caller, pass_id, PictureKind.SCENE)


def _picture(ports: ApiPorts, caller: Caller, pass_id: UUID, kind: PictureKind) -> Response:
    found = pass_of(ports, caller, pass_id)
    picture = ports.pass_pictures.of(found, kind)
    ports.looks.shown(caller, f"{kind} picture", {"pass_id": str(found.id), "plate": found.plate})
    return Response(
        picture, media_type="image/jpeg", headers={"Cache-Control": "private, no-cache"}
    )


@router.get("/plates/{plate}")
def plate_history(
    ports: Ports,
    caller: Viewer,
    plate: Annotated[str, Path(max_length=64, pattern=r"^[^\x00*?]*[^\x00*? ._/·•-][^\x00*?]*$")],
    time_zone: TimeZone = "UTC",
) -> schemas.PlateHistory:
    """Returns the passes of a plate: how many a day and camera, and the newest 100."""
    where = PassFilter(plate=plate, cameras=caller.scope)
    days = ports.passes.days_of_plate(plate, zone_named(time_zone).key, caller.scope, MOST_DAYS)
    page = ports.passes.search(where, 100, None, ReadOrder.NEWEST)
    ports.looks.listed(caller, "plates", {"plate": plate})
    return schemas.PlateHistory(
        plate=plate,
        days=[schemas.PlateDay.model_validate(each) for each in days],
        passes=_page(ports, caller, page),
    )


def pass_of(ports: ApiPorts, caller: Caller, pass_id: UUID) -> DetailedPass:
    """Returns a pass. One of another's cameras is as unknown as one that does not exist."""
    found = ports.passes.get(pass_id)
    if not caller.sees(found.camera_id):
        raise NotFound(f"there is no pass {pass_id}")
    return found
