"""Builds dispatch's world."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from services.dispatch.holding import Holding
from services.dispatch.intake import Intake, IntakePorts
from services.dispatch.offers import Offering
from services.dispatch.pacer import Pacer, PacerPorts
from services.dispatch.silence import Silence
from services.dispatch.webhooks import Hook, Lane, lanes
from shared.adapters.camera_buffers import CameraBuffers
from shared.adapters.celery_queue import CeleryQueue, celery_app
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.deliveries import DeliveryRepository
from shared.adapters.postgres.detections import DetectionRepository
from shared.adapters.postgres.ledger import LedgerRepository
from shared.adapters.postgres.offers import OfferRepository
from shared.adapters.postgres.recordings import PacerRepository
from shared.adapters.postgres.upkeep import JobRepository
from shared.adapters.postgres.version import require_version
from shared.adapters.redis_cameras import RedisCameras
from shared.adapters.redis_client import redis_client
from shared.adapters.redis_detections import RedisChannel, RedisDetections
from shared.adapters.redis_events import RedisEvents
from shared.adapters.redis_frames import RedisFrames
from shared.adapters.redis_packets import RedisPackets
from shared.adapters.redis_parking import RedisParking
from shared.adapters.redis_servers import frame_servers
from shared.adapters.webhook_http import WebhookHttp
from shared.runtime.addresses import addresses
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.wire.keys import Keys

CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class World:
    """Dispatch's loops and what they close at the end."""

    intake: Intake
    pacer: Pacer
    webhooks: tuple[Lane, ...]
    clock: SystemClock
    database: Database
    rows: PacerRepository
    channel: RedisChannel
    alive: Callable[[], None]

    def close(self) -> None:
        """Close connections."""
        self.channel.close()
        self.rows.close()
        self.database.close()


def build(settings: Settings) -> World:
    """Open the clients of one dispatch process; raises Retryable while the schema is not this version's."""
    urls = addresses(settings)
    require_version(urls.database)
    clock = SystemClock()
    keys = Keys(settings.redis_prefix, settings.detections_name)
    database = Database(urls.database, max_size=CONNECTIONS + len(settings.webhooks), name="platereel-dispatch")
    database.open()
    frames_servers = frame_servers(urls.frames, name="platereel-dispatch")
    broker = redis_client(urls.broker, name="platereel-dispatch")
    holds = RedisFrames(frames_servers, keys)
    frames = CameraBuffers(
        holds, RedisPackets(frames_servers, keys), lambda camera_id: settings.policy(camera_id).copied
    )
    stream = RedisDetections(broker, keys, f"{socket.gethostname()}-{os.getpid()}", clock)
    channel = RedisChannel(broker, keys)
    rows = PacerRepository(database)
    cameras = tuple(settings.cameras)
    deployment = LedgerRepository(database).deployment_id()
    intake = Intake(
        IntakePorts(
            stream, channel, DetectionRepository(database), frames, holds, clock,
            {camera_id: settings.policy(camera_id) for camera_id in cameras},
        )
    )  # fmt: skip
    pacer = Pacer(
        PacerPorts(
            rows, Offering(OfferRepository(database), CeleryQueue(celery_app(urls.broker), broker), clock),
            Holding(holds, RedisParking(frames_servers, keys), rows, clock, cameras),
            Silence(frames, RedisCameras(frames_servers, keys), clock), frames, stream,
            RedisEvents(broker, keys), JobRepository(database), clock,
            {"cleanup": settings.sweep_seconds, "check": settings.audit_seconds},
            {hook.name: hook.events for hook in settings.webhooks},
            intake.in_hand.behind_s,
        )
    )  # fmt: skip
    webhooks = lanes(DeliveryRepository(database), WebhookHttp(), clock, _hooks(settings, deployment))
    return World(intake, pacer, webhooks, clock, database, rows, channel, pulse(settings.pulse_file, clock))


def _hooks(settings: Settings, deployment: UUID) -> dict[str, Hook]:
    source = f"urn:platereel:{deployment}"
    return {
        hook.name: Hook(
            hook.name, hook.url.get_secret_value(), hook.secret.get_secret_value(), hook.private,
            source if hook.format == "cloudevents" else None,
        )
        for hook in settings.webhooks
    }  # fmt: skip
