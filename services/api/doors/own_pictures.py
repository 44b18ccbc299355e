"""Pictures that a detector sends along: stored before its detection, whose row then names them.

A picture is worth less than its detection: whatever is wrong with it, the detection is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from services.api.ports import ApiPorts
from shared.domain.errors import PlatereelError
from shared.domain.media import Detection
from shared.domain.pictures import PictureKind, StoredPictures
from shared.domain.policy import Reads, Record
from shared.runtime.logs import logger
from shared.runtime.metrics import OWN_PICTURES, from_zero
from shared.wire.doors.understood import Pictures
from shared.wire.keys import own_picture_path, picture_key

MOST_BYTES = 4_000_000
_JPEG = b"\xff\xd8\xff"

_log = logger(__name__)
from_zero(OWN_PICTURES, ("stored", "refused", "lost"))


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that is not kept, and why."""

    kind: PictureKind
    reason: str


def stored_pictures(
    ports: ApiPorts, detection: Detection, pictures: Pictures
) -> tuple[StoredPictures | None, list[LeftOut]]:
    """Store the pictures of a detection that has no row yet. Returns what its row says of them, and
    what is not kept.

    Where only hits are kept, nobody knows yet whether this is one: then none is stored.
    """
    policy = ports.settings.policy(detection.camera_id)
    if policy.record is Record.HITS and policy.reads is not Reads.KEEP:
        return None, []
    if ports.detections.get(detection.camera_id, detection.detection_id) is not None:
        return None, []
    good, left_out = checked(pictures)
    path = own_picture_path(detection.camera_id, detection.detection_id, detection.captured_ms)
    kept: set[PictureKind] = set()
    for kind, data in good.items():
        try:
            ports.store.put(picture_key(path, kind), data, "image/jpeg")
        except PlatereelError as error:
            _log.warning(
                "own_picture_lost", detection_id=detection.detection_id, error=error.message
            )
            left_out.append(LeftOut(kind, "the store does not take it now"))
            OWN_PICTURES.labels("lost").inc()
        else:
            kept.add(kind)
            OWN_PICTURES.labels("stored").inc()
    return (StoredPictures(path=path, kinds=frozenset(kept)) if kept else None), left_out


def checked(pictures: Pictures) -> tuple[dict[PictureKind, bytes], list[LeftOut]]:
    """Returns those that can be kept, one of a kind, and why others cannot."""
    good: dict[PictureKind, bytes] = {}
    left_out = []
    for kind, data in pictures:
        reason = _refusal(data) or ("there is one already" if kind in good else None)
        if reason is None:
            good[kind] = data
        else:
            left_out.append(LeftOut(kind, reason))
            OWN_PICTURES.labels("refused").inc()
    return good, left_out


def _refusal(data: bytes) -> str | None:
    if not data.startswith(_JPEG):
        return "not a JPEG"
    if len(data) > MOST_BYTES:
        return f"{len(data)} bytes are over the limit of {MOST_BYTES}"
    return None
