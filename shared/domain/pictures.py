"""Pictures of passes: the plate, and the whole scene, of a pass's best read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from shared.domain.media import Box


class PictureKind(StrEnum):
    """What a picture of a pass shows."""

    PLATE = "plate"  # the plate alone; only where the detector said where it is
    SCENE = "scene"  # the whole frame


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPicture:
    """The best read of a pass whose pictures are not stored yet. bbox: of the plate, in pixels of
    the camera's frames. kinds: those that its detector did not send itself. before: the read whose
    pictures are stored now.
    """

    pass_id: UUID
    camera_id: str
    detection_id: str
    captured_ms: int
    bbox: Box | None
    kinds: frozenset[PictureKind] = frozenset(PictureKind)
    before: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPictures:
    """What is stored of a pass, or of a detection. path: what the keys begin with. kinds: which
    pictures there are.
    """

    path: str
    kinds: frozenset[PictureKind]


@dataclass(frozen=True, slots=True)
class Taken:
    """Pictures of a read, as JPEG; None where it is not wanted, and of a plate where the detector
    said no place, or a wrong one.
    """

    wanted: WantedPicture
    scene: bytes | None
    plate: bytes | None

    def of(self, kind: PictureKind) -> bytes | None:
        """Returns the picture of this kind."""
        return self.scene if kind is PictureKind.SCENE else self.plate
