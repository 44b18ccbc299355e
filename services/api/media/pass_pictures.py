"""Pictures of passes: as they were stored, else taken now and stored for the next."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from services.api.media.object_file import RangedObject
from shared.domain.errors import NotFound, Permanent, PlatereelError
from shared.domain.found_passes import DetailedPass
from shared.domain.lifecycle import SegmentStatus
from shared.domain.picture_taking import from_buffer, from_clip, keep
from shared.domain.pictures import PictureKind, Taken, WantedPicture
from shared.domain.ports import FrameBuffer, ObjectStore, PictureRows, SegmentRows, Video
from shared.domain.timing import to_ms
from shared.runtime.logs import logger
from shared.wire.keys import picture_key, picture_keys

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassPictures:
    """Pictures of one API process."""

    rows: PictureRows
    segments: SegmentRows
    frames: FrameBuffer
    store: ObjectStore
    video: Callable[[], Video]

    def of(self, found: DetailedPass, kind: PictureKind) -> bytes:
        """Returns a picture as JPEG. Raises NotFound where there is none and none can be taken."""
        own = self.rows.own_of(found.id)
        if own is not None and kind in own.kinds:
            with suppress(NotFound):  # it was lost; what we take ourselves is left
                return self.store.get(picture_key(own.path, kind))
        wanted = self.rows.wanted_of(found.id)
        taken = None if wanted is None else self._taken(found, wanted)
        if taken is not None:
            self._keep(taken)
            picture = taken.of(kind)
            if picture is not None:
                return picture
        stored = self.rows.stored_of(found.id)
        if stored is None or kind not in stored.kinds:
            raise NotFound(f"pass {found.id} has no picture of the {kind}")
        return self.store.get(picture_key(stored.path, kind))

    def _taken(self, found: DetailedPass, wanted: WantedPicture) -> Taken | None:
        """From the buffer, else from a clip that shows the read; a clip that cannot be read now
        leaves the picture for the next.
        """
        taken = from_buffer(wanted, self.frames, self.video())
        if taken is not None:
            return taken
        for segment in found.segments:
            if segment.status is not SegmentStatus.READY:
                continue
            row = self.segments.row(segment.segment_id)
            if row.first_frame_at is None or row.file_size_bytes is None or row.end_time is None:
                continue
            first_ms = to_ms(row.first_frame_at)
            if not first_ms <= wanted.captured_ms <= to_ms(row.end_time):
                continue
            source = RangedObject(self.store, row.file_path, row.file_size_bytes)
            try:
                return from_clip(wanted, cast("BinaryIO", source), first_ms, self.video())
            except Permanent as error:
                _log.warning("picture_not_taken", key=row.file_path, error=error.message)
        return None

    def _keep(self, taken: Taken) -> None:
        try:
            keep(
                taken,
                self.store,
                self.rows,
                *picture_keys(taken.wanted.pass_id, taken.wanted.captured_ms),
            )
        except PlatereelError as error:
            _log.warning("picture_not_stored", error=error.message)
