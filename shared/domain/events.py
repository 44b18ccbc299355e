"""Events that leave the system: webhooks, the stream of events, and listeners of the API."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.domain.json_object import JsonObject


class EventName(StrEnum):
    """What an event tells."""

    SEGMENT_RECORDING = "segment.recording"  # a window was opened
    SEGMENT_FINALIZING = "segment.finalizing"  # a clip that was ready or failed is made again
    SEGMENT_READY = "segment.ready"  # a clip can be played
    SEGMENT_FAILED = "segment.failed"  # there is no clip; the body has the error
    SEGMENT_DELETED = "segment.deleted"  # a clip was marked for deletion
    RETENTION_STOPPED = "retention.stopped"  # a cleanup would have deleted far more than usual
    PLATE_READ = "plate.read"  # a pass has a plate, or another one than before
    PLATE_HIT = "plate.hit"  # a plate on a watch list was read
    PASS_CLOSED = "pass.closed"  # noqa: S105 - no password: a vehicle is gone from its camera
    CAMERA_DOWN = "camera.down"  # a camera has not delivered for a while; the body has the cause
    CAMERA_UP = "camera.up"  # a camera delivers again, or for the first time
    CAMERA_CHANGED = "camera.changed"  # a camera's state changed; for listeners of the API alone


# What the body of `plate.hit` says of a list; only those with the right to the lists hear it.
OF_LISTS = frozenset({"list", "entry", "distance", "name", "reason", "priority", "instructions"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """An event of the stream. `body` is empty for one that somebody else put there in another
    form.
    """

    entry_id: str
    name: str
    body: JsonObject
