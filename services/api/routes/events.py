"""What happens, as it happens."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from services.api.access import Ports, Viewer
from services.api.live import events

router = APIRouter(prefix="/v2/video", tags=["events"])
Place = Annotated[str, Query(pattern=r"^\d{1,15}-\d{1,10}$")]


@router.get("/events", response_class=StreamingResponse, responses={200: {"content": {"text/event-stream": {}}}})
def listen(
    ports: Ports,
    caller: Viewer,
    after: Place | None = None,
    last_event_id: Annotated[str | None, Header(pattern=r"^\d{1,15}-\d{1,10}$")] = None,
) -> StreamingResponse:
    """Server-sent events: segment.recording, .finalizing, .ready, .failed, .deleted and camera.changed.

    A browser that was interrupted goes on where it was (Last-Event-ID); `after` begins at an event's id.
    """
    ports.viewers.check()
    body = events(ports.feed, ports.watch, caller, last_event_id or after, ports.viewers, ports.clock)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(body, media_type="text/event-stream", headers=headers)
