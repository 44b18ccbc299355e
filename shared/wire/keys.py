"""The whole key space.

Frames Redis (`{...}` is the cluster hash tag, literal: all keys of a camera live on one slot)
    PREFIX:frames:{CAMERA}   stream, entry `<capture ms>-0`: j JPEG, s counter, r run id
    PREFIX:packets:{CAMERA}  of a copied camera: p packet, k keyframe, pts, dts (ms), x sets, s, r
    PREFIX:holds:{CAMERA}    sorted set, member segment or detection id, score ms
    PREFIX:parked:{CAMERA}   hash, part id -> packets that wait while storage refuses
    PREFIX:lease:{CAMERA}    string, the owning capture process, PX
    PREFIX:camera:{CAMERA}   hash, what capture reports
    PREFIX:looked_at:{CAMERA} string, PX: somebody wants pictures of a copied camera
    PREFIX:captures          sorted set, capture processes by the server's time of their last sign
Broker Redis
    detections               stream (consumer group `dispatch`) and Pub/Sub channel
    detections:rejected      stream, dead letters
    PREFIX:heard:HASH        string, PX 1000: a Pub/Sub message that was forwarded
    PREFIX:events            stream, outgoing events
Storage
    videos/YYYY-MM-DD/{segment id}_{epoch second of start}.mp4
    thumbnails/ and strips/                                        likewise, .jpg
    pictures/YYYY-MM-DD/{pass id}-plate.jpg, -scene.jpg            of a pass's best read
    pictures/YYYY-MM-DD/d-{hash}-plate.jpg, -scene.jpg             a detector's own, of a detection
    parts/{segment id}/{number}-{run token}.{codec}                .platereel: the sentinel
    backups/{deployment id}/YYYY-MM-DDTHHMMSSZ-{schema}.zip        copies of the database
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from uuid import UUID

from shared.domain.backup import StoredBackup
from shared.domain.pictures import PictureKind
from shared.domain.timing import from_ms, to_ms

SENTINEL = ".platereel"
BACKUPS = "backups/"
GROUP = "dispatch"
_BACKUP = re.compile(
    rf"{BACKUPS}([0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})/"
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{6})Z-([0-9]{4})\.zip"
)
_OF_CLIP = re.compile(
    r"(?:videos|thumbnails|strips)/[0-9-]{10}/[0-9a-f-]{36}_([0-9]{1,12})\.[a-z0-9]+"
)


@dataclass(frozen=True, slots=True)
class Keys:
    """Names of Redis keys under one prefix."""

    prefix: str = "platereel"
    detections: str = "detections"

    def frames(self, camera_id: str) -> str:
        """The camera's frame stream."""
        return f"{self.prefix}:frames:{{{camera_id}}}"

    def packets(self, camera_id: str) -> str:
        """The stream of a copied camera's own packets."""
        return f"{self.prefix}:packets:{{{camera_id}}}"

    def holds(self, camera_id: str) -> str:
        """The camera's holds."""
        return f"{self.prefix}:holds:{{{camera_id}}}"

    def parked(self, camera_id: str) -> str:
        """The camera's encoded parts that wait for storage."""
        return f"{self.prefix}:parked:{{{camera_id}}}"

    def lease(self, camera_id: str) -> str:
        """The camera's capture lease."""
        return f"{self.prefix}:lease:{{{camera_id}}}"

    def camera(self, camera_id: str) -> str:
        """The camera's state."""
        return f"{self.prefix}:camera:{{{camera_id}}}"

    def looked_at(self, camera_id: str) -> str:
        """The mark of a camera that somebody wants pictures of."""
        return f"{self.prefix}:looked_at:{{{camera_id}}}"

    @property
    def made_cameras(self) -> str:
        """Cameras that were made through the API."""
        return f"{self.prefix}:made_cameras"

    @property
    def captures(self) -> str:
        """Living capture processes."""
        return f"{self.prefix}:captures"

    @property
    def rejected(self) -> str:
        """Dead letters."""
        return f"{self.detections}:rejected"

    @property
    def events(self) -> str:
        """Outgoing events."""
        return f"{self.prefix}:events"

    def heard(self, digest: str) -> str:
        """The mark of a forwarded Pub/Sub message."""
        return f"{self.prefix}:heard:{digest}"


def video_key(segment_id: UUID, start_ms: int) -> str:
    """Returns where a segment's MP4 is stored."""
    return f"videos/{from_ms(start_ms):%Y-%m-%d}/{segment_id}_{start_ms // 1000}.mp4"


def thumbnail_key(segment_id: UUID, start_ms: int) -> str:
    """Returns where its picture is stored."""
    return f"thumbnails/{from_ms(start_ms):%Y-%m-%d}/{segment_id}_{start_ms // 1000}.jpg"


def strip_key(segment_id: UUID, start_ms: int) -> str:
    """Returns where its strip is stored."""
    return f"strips/{from_ms(start_ms):%Y-%m-%d}/{segment_id}_{start_ms // 1000}.jpg"


def picture_path(pass_id: UUID, captured_ms: int) -> str:
    """Returns what the keys of a pass's pictures begin with, by the day of the read."""
    return f"pictures/{from_ms(captured_ms):%Y-%m-%d}/{pass_id}"


def own_picture_path(camera_id: str, detection_id: str, captured_ms: int) -> str:
    """Returns what the keys of a detector's own pictures begin with."""
    name = sha256(f"{camera_id} {detection_id}".encode()).hexdigest()[:32]
    return f"pictures/{from_ms(captured_ms):%Y-%m-%d}/d-{name}"


def picture_keys(pass_id: UUID, captured_ms: int) -> tuple[str, Callable[[PictureKind], str]]:
    """Returns what the keys of a pass's pictures begin with, and what gives the key of each."""
    path = picture_path(pass_id, captured_ms)
    return path, partial(picture_key, path)


def picture_key(path: str, kind: PictureKind) -> str:
    """Returns where a picture of a pass is stored."""
    return f"{path}-{kind}.jpg"


def backups_prefix(deployment: UUID) -> str:
    """Returns the folder of a deployment's backups."""
    return f"{BACKUPS}{deployment}/"


def backup_name(made_ms: int, schema: str) -> str:
    """Returns the file name of a backup."""
    return f"{from_ms(made_ms):%Y-%m-%dT%H%M%SZ}-{schema}.zip"


def parse_backup(key: str, size_bytes: int) -> StoredBackup | None:
    """Returns the backup that a key names; None for any other key."""
    found = _BACKUP.fullmatch(key)
    if found is None:
        return None
    try:
        made = datetime.strptime(found[2], "%Y-%m-%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return StoredBackup(
        key=key,
        deployment=UUID(found[1]),
        made_ms=to_ms(made),
        schema=found[3],
        size_bytes=size_bytes,
    )


def clip_start_ms(key: str) -> int | None:
    """Returns when the clip began that an object is of (the MP4, its thumbnail or its strip), as
    its key says, to the second; None for another key.
    """
    found = _OF_CLIP.fullmatch(key)
    return None if found is None else int(found[1]) * 1000


def parts_prefix(segment_id: UUID) -> str:
    """Returns the folder of a segment's parts."""
    return f"parts/{segment_id}/"


def part_key(segment_id: UUID, number: int, token: str, suffix: str) -> str:
    """Returns where one run of one part is stored.

    The run's token keeps two runs from overwriting each other.
    """
    return f"parts/{segment_id}/{number:05d}-{token}.{suffix}"
