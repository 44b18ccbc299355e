"""What a timeline draws."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from services.api.bodies import data_router
from services.api.callers import Ports, Viewer
from services.api.parameters import Text
from services.api.ports import ApiPorts
from shared.domain.access import Caller
from shared.domain.errors import BadInput
from shared.domain.retention import DAY_MS
from shared.domain.timeline import CameraTimeline
from shared.domain.timing import to_ms
from shared.wire import api as schemas
from shared.wire.moments import Moment

MOST_DAYS = 31

router = data_router("timeline")


@router.get("/timeline")
def timeline(
    ports: Ports,
    caller: Viewer,
    from_: Annotated[Moment, Query(alias="from")],
    to: Moment,
    camera_id: Annotated[list[Text] | None, Query(max_length=100)] = None,
) -> schemas.Timeline:
    """Returns segments, passes and gaps that meet a time of at most 31 days, in columns, for each
    camera that the caller sees; `camera_id`, once or more often, leaves only these.

    At most 10,000 segments, 50,000 passes and 10,000 gaps; of more, the newest.
    """
    first_ms, last_ms = to_ms(from_), to_ms(to)
    if not 0 < last_ms - first_ms <= MOST_DAYS * DAY_MS:
        raise BadInput("to", f"must be after from, and at most {MOST_DAYS} days after it")
    cameras = _asked(caller, camera_id)
    found = ports.timeline.timeline(first_ms, last_ms, cameras)
    ports.looks.listed(caller, "timeline", {"from": from_, "to": to, "camera_id": camera_id})
    rows = dict.fromkeys(_configured(ports, caller, cameras)) | found.cameras
    return schemas.Timeline.model_validate(
        {
            "from": from_,
            "to": to,
            "complete": found.complete,
            "cameras": [
                row or CameraTimeline(camera_id=each) for each, row in sorted(rows.items())
            ],
        }
    )


def _asked(caller: Caller, cameras: list[str] | None) -> list[str] | None:
    """Returns the cameras that are asked for and that the caller sees; None for all."""
    if not cameras:
        return caller.scope
    return [each for each in dict.fromkeys(cameras) if caller.sees(each)]


def _configured(ports: ApiPorts, caller: Caller, cameras: list[str] | None) -> list[str]:
    """Returns which of these have a row even where there is nothing to draw."""
    known = [each for each in ports.settings.cameras if caller.sees(each)]
    return [each for each in known if cameras is None or each in cameras]
