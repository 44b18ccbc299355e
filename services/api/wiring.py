"""Builds the API's world."""

from __future__ import annotations

import os
from functools import cache

from fastapi import FastAPI

from services.api.app import create_app
from services.api.auth.attempts import Attempts
from services.api.auth.keys import key_ring
from services.api.looks import Looks
from services.api.media.camera_pictures import CameraPictures
from services.api.media.copies import Copying
from services.api.media.event_bell import EventBell
from services.api.media.pass_pictures import PassPictures
from services.api.media.streams import CameraWatch, Viewers
from services.api.ports import ApiPorts
from shared.adapters.postgres.access import PostgresAccessRows
from shared.adapters.postgres.cameras import PostgresCameraNewsRows
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.health import PostgresHealthRows
from shared.adapters.postgres.invitations import PostgresInvitationRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.made_cameras import PostgresMadeCameraRows
from shared.adapters.postgres.passes import PostgresPassRows
from shared.adapters.postgres.pictures import PostgresPictureRows
from shared.adapters.postgres.plate_lists import PostgresPlateListRows
from shared.adapters.postgres.plate_records import PostgresPlateRecordRows
from shared.adapters.postgres.retention import PostgresRetentionRows
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.postgres.shares import PostgresShareRows
from shared.adapters.postgres.timeline import PostgresTimelineRows
from shared.adapters.signing import Ed25519Signer, seed_of
from shared.deployment import Deployment
from shared.domain.ports import Tokens, Video
from shared.domain.purpose import PurposeRule
from shared.runtime.live_cameras import LiveCameras
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings

CONNECTIONS = 8
# whoever asks for something whose server is away has a 503 within two seconds
PATIENCE_SECONDS = 1.2


def build(settings: Settings) -> FastAPI:
    """The application with real adapters; raises Retryable while the schema is not this
    version's.
    """
    deployment = Deployment(
        settings, "platereel-api", patience_s=PATIENCE_SECONDS, connections=CONNECTIONS, signs=True
    )  # fmt: skip
    with deployment.kept():
        deployment.require_version()
        return create_app(
            _ports(deployment), deployment.close, pulse(settings.pulse_file, deployment.clock)
        )


def _ports(deployment: Deployment) -> ApiPorts:
    settings, clock, database = deployment.settings, deployment.clock, deployment.database
    access = PostgresAccessRows(database)
    secret, signing = settings.api_keys, settings.signing_key
    given = None if secret is None else secret.get_secret_value()
    keys = key_ring(given, settings.api.host, access, _tokens(settings))
    seed = access.signing_seed() if signing is None else seed_of(signing.get_secret_value())
    states, made = deployment.cameras, PostgresMadeCameraRows(database)
    cameras = LiveCameras(settings, made.all)
    cameras.look()  # before the first request: what a camera reports is asked for once
    return ApiPorts(
        segments=PostgresSegmentRows(database),
        retention=PostgresRetentionRows(database),
        counters=PostgresCounterRows(database),
        detections=PostgresDetectionRows(database),
        passes=PostgresPassRows(database),
        timeline=PostgresTimelineRows(database),
        pass_pictures=PassPictures(
            rows=PostgresPictureRows(database),
            segments=PostgresSegmentRows(database),
            frames=deployment.buffers,
            store=deployment.store,
            video=_video,
        ),
        lists=PostgresPlateListRows(database),
        records=PostgresPlateRecordRows(database),
        stream=deployment.stream(f"api-{os.getpid()}"),
        buffers=deployment.buffers,
        pictures=CameraPictures(
            frames=deployment.frames,
            packets=deployment.packets,
            states=states,
            video=_video,
            clock=clock,
            copied=settings.has_packets,
        ),
        states=states,
        news=PostgresCameraNewsRows(database),
        health=PostgresHealthRows(database),
        store=deployment.store,
        video=_video,
        jobs=PostgresJobRows(database),
        feed=deployment.event_feed,
        clock=clock,
        settings=settings,
        access=access,
        invitations=PostgresInvitationRows(database),
        shares=PostgresShareRows(database),
        keys=keys,
        attempts=Attempts(clock),
        signer=Ed25519Signer(seed),
        deployment_id=PostgresConsistencyRows(database).deployment_id(),
        watch=CameraWatch(states, lambda: list(settings.cameras), clock),
        bell=EventBell(deployment.event_feed, clock),
        viewers=Viewers(),
        looks=Looks(access, clock, settings.access.purpose is PurposeRule.REQUIRED),
        copying=Copying(),
        server_clocks=deployment.server_clocks,
        servers=deployment.servers(),
        made=made,
        cameras=cameras,
    )


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
        issuer=jwt.issuer,
        audience=jwt.audience,
        name=jwt.name_claim,
        role=jwt.role_claim,
        cameras=jwt.cameras_claim,
    )
    return JwtTokens(jwt.jwks_url, claims)
