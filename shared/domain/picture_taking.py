"""Takes the pictures of a pass: from the buffer while its footage is there, else from its clip."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

from shared.domain.errors import BadInput
from shared.domain.pictures import PictureKind, Taken, WantedPicture
from shared.domain.ports import FrameBuffer, ObjectStore, PictureRows, Video

# The picture is of the frame that the detector looked at; where that is gone, of the one before.
NEAR_MS = 1_000


def from_buffer(wanted: WantedPicture, frames: FrameBuffer, video: Video) -> Taken | None:
    """Returns pictures of the frame at the read's time, None where the buffer has none near."""
    scene: bytes | None = None
    for frame in frames.read(
        wanted.camera_id, wanted.captured_ms - NEAR_MS, wanted.captured_ms + 1
    ):
        scene = frame.data
    return None if scene is None else _of(wanted, scene, video)


def from_clip(wanted: WantedPicture, source: BinaryIO, first_frame_ms: int, video: Video) -> Taken:
    """Returns pictures of what a clip shows at the read's time. Raises Permanent where it does not
    decode. A clip that was scaled has its own size: then the plate's place is not known.
    """
    scene = video.still(source, wanted.captured_ms - first_frame_ms)
    return _of(wanted, scene, video)


def _of(wanted: WantedPicture, scene: bytes, video: Video) -> Taken:
    plate: bytes | None = None
    if wanted.bbox is not None and PictureKind.PLATE in wanted.kinds:
        with suppress(BadInput):  # the detector's box lies outside
            plate = video.crop(scene, wanted.bbox)
    return Taken(wanted, scene if PictureKind.SCENE in wanted.kinds else None, plate)


def keep(
    taken: Taken,
    store: ObjectStore,
    rows: PictureRows,
    path: str,
    key: Callable[[PictureKind], str],
) -> None:
    """Store pictures, then note them in the row of their pass. Raises Retryable.

    Where the pass is gone they are left to the next cleanup: the pass that it is part of now may
    have the same ones, from somebody who was faster.

    path: what their keys begin with. key: returns the key of one of them.
    """
    for kind in PictureKind:
        picture = taken.of(kind)
        if picture is not None:
            store.put(key(kind), picture, "image/jpeg")
    if not rows.note(taken, path):
        rows.leave(path)
