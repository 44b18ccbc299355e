"""Builds the workers' world: once per pool child, after the fork, never at import."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import metadata

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.backup import PostgresBackupRows
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.made_cameras import PostgresMadeCameraRows
from shared.adapters.postgres.pictures import PostgresPictureRows
from shared.adapters.postgres.retention import PostgresRetentionRows
from shared.adapters.postgres.writer import PostgresWriterRows
from shared.adapters.redis.client import kinds
from shared.adapters.video.av_video import AvVideo
from shared.deployment import Deployment
from shared.domain.errors import Permanent
from shared.domain.ports import MadeCameraRows
from shared.runtime.cores import idle_threads
from shared.runtime.live_cameras import LOOK_SECONDS, LiveCameras
from shared.runtime.pulse import pulse
from shared.runtime.sections import CameraSettings
from shared.runtime.settings import Settings
from shared.runtime.startup import tell_refusals
from workers.backup.ports import BackupPorts
from workers.consistency.ports import CheckPorts
from workers.process.overrun import end_task
from workers.retention.parts import PartsPorts
from workers.retention.ports import CleanupPorts
from workers.writer.ports import WriterPorts

CONNECTIONS, FETCHED_AT_ONCE = 3, 4
ASK_SECONDS = 1.0  # the event loop itself waits for this answer
# a quarter of a camera's byte budget may wait while storage refuses: minutes of recording
PARKED_SHARE = 4
_open = partial(Deployment, name="platereel-worker", connections=CONNECTIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everything a task may use, and what closes it."""

    writer: WriterPorts
    cleanup: CleanupPorts
    check: CheckPorts
    made: MadeCameraRows
    backup: BackupPorts
    close: Callable[[], None]


def build(settings: Settings) -> World:
    """Open the clients of one process."""
    deployment = _open(settings)
    with deployment.kept():
        return _world(deployment)


def _world(deployment: Deployment) -> World:
    settings, clock, database, store = (
        deployment.settings,
        deployment.clock,
        deployment.database,
        deployment.store,
    )
    wanted = settings.encoder_threads
    video = AvVideo(idle_threads if wanted == "auto" else lambda: wanted, patient=False)
    jobs, counters = PostgresJobRows(database), PostgresCounterRows(database)
    consistency, backups = PostgresConsistencyRows(database), PostgresBackupRows(database)
    return World(
        made=PostgresMadeCameraRows(database),
        writer=WriterPorts(
            frames=deployment.frames,
            packets=deployment.packets,
            parking=deployment.parking,
            parking_bytes=lambda camera_id: settings.limits(camera_id).max_bytes // PARKED_SHARE,
            store=store,
            rows=PostgresWriterRows(database),
            pictures=PostgresPictureRows(database),
            video=video,
            clock=clock,
            threads=ThreadPoolExecutor(FETCHED_AT_ONCE, thread_name_prefix="fetch"),
            states=deployment.cameras,
            stalled=end_task,
            work_dir=settings.work_dir,
        ),
        cleanup=CleanupPorts(
            rows=PostgresRetentionRows(database),
            pictures=PostgresPictureRows(database),
            counters=counters,
            store=store,
            jobs=jobs,
            clock=clock,
            policy=settings.retention_policy(),
            grace_s=settings.delete_grace_seconds,
            parts=PartsPorts(rows=consistency, store=store, kept_s=settings.parts_kept_seconds),
            period_s=settings.cleanup_seconds,
        ),
        check=CheckPorts(
            rows=consistency,
            counters=counters,
            store=store,
            video=video,
            jobs=jobs,
            clock=clock,
            age_floor_s=settings.check_age_floor_seconds,
            parts_kept_s=settings.parts_kept_seconds,
            work_dir=settings.work_dir,
            period_s=settings.check_seconds,
            restored=backups.restored,
        ),
        backup=BackupPorts(
            rows=backups,
            store=deployment.backup_store,
            jobs=jobs,
            clock=clock,
            keep=settings.backup.keep,
            hour=settings.backup.hour,
            version=metadata.version("platereel"),
            work_dir=settings.work_dir,
        ),
        close=deployment.close,
    )


def check_servers(settings: Settings) -> bool:
    """Returns True; raises Retryable while the database has another version, or the broker does not
    let us in.

    Raises Permanent for an address of the store or the frames Redis that no client takes: no task
    could use it. A store and a frames Redis that do not answer are reported and not waited for,
    because each task tries again by itself.
    """
    with _open(settings) as deployment:
        checks = deployment.checks()
        deployment.require_version()
        deployment.ping_broker()
        tell_refusals({name: checks[name] for name in ("frames", "storage")})
    return True


def check_schema(settings: Settings) -> None:
    """Raise Retryable while the database has another version: what needs no broker is not held up
    by it.
    """
    _open(settings).require_version()


def check_broker(settings: Settings) -> bool:
    """True; raises Retryable while the broker does not let us in: Celery would try again without
    end, and say less.
    """
    with _open(settings) as deployment:
        deployment.ping_broker()
    return True


def process_pulse(settings: Settings) -> Callable[[], None]:
    """The sign of life of a worker, or of beat."""
    return pulse(settings.pulse_file, SystemClock())


def queues_hold_work(settings: Settings, queues: Sequence[str]) -> Callable[[], bool]:
    """A call that asks the broker whether messages wait in these queues; raises Retryable while it
    does not answer.
    """
    broker = _open(settings, patience_s=ASK_SECONDS).broker

    def ask() -> bool:
        with kinds("broker"):
            return any(broker.llen(queue) for queue in queues)

    return ask


class OpenWorld:
    """The world of a pool child: opened after the fork, closed at its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._world: World | None = None
        self._clock = SystemClock()
        self._looked_at: float | None = None
        self._cameras = LiveCameras(settings)
        self._known: Mapping[str, CameraSettings] = {}

    def open(self) -> None:
        """Build this process's world. The first task asks for the cameras of the API."""
        self._world, self._looked_at = self._built(), None

    def close(self) -> None:
        """Close this process's world, if it is open."""
        if self._world is not None:
            self._world.close()
            self._world = None

    def __call__(self) -> World:
        """The world of this process. Raises Retryable while nobody can say which cameras there
        are: a cleanup that knows only those of the file would delete by the wrong days.
        """
        if self._world is None:
            raise Permanent("the worker's clients are not open in this process")
        now = self._clock.monotonic()
        if self._looked_at is None or now - self._looked_at >= LOOK_SECONDS:
            self._world = self._followed(self._world)
            self._looked_at = now
        return self._world

    def _followed(self, world: World) -> World:
        """Take what has changed of the cameras before a task begins. Returns the world that the
        task uses: the old one is closed when there is a new one.
        """
        self._cameras.look()
        if self._settings.cameras == self._known:
            return world
        new = self._built()
        world.close()
        return new

    def _built(self) -> World:
        """Builds a world for the cameras as they are now."""
        known = self._settings.cameras
        world = build(self._settings)
        self._known, self._cameras.made = known, world.made.all
        return world
