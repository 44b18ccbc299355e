"""Builds what the commands themselves need of the world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import SecretStr

from services.api.media.clip_facts import EvidencePorts
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.invitations import PostgresInvitationRows
from shared.adapters.postgres.made_cameras import PostgresMadeCameraRows
from shared.adapters.postgres.migrate import migrate
from shared.adapters.postgres.pacer import PostgresPacerRows
from shared.adapters.postgres.passes import PostgresPassRows
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.adapters.postgres.plate_records import PostgresPlateRecordRows
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.detections import RedisDetections
from shared.adapters.signing import Ed25519Signer, seed_of
from shared.deployment import Deployment
from shared.domain.camera import CameraState
from shared.domain.ports import Clock, FrameBuffer, InvitationRows, ObjectStore, Video
from shared.domain.purpose import PurposeRule
from shared.runtime.addresses import Addresses
from shared.runtime.live_cameras import take_made
from shared.runtime.settings import Settings
from workers.consistency.sentinel import claim_store

NAME = "platereel-cli"
DRAIN_POLL_SECONDS = 0.1


def prepare(settings: Settings) -> tuple[str | None, str]:
    """Bring the database to this version and claim the store; answers the schema version before and
    after.
    """
    with Deployment(settings, "platereel-prepare", connections=1) as deployment:
        versions = migrate(deployment.urls.database)
        deployment.store.prepare()
        claim_store(deployment.store, PostgresConsistencyRows(deployment.database))
    return versions


def drain(settings: Settings, seconds: float) -> bool:
    """After capture has stopped: say so for every camera, and wait until open recordings are
    written. True if all are.

    The pacer closes the windows of cameras that are disconnected; what is not done in time goes on
    at the next start.
    """
    with Deployment(settings, "platereel-drain", connections=1) as deployment:
        clock, rows = deployment.clock, PostgresPacerRows(deployment.database)
        for camera_id in settings.cameras:
            deployment.cameras.report(
                camera_id, {"state": CameraState.DISCONNECTED, "outbox": 0, "error": "capture was stopped"}
            )  # fmt: skip
        until = clock.monotonic() + seconds
        while clock.monotonic() < until:
            if not rows.live():
                return True
            clock.sleep(DRAIN_POLL_SECONDS)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What the commands for clips use."""

    database: Database
    made: PostgresMadeCameraRows
    segments: PostgresSegmentRows
    passes: PostgresPassRows
    access: PostgresAccessRows
    lists: PostgresPlateListRows
    records: PostgresPlateRecordRows
    detections: PostgresDetectionRows
    stream: RedisDetections
    cameras: RedisCameras
    store: ObjectStore
    clock: Clock
    purpose_required: bool


@contextmanager
def desk(settings: Settings, *, any_schema: bool = False) -> Iterator[Desk]:
    """Clients for one command; raises Retryable where the schema is not this version's, unless any
    will do.
    """
    with Deployment(settings, NAME, connections=1) as deployment:
        if not any_schema:
            deployment.require_version()
        database = deployment.database
        made = PostgresMadeCameraRows(database)
        if not any_schema:
            take_made(settings, made.all())
        yield Desk(
            database=database,
            made=made,
            segments=PostgresSegmentRows(database),
            passes=PostgresPassRows(database),
            access=PostgresAccessRows(database),
            lists=PostgresPlateListRows(database),
            records=PostgresPlateRecordRows(database),
            detections=PostgresDetectionRows(database),
            stream=deployment.stream("cli"),
            cameras=deployment.cameras,
            store=deployment.store,
            clock=deployment.clock,
            purpose_required=settings.access.purpose is PurposeRule.REQUIRED,
        )


@contextmanager
def invitations(settings: Settings) -> Iterator[tuple[InvitationRows, Clock]]:
    """Invitations and the clock, for one command: it needs no server but the database."""
    with Deployment(settings, NAME, connections=1) as deployment:
        deployment.require_version()
        yield PostgresInvitationRows(deployment.database), deployment.clock


@contextmanager
def evidence_desk(settings: Settings) -> Iterator[EvidencePorts]:
    """What an archive of evidence is made of, for one command. It is signed with
    PLATEREEL_SIGNING_KEY where that is set here, else with the key in the database.
    """
    with Deployment(settings, NAME, connections=1) as deployment:
        deployment.require_version()
        database = deployment.database
        access, given = PostgresAccessRows(database), settings.signing_key
        seed = access.signing_seed() if given is None else seed_of(given.get_secret_value())
        yield EvidencePorts(
            segments=PostgresSegmentRows(database),
            passes=PostgresPassRows(database),
            lists=PostgresPlateListRows(database),
            access=access,
            states=deployment.cameras,
            store=deployment.store,
            signer=Ed25519Signer(seed),
            video=_video,
            clock=deployment.clock,
            settings=settings,
            deployment=str(PostgresConsistencyRows(database).deployment_id()),
            server_clocks=deployment.server_clocks,
        )


def _video() -> Video:
    from shared.adapters.video.av_video import AvVideo  # noqa: PLC0415 - two libraries of pictures

    return AvVideo()


@contextmanager
def frame_buffer(settings: Settings) -> Iterator[FrameBuffer]:
    """The cameras' buffers, for one command."""
    with Deployment(settings, NAME) as deployment:
        yield deployment.frames


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
    state: CameraState
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
                state=CameraState(state.get("state", CameraState.UNKNOWN)),
                fps=float(state.get("fps", 0)),
                frames=int(state.get("frames", 0)),
                dropped=int(state.get("dropped", 0)),
            )
        )
    return rows
