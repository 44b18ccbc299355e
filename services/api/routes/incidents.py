"""Incidents: what several cameras recorded of one moment, as evidence."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic import AfterValidator

from services.api.availability import clip_of
from services.api.bodies import data_router
from services.api.callers import Ports, Viewer, segment_of
from services.api.media.incident_exporting import export_incident
from services.api.parameters import TimeZone, zone_named
from services.api.routes.media import ZIP, evidence_ports
from shared.domain.purpose import checked
from shared.domain.segment import Clip
from shared.wire.incident_evidence import MOST_CLIPS, MOST_TITLE

_EXPORTED: dict[int | str, dict[str, Any]] = {200: {"content": {ZIP: {}}}}

router = data_router("media")


@router.get("/incident/export", response_class=StreamingResponse, responses=_EXPORTED)
def export(
    ports: Ports,
    caller: Viewer,
    segment_id: Annotated[list[UUID], Query(min_length=1, max_length=MOST_CLIPS)],
    title: Annotated[
        str | None,
        Query(max_length=MOST_TITLE),
        AfterValidator(lambda text: text and checked(text)),
    ] = None,
    time_zone: TimeZone = "UTC",
) -> Response:
    """Returns evidence of up to 16 clips as one zip: a folder for each, and one signature over all.

    `platereel verify` checks it. `tz` is the zone of the times in each viewer.html.
    """
    zone = zone_named(time_zone)
    clips = list[tuple[UUID, Clip]]()
    for each in dict.fromkeys(segment_id):
        clip = clip_of(segment_of(ports, caller, each))
        if isinstance(clip, Response):
            return clip
        clips.append((each, clip))
    ports.looks.require_purpose()
    made = export_incident(evidence_ports(ports), caller, clips, zone, title)
    headers = {
        "Content-Disposition": f'attachment; filename="{made.name}.zip"',
        "Cache-Control": "no-store",
    }
    return StreamingResponse(made.pieces, 200, headers, ZIP)
