"""Events as they happen."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query, Request
from fastapi.responses import StreamingResponse

from services.api.bodies import data_router
from services.api.callers import Ports, Viewer
from services.api.media.streams import Endless, Permit, events

router = data_router("events")
Place = Annotated[str, Query(pattern=r"^\d{1,15}-\d{1,10}$")]


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}}},
)
def listen(
    ports: Ports,
    caller: Viewer,
    request: Request,
    after: Place | None = None,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,15}-\d{1,10}$")] = None,
) -> StreamingResponse:
    """Server-sent events: segment.recording, .finalizing, .ready, .failed, .deleted and
    camera.changed.

    A browser that was interrupted goes on where it was (Last-Event-ID); `after` begins at an
    event's id.
    """
    permit = Permit(caller, request.state.look_again, ports.clock)
    body = events(ports.feed, ports.watch, ports.bell, last_event_id or after, permit)
    return Endless(
        body=body,
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},
        viewers=ports.viewers,
        permit=permit,
    )
