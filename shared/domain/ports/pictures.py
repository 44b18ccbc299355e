"""Pictures of passes, as writers take them and people see them."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.domain.pictures import StoredPictures, Taken, WantedPicture

# A camera, and an id of its detections.
DetectionKey = tuple[str, str]


class PictureRows(Protocol):
    """What the rows of passes, and of detections, say of their pictures."""

    def wanted(self, camera_id: str, start_ms: int, end_ms: int) -> list[WantedPicture]:
        """Returns the best reads of a stretch of time whose pictures are not stored."""

    def wanted_of(self, pass_id: UUID) -> WantedPicture | None:
        """Returns the best read of a pass, None where its pictures are stored."""

    def stored_of(self, pass_id: UUID) -> StoredPictures | None:
        """Returns which pictures of a pass are stored, None where there are none."""

    def own_of(self, pass_id: UUID) -> StoredPictures | None:
        """Returns which pictures the detector of a pass's best read has sent itself, None where
        there are none.
        """

    def note(self, taken: Taken, path: str) -> bool:
        """Note that pictures are stored. Returns False where the pass is gone."""

    def old(self, before: datetime, limit: int) -> list[tuple[UUID, str]]:
        """Returns passes with pictures from before a time, oldest first: id, and path."""

    def forget(self, pass_ids: list[UUID]) -> None:
        """Note that the pictures of these passes are deleted."""

    def left(self, limit: int) -> list[str]:
        """Returns paths of pictures that are no pass's any more."""

    def leave(self, path: str) -> None:
        """Note pictures that perhaps no pass has: they are deleted unless one has them."""

    def forget_left(self, paths: list[str]) -> None:
        """Note that these are deleted."""

    def old_own(self, before: datetime, limit: int) -> list[tuple[DetectionKey, str]]:
        """Returns detections with their detector's pictures from before a time, oldest first: what
        names the row, and path.
        """

    def forget_own(self, detections: list[DetectionKey]) -> None:
        """Note that the pictures of these detections are deleted."""
