"""Where cameras are kept that are in no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from shared.domain.json_object import JsonObject
from shared.domain.made_cameras import CameraClips, MadeCamera


class MadeCameraRows(Protocol):
    """Cameras that were made through the API. Whoever changes one has a line in the access log,
    which names the settings and none of their values.
    """

    def all(self) -> dict[str, MadeCamera]:
        """Returns them by id."""

    def put(self, camera_id: str, settings: JsonObject, who: str) -> bool:
        """Make a camera, or replace its settings. Returns whether it is new."""

    def remove(self, camera_id: str, who: str, clips: str) -> bool:
        """Remove a camera. Returns whether there was one. clips: what becomes of them, for the
        access log.
        """

    def archive_clips(self, camera_id: str, who: str, limit: int) -> CameraClips:
        """Mark clips of a camera for deletion, the oldest first, at most so many."""


class MadeCamerasTold(Protocol):
    """What is told of them to processes without a database."""

    def tell_made(self, read: Callable[[], Mapping[str, MadeCamera]]) -> None:
        """Say which there are. read: returns them as they are now; what is told never becomes
        older, however many tell it.
        """

    def made(self) -> dict[str, MadeCamera] | None:
        """Returns what was told last; None where nothing was told since the server began."""
