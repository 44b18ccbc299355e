"""The cameras of a process as they are now: those of platereel.yaml, and those that were made
through the API. Nobody needs to start anything again.

A process looks now and then. What it finds replaces `settings.cameras`, which everybody in the
process asks; who keeps something of a camera by himself is told of the change
(docs/design/cameras-while-running.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock

from shared.domain.made_cameras import MadeCamera
from shared.runtime.configuration import ConfigurationError, load, made_camera
from shared.runtime.logs import logger
from shared.runtime.sections import CameraSettings
from shared.runtime.settings import Settings

LOOK_SECONDS = 2.0
FILE = "platereel.yaml"
Cameras = Mapping[str, CameraSettings]

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraChange:
    """Cameras that are new, that are set otherwise, and that are gone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def take_made(settings: Settings, made: Mapping[str, MadeCamera]) -> None:
    """Add the cameras that are in no file, for a command: one that cannot be used is left out."""
    for camera_id, each in made.items():
        if camera_id not in settings.cameras:
            with suppress(ConfigurationError):
                settings.cameras[camera_id] = made_camera(settings, camera_id, each.settings)


def no_made() -> dict[str, MadeCamera] | None:
    """Returns nothing: for a process that is told of no cameras but the file's."""
    return None


@dataclass(slots=True)
class LiveCameras:
    """Looks after the cameras of one process's settings; any thread may look.

    made: returns the cameras of the API, None where nobody can say now; whoever opens a database
    anew sets it. A camera that is in the file, too, is the file's.
    """

    settings: Settings
    made: Callable[[], Mapping[str, MadeCamera] | None] = no_made
    _of_file: dict[str, CameraSettings] = field(init=False)
    _made: dict[str, MadeCamera] = field(default_factory=dict)
    _stamp: tuple[int, int, int] | None = field(init=False)
    _seen: tuple[int, int, int] | None = None
    _refused: dict[str, str] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._of_file = dict(self.settings.cameras)
        self._stamp = self._stamp_now()

    def look(self) -> CameraChange | None:
        """Look once. Returns what has changed, None for nothing. Raises what `made` raises; the
        file was looked at then.
        """
        with self._lock:
            self._read_file()
            try:
                made = self.made()
                self._made = self._made if made is None else dict(made)
            finally:
                change = self._take()
            return change

    def origin(self, camera_id: str) -> MadeCamera | None:
        """Returns what is known of a camera that was made; None for one of the file."""
        return None if camera_id in self._of_file else self._made.get(camera_id)

    def in_file(self, camera_id: str) -> bool:
        """Returns whether a camera is the file's."""
        return camera_id in self._of_file

    def _stamp_now(self) -> tuple[int, int, int] | None:
        """Returns by what a change of the file is seen, of who may read it too; None without a
        file.
        """
        if self.settings.file is None:
            return None
        try:
            found = self.settings.file.stat()
        except OSError:
            return None
        return found.st_ctime_ns, found.st_size, found.st_ino

    def _read_file(self) -> None:
        """Take the cameras of a file that has changed. One that is wrong changes nothing, and is
        told once. One that lacks cameras may be half written: it counts when the next look finds
        it the same.
        """
        stamp = self._stamp_now()
        if stamp == self._stamp or stamp is None:
            return
        whole, self._seen = stamp == self._seen, stamp
        try:
            read = load(self.settings.file)
        except ConfigurationError as error:
            if whole:
                self._stamp = stamp
                _log.error("configuration_not_taken", problems=error.problems)
            return
        if not whole and self._of_file.keys() - read.cameras.keys():
            return
        self._stamp = stamp
        self._of_file = dict(read.cameras)
        others = [
            name
            for name in type(read).model_fields
            if name != "cameras" and getattr(read, name) != getattr(self.settings, name)
        ]
        if others:
            _log.warning("settings_need_a_restart", settings=others)

    def _take(self) -> CameraChange | None:
        before = self.settings.cameras
        now = {**self._valid(), **self._of_file}
        if now == before:
            return None
        change = CameraChange(
            added=tuple(each for each in now if each not in before),
            changed=tuple(each for each in now if each in before and now[each] != before[each]),
            removed=tuple(each for each in before if each not in now),
        )
        self.settings.cameras = now
        by = {
            camera_id: made.changed_by if (made := self.origin(camera_id)) is not None else FILE
            for camera_id in (*change.added, *change.changed)
        }
        _log.info(
            "cameras_changed",
            added=list(change.added),
            changed=list(change.changed),
            removed=list(change.removed),
            by=by,
        )
        return change

    def _valid(self) -> dict[str, CameraSettings]:
        """Returns the made cameras that can be used here; why one cannot is told once."""
        found: dict[str, CameraSettings] = {}
        refused: dict[str, str] = {}
        for camera_id, each in self._made.items():
            if camera_id in self._of_file:
                continue
            try:
                found[camera_id] = made_camera(self.settings, camera_id, each.settings)
            except ConfigurationError as error:
                refused[camera_id] = error.message
                if self._refused.get(camera_id) != error.message:
                    _log.error("camera_not_taken", camera_id=camera_id, problems=error.problems)
        self._refused = refused
        return found
