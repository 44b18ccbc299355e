"""Builds what the commands themselves need of the world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.pacer import PostgresPacerRows
from shared.adapters.postgres.schema import require_version
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.client import redis_client
from shared.adapters.redis.detections import RedisDetections
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers
from shared.adapters.storage.opening import open_store
from shared.domain.camera import CameraState
from shared.domain.ports import ObjectStore
from shared.runtime.addresses import Addresses, addresses
from shared.runtime.settings import Settings
from shared.wire.keys import Keys
from workers.consistency.sentinel import claim_store

DRAIN_POLL_SECONDS = 0.1


def prepare(addresses: Addresses, clock: SystemClock) -> tuple[str | None, str]:
    """Bring the database to this version and claim the store; answers the schema version before and after."""
    versions = migrate(addresses.database)
    database = Database(addresses.database, max_size=1, name="platereel-prepare")
    database.open()
    try:
        store = open_store(addresses.storage, clock)
        store.prepare()
        claim_store(store, PostgresConsistencyRows(database))
    finally:
        database.close()
    return versions


def drain(settings: Settings, addresses: Addresses, clock: SystemClock, seconds: float) -> bool:
    """After capture has stopped: say so for every camera, and wait until open recordings are written. True if all are.

    The pacer closes the windows of cameras that are disconnected; what is not done in time goes on at the next start.
    """
    cameras = RedisCameras(frame_servers(addresses.frames), Keys(settings.redis_prefix, settings.detections_name))
    database = Database(addresses.database, max_size=1, name="platereel-drain")
    database.open()
    try:
        for camera_id in settings.cameras:
            cameras.report(camera_id, {"state": CameraState.DISCONNECTED, "outbox": 0, "error": "capture was stopped"})
        rows = PostgresPacerRows(database)
        until = clock.monotonic() + seconds
        while clock.monotonic() < until:
            if not rows.live():
                return True
            clock.sleep(DRAIN_POLL_SECONDS)
        return False
    finally:
        database.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the commands for clips use."""

    database: Database
    segments: PostgresSegmentRows
    access: PostgresAccessRows
    detections: PostgresDetectionRows
    stream: RedisDetections
    cameras: RedisCameras
    store: ObjectStore
    clock: SystemClock


@contextmanager
def desk(settings: Settings, *, any_schema: bool = False) -> Iterator[Desk]:
    """Clients for one command; raises Retryable where the schema is not this version's, unless any will do."""
    urls = addresses(settings)
    if not any_schema:
        require_version(urls.database)
    clock = SystemClock()
    database = Database(urls.database, max_size=1, name="platereel-cli")
    database.open()
    keys = Keys(settings.redis_prefix, settings.detections_name)
    stream = RedisDetections(redis_client(urls.broker, name="platereel-cli"), keys, "cli", clock)
    try:
        yield Desk(
            database=database,
            segments=PostgresSegmentRows(database),
            access=PostgresAccessRows(database),
            detections=PostgresDetectionRows(database),
            stream=stream,
            cameras=RedisCameras(frame_servers(urls.frames, name="platereel-cli"), keys),
            store=open_store(urls.storage, clock),
            clock=clock,
        )
    finally:
        database.close()


@contextmanager
def frame_buffer(settings: Settings) -> Iterator[RedisFrames]:
    """The cameras' buffers, for one command."""
    with frame_servers(addresses(settings).frames, name="platereel-cli") as servers:
        yield RedisFrames(servers, Keys(settings.redis_prefix, settings.detections_name))


def with_addresses(settings: Settings, urls: Addresses) -> Settings:
    """Settings that lead to a running deployment."""
    given = {
        "database_url": urls.database, "frames_url": urls.frames,
        "broker_url": urls.broker, "storage_url": urls.storage,
    }  # fmt: skip
    return settings.model_copy(update={name: SecretStr(url) for name, url in given.items()})


@dataclass(frozen=True, slots=True)
class WatchRow:
    """A camera, for a live view."""

    camera_id: str
    state: str
    fps: float
    frames: int
    dropped: int


def cameras_now(world: Desk, settings: Settings) -> list[WatchRow]:
    """What capture says of every camera."""
    rows = []
    for camera_id in settings.cameras:
        state = world.cameras.state(camera_id)
        rows.append(
            WatchRow(
                camera_id=camera_id,
                state=state.get("state", CameraState.UNKNOWN),
                fps=float(state.get("fps", 0)),
                frames=int(state.get("frames", 0)),
                dropped=int(state.get("dropped", 0)),
            )
        )
    return rows
