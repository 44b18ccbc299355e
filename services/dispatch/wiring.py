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
from services.dispatch.webhooks import Lane, Webhook, lanes
from shared.adapters.celery_queue import CeleryQueue, celery_app
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.offers import PostgresOfferRows
from shared.adapters.postgres.pacer import PostgresPacerRows
from shared.adapters.postgres.schema import require_version
from shared.adapters.postgres.webhooks import PostgresWebhookRows
from shared.adapters.redis.camera_buffers import CameraBuffers
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.client import redis_client
from shared.adapters.redis.detections import RedisChannel, RedisDetections
from shared.adapters.redis.events import RedisEvents
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.packets import RedisPackets
from shared.adapters.redis.parking import RedisParking
from shared.adapters.redis.servers import frame_servers
from shared.adapters.webhooks import HttpWebhooks
from shared.domain.job import JobKind
from shared.runtime.addresses import addresses
from shared.runtime.pulse import pulse
from shared.runtime.settings import Settings
from shared.wire.keys import Keys

CONNECTIONS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Dispatch's loops and what they close at the end."""

    intake: Intake
    pacer: Pacer
    webhooks: tuple[Lane, ...]
    clock: SystemClock
    database: Database
    rows: PostgresPacerRows
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
    rows = PostgresPacerRows(database)
    cameras = tuple(settings.cameras)
    deployment = PostgresConsistencyRows(database).deployment_id()
    intake = Intake(
        IntakePorts(
            stream=stream,
            channel=channel,
            rows=PostgresDetectionRows(database),
            frames=frames,
            holds=holds,
            clock=clock,
            policies={camera_id: settings.policy(camera_id) for camera_id in cameras},
        )
    )
    pacer = Pacer(
        PacerPorts(
            rows=rows,
            offering=Offering(PostgresOfferRows(database), CeleryQueue(celery_app(urls.broker), broker), clock),
            holding=Holding(
                holds=holds, parking=RedisParking(frames_servers, keys), rows=rows, clock=clock, cameras=cameras
            ),
            silence=Silence(frames, RedisCameras(frames_servers, keys), clock),
            frames=frames,
            stream=stream,
            events=RedisEvents(broker, keys),
            jobs=PostgresJobRows(database),
            clock=clock,
            periods_s={JobKind.CLEANUP: settings.cleanup_seconds, JobKind.CHECK: settings.check_seconds},
            webhooks={webhook.name: webhook.events for webhook in settings.webhooks},
            behind_s=intake.in_hand.behind_s,
        )
    )
    webhooks = lanes(PostgresWebhookRows(database), HttpWebhooks(), clock, _webhooks(settings, deployment))
    return World(
        intake=intake,
        pacer=pacer,
        webhooks=webhooks,
        clock=clock,
        database=database,
        rows=rows,
        channel=channel,
        alive=pulse(settings.pulse_file, clock),
    )


def _webhooks(settings: Settings, deployment: UUID) -> dict[str, Webhook]:
    source = f"urn:platereel:{deployment}"
    return {
        webhook.name: Webhook(
            name=webhook.name,
            url=webhook.url.get_secret_value(),
            secret=webhook.secret.get_secret_value(),
            private=webhook.private,
            source=source if webhook.format == "cloudevents" else None,
        )
        for webhook in settings.webhooks
    }
