"""Builds the API's world."""

from __future__ import annotations

import os
from functools import cache

from fastapi import FastAPI

from services.api.app import create_app
from services.api.auth.attempts import Attempts
from services.api.auth.keys import key_ring
from services.api.looks import Looks
from services.api.media.streams import CameraWatch, Viewers
from services.api.ports import ApiPorts
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.retention import PostgresRetentionRows
from shared.adapters.postgres.schema import require_version
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.client import kinds, redis_client
from shared.adapters.redis.detections import RedisDetections
from shared.adapters.redis.events import RedisEventFeed
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers, ping
from shared.adapters.signing import Ed25519Signer, seed_of
from shared.adapters.storage.opening import open_store
from shared.domain.errors import PlatereelError
from shared.domain.ports import Tokens, Video
from shared.runtime.addresses import addresses
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.wire.keys import SENTINEL, Keys

PATIENCE_SECONDS = 1.2  # whoever asks for something whose server is away has a 503 within two seconds


def build(settings: Settings) -> FastAPI:
    """The application with real adapters; raises Retryable while the schema is not this version's."""
    urls = addresses(settings)
    require_version(urls.database)
    clock = SystemClock()
    names = Keys(settings.redis_prefix, settings.detections_name)
    database = Database(urls.database, max_size=8, name="platereel-api", patience_s=PATIENCE_SECONDS)
    database.open()
    access = PostgresAccessRows(database)
    secret = settings.api_keys
    try:
        given = None if secret is None else secret.get_secret_value()
        keys = key_ring(given, settings.api.host, access, _tokens(settings))
        signing = settings.signing_key
        seed = access.signing_seed() if signing is None else seed_of(signing.get_secret_value())
    except PlatereelError:
        database.close()
        raise
    frames_servers = frame_servers(urls.frames, name="platereel-api", patience_s=PATIENCE_SECONDS)
    broker = redis_client(urls.broker, name="platereel-api", patience_s=PATIENCE_SECONDS)
    store = open_store(urls.storage, clock, PATIENCE_SECONDS, settings.storage_public_url)
    states = RedisCameras(frames_servers, names)

    def ping_broker() -> None:
        with kinds("broker"):
            broker.ping()

    ports = ApiPorts(
        segments=PostgresSegmentRows(database),
        retention=PostgresRetentionRows(database),
        counters=PostgresCounterRows(database),
        detections=PostgresDetectionRows(database),
        stream=RedisDetections(broker, names, f"api-{os.getpid()}", clock),
        frames=RedisFrames(frames_servers, names),
        states=states,
        store=store,
        video=_video,
        jobs=PostgresJobRows(database),
        feed=RedisEventFeed(broker, names),
        clock=clock,
        settings=settings,
        access=access,
        keys=keys,
        attempts=Attempts(clock),
        signer=Ed25519Signer(seed),
        deployment_id=PostgresConsistencyRows(database).deployment_id(),
        watch=CameraWatch(states, list(settings.cameras), clock),
        viewers=Viewers(),
        looks=Looks(access, clock),
        checks={
            "database": lambda: database.fetch_one("SELECT 1"),
            "frames": lambda: ping(frames_servers),
            "broker": ping_broker,
            "storage": lambda: store.head(SENTINEL),
        },
    )
    return create_app(ports, database.close, pulse(settings.pulse_file, clock))


@cache
def _video() -> Video:
    from shared.adapters.video.av_video import AvVideo  # noqa: PLC0415 - two libraries of pictures

    return AvVideo()


def _tokens(settings: Settings) -> Tokens | None:
    jwt = settings.api.jwt
    if jwt is None:
        return None
    from shared.adapters.jwt_tokens import Claims, JwtTokens  # noqa: PLC0415 - only where tokens are wanted

    claims = Claims(
        issuer=jwt.issuer, audience=jwt.audience, name=jwt.name_claim, role=jwt.role_claim, cameras=jwt.cameras_claim
    )
    return JwtTokens(jwt.jwks_url, claims)
