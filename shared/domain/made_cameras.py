"""Cameras that were made through the API, and what becomes of the clips of one that goes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.json_object import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeCamera:
    """A camera that is in no file. settings: as an entry of the file's `cameras`, secrets too: it
    is never shown.
    """

    camera_id: str
    settings: JsonObject
    changed_by: str
    changed_at: datetime


class LeftClips(StrEnum):
    """What becomes of the clips of a camera that is removed."""

    KEEP = "keep"  # they stay for as long as retention keeps clips of no camera's own rule
    DELETE = "delete"  # those that are not protected are deleted now


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraClips:
    """What is left of a removed camera: clips that were archived now, those that are protected, and
    those that are neither (not ready yet, or for the next round).
    """

    archived: int
    protected: int
    left: int
