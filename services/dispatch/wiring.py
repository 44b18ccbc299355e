"""Builds dispatch's world."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from services.dispatch.bell import Bell
from services.dispatch.camera_news import CameraWatcher
from services.dispatch.camera_settings import CameraSettingsFollower
from services.dispatch.closing import Closing
from services.dispatch.dead_letters import DeadLetters
from services.dispatch.frigate import FrigateReads, topics_of
from services.dispatch.holding import Holding
from services.dispatch.intake import Intake, IntakePorts
from services.dispatch.known_plates import KnownPlates
from services.dispatch.lanes import Lane
from services.dispatch.mqtt import CAMERA_NEWS, Mqtt, Publishing
from services.dispatch.offers import Offering
from services.dispatch.pacer import Pacer, PacerPorts
from services.dispatch.policies import Policies
from services.dispatch.silence import Silence
from services.dispatch.survey import RedisMemory, Survey, SurveyPorts
from services.dispatch.webhooks import Webhook, webhook_lanes
from shared.adapters.postgres.backup import PostgresBackupRows
from shared.adapters.postgres.cameras import PostgresCameraNewsRows
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.health import PostgresHealthRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.made_cameras import PostgresMadeCameraRows
from shared.adapters.postgres.offers import PostgresOfferRows
from shared.adapters.postgres.pacer import PostgresPacerRows
from shared.adapters.postgres.passes import PostgresPassRows
from shared.adapters.postgres.plate_list_changes import PostgresPlateListChanges
from shared.adapters.postgres.webhooks import PostgresWebhookRows
from shared.adapters.redis.detections import RedisDetections
from shared.adapters.webhooks import HttpWebhooks
from shared.deployment import Deployment
from shared.domain.growth import LOOKED_AT_DAYS, Capacity, capacity, until_somebody_must_act
from shared.domain.job import JobKind
from shared.domain.ports import Clock
from shared.domain.timing import from_ms
from shared.runtime.configuration import ConfigurationError
from shared.runtime.dependencies import looked_at
from shared.runtime.live_cameras import LiveCameras
from shared.runtime.pulse import pulse
from shared.runtime.sections import MqttSettings
from shared.runtime.settings import Settings
from shared.wire.doors.understood import Door
from shared.wire.mqtt import LANE, Topics, mqtt_address

CONNECTIONS = 12
PUSH = "push:"
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Dispatch's loops and what they close at the end.

    events_wait: rung when there may be events to relay. known_plates: the lists, as they are now.
    survey: None where nobody can read what it reports.
    """

    intake: Intake
    pacer: Pacer
    webhooks: tuple[Lane, ...]
    mqtt: tuple[Mqtt, Lane] | None
    cameras: CameraWatcher
    clock: Clock
    deployment: Deployment
    rows: PostgresPacerRows
    list_changes: PostgresPlateListChanges
    known_plates: KnownPlates
    events_wait: Bell
    survey: Survey | None
    follower: CameraSettingsFollower
    alive: Callable[[], None]

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Everybody who gets events."""
        return self.webhooks if self.mqtt is None else (*self.webhooks, self.mqtt[1])

    def close(self) -> None:
        """Close connections."""
        if self.mqtt is not None:
            self.mqtt[0].close()
        self.rows.close()
        self.list_changes.close()
        self.deployment.close()


def build(settings: Settings, cameras: LiveCameras | None = None) -> World:
    """Open the clients of one dispatch process; raises Retryable while the schema is not this
    version's. cameras: what looks after those of the settings, from an earlier world.
    """
    deployment = Deployment(
        settings,
        "platereel-dispatch",
        connections=CONNECTIONS + len(settings.webhooks) + (settings.mqtt is not None),
    )
    with deployment.kept():
        deployment.require_version()
        return _world(deployment, cameras or LiveCameras(settings))


def _world(deployment: Deployment, live: LiveCameras) -> World:
    settings, clock, database = deployment.settings, deployment.clock, deployment.database
    frames, holds = deployment.buffers, deployment.frames
    stream = deployment.stream(f"{socket.gethostname()}-{os.getpid()}")
    rows = PostgresPacerRows(database)
    list_changes = PostgresPlateListChanges(database)
    known_plates = KnownPlates(list_changes, clock)
    known_plates.load()  # before the first detection is judged
    follower = _follower(deployment, live)
    cameras, events_wait = tuple(settings.cameras), Bell()
    policies = Policies(
        {camera_id: settings.policy(camera_id) for camera_id in cameras},
        frozenset(camera_id for camera_id in cameras if settings.may_be_copied(camera_id)),
        deployment.cameras.states_of,
        follower.new,
    )
    intake = Intake(
        IntakePorts(
            stream=stream,
            channel=deployment.channel,
            rows=PostgresDetectionRows(database),
            frames=frames,
            holds=holds,
            clock=clock,
            policies=policies,
            recorded=events_wait.ring,
            matches=known_plates.of,
        )
    )
    pacer = Pacer(
        PacerPorts(
            rows=rows,
            offering=Offering(PostgresOfferRows(database), deployment.queue, clock),
            holding=Holding(
                holds=holds, parking=deployment.parking, rows=rows, clock=clock, cameras=cameras
            ),
            silence=Silence(frames, deployment.cameras, clock),
            closing=Closing(PostgresPassRows(database), frames, policies, clock),
            frames=frames,
            stream=stream,
            events=deployment.events,
            jobs=PostgresJobRows(database),
            clock=clock,
            periods_s=_periods_s(settings),
            webhooks=_receivers(settings),
            behind_s=intake.in_hand.behind_s,
            policies=policies,
        )
    )
    webhooks = _webhooks(settings, PostgresConsistencyRows(database).deployment_id())
    sending = webhook_lanes(PostgresWebhookRows(database), HttpWebhooks(), clock, webhooks)
    return World(
        intake=intake,
        pacer=pacer,
        webhooks=sending,
        mqtt=None
        if settings.mqtt is None
        else _mqtt(deployment, settings.mqtt, stream, known_plates.watch_lists),
        cameras=_watcher(deployment),
        clock=clock,
        deployment=deployment,
        rows=rows,
        list_changes=list_changes,
        known_plates=known_plates,
        events_wait=events_wait,
        survey=_survey(deployment, stream),
        follower=follower,
        alive=pulse(settings.pulse_file, clock),
    )


def _follower(deployment: Deployment, live: LiveCameras) -> CameraSettingsFollower:
    """Takes the cameras as they are now: no detection is judged without those of the API."""
    rows = PostgresMadeCameraRows(deployment.database)
    live.made = rows.all
    live.look()
    return CameraSettingsFollower(live, rows, deployment.cameras, deployment.settings.cameras)


def _survey(deployment: Deployment, stream: RedisDetections) -> Survey | None:
    settings, clock = deployment.settings, deployment.clock
    if settings.metrics_port is None and settings.metrics_dir is None:
        return None
    servers, counters = deployment.servers(), PostgresCounterRows(deployment.database)

    def memory() -> Iterator[RedisMemory]:
        for role, facts in deployment.redis_facts():
            limit = facts.maxmemory_bytes
            yield RedisMemory(role, facts.name, facts.used_bytes / limit if limit else 0.0)

    def room() -> Capacity:
        policy = settings.retention_policy()
        disk = deployment.store.room() if policy.overall.max_bytes is None else None
        found = capacity(
            counters.stats(LOOKED_AT_DAYS + 1, None, 1),
            policy,
            None if disk is None else disk.free_bytes,
            from_ms(clock.now_ms()).date(),
        )
        return replace(found, days_left=until_somebody_must_act(found, policy))

    return Survey(
        SurveyPorts(
            rows=PostgresHealthRows(deployment.database),
            dependencies=lambda: looked_at(servers, clock, closely=False),
            memory=memory,
            unread_s=stream.unread_s,
            capacity=room,
            clock=clock,
            receivers=tuple(_receivers(settings)),
            periods_s=_periods_s(settings),
            backed_up_ms=PostgresBackupRows(deployment.database).last_ms
            if settings.backup.keep
            else None,
        )
    )


def _periods_s(settings: Settings) -> dict[JobKind, float]:
    """Returns how often each kind of job is done."""
    periods_s: dict[JobKind, float] = {
        JobKind.CLEANUP: settings.cleanup_seconds,
        JobKind.CHECK: settings.check_seconds,
    }
    return periods_s | ({JobKind.BACKUP: DAY_SECONDS} if settings.backup.keep else {})


def _watcher(deployment: Deployment) -> CameraWatcher:
    """Returns what watches the cameras that capture reads; those of `push:` it does not."""
    settings = deployment.settings
    return CameraWatcher(
        rows=PostgresCameraNewsRows(deployment.database),
        states=deployment.cameras,
        clock=deployment.clock,
        cameras=[each for each in settings.cameras if not settings.source(each).startswith(PUSH)],
        down_s=settings.camera_down_seconds,
    )


def _receivers(settings: Settings) -> dict[str, Collection[str]]:
    """Returns the names of the events that each lane gets."""
    found: dict[str, Collection[str]] = {each.name: each.events for each in settings.webhooks}
    if settings.mqtt is not None:
        found[LANE] = {*settings.mqtt.events, *CAMERA_NEWS}
    return found


def _mqtt(
    deployment: Deployment,
    mqtt: MqttSettings,
    stream: RedisDetections,
    watch_lists: Callable[[], Collection[str]],
) -> tuple[Mqtt, Lane]:
    """Returns the way to the MQTT broker, and its lane."""
    try:
        from shared.adapters.mqtt import MqttBroker  # noqa: PLC0415 - of an extra
    except ModuleNotFoundError as error:
        wanted = "mqtt: needs paho-mqtt, which `pip install platereel[mqtt]` brings"
        raise ConfigurationError([wanted]) from error
    settings, database, bell = deployment.settings, deployment.database, Bell()
    topics = Topics(mqtt.prefix)
    broker = MqttBroker(
        mqtt_address(mqtt.url.get_secret_value()),
        client_id=f"platereel-{uuid4().hex[:12]}",
        will=topics.online(there=False),
        topics=[topics.status, *([] if mqtt.frigate is None else topics_of(mqtt.frigate))],
        rung=bell.ring,
    )
    letters = DeadLetters(stream, PostgresDetectionRows(database))
    way = Mqtt(
        broker=broker,
        publishing=Publishing(
            topics=topics,
            discovery=mqtt.discovery,
            events=mqtt.events,
            cameras=tuple(settings.cameras),
        ),
        news=PostgresCameraNewsRows(database),
        clock=deployment.clock,
        watch_lists=watch_lists,
        frigate=None
        if mqtt.frigate is None
        else FrigateReads(stream, letters, Door(cameras=tuple(settings.cameras))),
    )
    return way, way.lane(PostgresWebhookRows(database), bell)


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
