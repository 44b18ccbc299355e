"""Follows what changes of the cameras' settings, and tells processes without a database of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shared.domain.ports import MadeCameraRows, MadeCamerasTold
from shared.runtime.live_cameras import LiveCameras
from shared.runtime.sections import CameraSettings


@dataclass(frozen=True, slots=True)
class CameraSettingsFollower:
    """One dispatcher's look at the cameras' settings. Several tell the same.

    known: the cameras that this dispatcher began with.
    """

    live: LiveCameras
    rows: MadeCameraRows
    told: MadeCamerasTold
    known: Mapping[str, CameraSettings]

    def look(self) -> bool:
        """Look once. Returns whether this dispatcher must begin anew. Raises Retryable while the
        database or the frames Redis is away.
        """
        self.live.look()  # others look, too: what it returns may have been returned to them
        changed = self.live.settings.cameras != self.known
        if not changed:
            self.told.tell_made(self.rows.all)
        return changed

    def new(self) -> Collection[str]:
        """Returns the cameras that are new since this dispatcher began. Raises Retryable while the
        database is away.
        """
        self.live.look()
        return self.live.settings.cameras.keys() - self.known.keys()
