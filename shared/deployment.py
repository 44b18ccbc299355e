"""Opens the servers of a deployment for one process: each at its first use, once, and closes them
together.

Drivers are imported where they are needed: a process that has no use for a database loads no driver
for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self

from shared.adapters.clock import SystemClock
from shared.adapters.redis.camera_buffers import CameraBuffers
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.client import kinds, redis_client
from shared.adapters.redis.detections import RedisChannel, RedisDetections
from shared.adapters.redis.events import RedisEventFeed, RedisEvents
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.packets import RedisPackets
from shared.adapters.redis.parking import RedisParking
from shared.adapters.redis.servers import FrameServers, frame_servers, ping
from shared.domain.errors import BadInput
from shared.domain.ports import ObjectStore
from shared.runtime.addresses import addresses
from shared.runtime.dependencies import Servers
from shared.runtime.settings import Settings
from shared.wire.keys import SENTINEL, Keys

if TYPE_CHECKING:
    import redis

    from shared.adapters.celery_queue import CeleryQueue
    from shared.adapters.postgres.database import Database
    from shared.adapters.redis.memory_check import NodeFacts


class Deployment:
    """The servers that settings name, as one process uses them.

    name: what the servers call this process. patience_s: how long an answer may take; None: each
    server's usual time. connections: the most that the database gives this process. signs: whether
    the store signs downloads for browsers. Raises ConfigurationError for an address that is missing
    or cannot be read. Open nothing before a fork.
    """

    def __init__(
        self,
        settings: Settings,
        name: str,
        *,
        patience_s: float | None = None,
        connections: int = 2,
        signs: bool = False,
    ) -> None:
        self.settings, self.urls = settings, addresses(settings)
        self._name, self._connections, self._signs = name, connections, signs
        self._patience = {} if patience_s is None else {"patience_s": patience_s}
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        """For a block that closes what it opened."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what was opened."""
        self.close()

    def close(self) -> None:
        """Close what was opened, the last first. A second call finds nothing to close."""
        self._opened.close()

    @contextmanager
    def kept(self) -> Iterator[Self]:
        """What the block opens stays open after it; if the block fails, everything is closed."""
        try:
            yield self
        except BaseException:
            self.close()
            raise

    @cached_property
    def keys(self) -> Keys:
        """The names in both Redis."""
        return Keys(self.settings.redis_prefix, self.settings.detections_name)

    @cached_property
    def clock(self) -> SystemClock:
        """The clock of this host."""
        return SystemClock()

    @cached_property
    def database(self) -> Database:
        """The pool, which connects beside whoever opens it."""
        from shared.adapters.postgres.database import Database

        database = Database(
            self.urls.database, max_size=self._connections, name=self._name, **self._patience
        )
        self._opened.callback(database.close)
        database.open()
        return database

    def require_version(self) -> None:
        """Raise Retryable while the database's schema is not this version's."""
        from shared.adapters.postgres.schema import require_version

        require_version(self.urls.database)

    @cached_property
    def frame_servers(self) -> FrameServers:
        """The frames Redis, or the nodes of its cluster."""
        servers = frame_servers(self.urls.frames, name=self._name, **self._patience)
        self._opened.callback(servers.close)
        return servers

    @cached_property
    def frames(self) -> RedisFrames:
        """The cameras' JPEGs, and the holds."""
        return RedisFrames(self.frame_servers, self.keys)

    @cached_property
    def packets(self) -> RedisPackets:
        """The packets of cameras that are copied."""
        return RedisPackets(self.frame_servers, self.keys)

    @cached_property
    def buffers(self) -> CameraBuffers:
        """What each camera's recordings are made of: its JPEGs or its packets."""
        settings = self.settings

        def copied(camera_id: str) -> bool | None:
            if camera_id not in settings.cameras:
                return False
            return None if settings.may_be_copied(camera_id) else settings.policy(camera_id).copied

        return CameraBuffers(self.frames, self.packets, copied)

    @cached_property
    def parking(self) -> RedisParking:
        """Parts that wait for storage."""
        return RedisParking(self.frame_servers, self.keys)

    @cached_property
    def cameras(self) -> RedisCameras:
        """The cameras' leases and states."""
        return RedisCameras(self.frame_servers, self.keys)

    @cached_property
    def broker(self) -> redis.Redis:
        """The broker Redis."""
        client = redis_client(self.urls.broker, name=self._name, **self._patience)
        self._opened.callback(client.close)
        return client

    def stream(self, consumer: str) -> RedisDetections:
        """The detections stream, for a consumer of that name."""
        return RedisDetections(self.broker, self.keys, consumer, self.clock)

    @cached_property
    def channel(self) -> RedisChannel:
        """The Pub/Sub door of detections."""
        channel = RedisChannel(self.broker, self.keys)
        self._opened.callback(channel.close)
        return channel

    @cached_property
    def events(self) -> RedisEvents:
        """Where outgoing events go."""
        return RedisEvents(self.broker, self.keys)

    @cached_property
    def event_feed(self) -> RedisEventFeed:
        """Where outgoing events are read."""
        return RedisEventFeed(self.broker, self.keys)

    @cached_property
    def queue(self) -> CeleryQueue:
        """Where tasks are sent."""
        from shared.adapters.celery_queue import CeleryQueue, celery_app

        queue = CeleryQueue(celery_app(self.urls.broker), self.broker)
        self._opened.callback(queue.close)
        return queue

    @cached_property
    def store(self) -> ObjectStore:
        """The object store; Permanent where its address is none."""
        from shared.adapters.storage.opening import open_store

        public_url = self.settings.storage_public_url if self._signs else None
        store = open_store(self.urls.storage, self.clock, public_url=public_url, **self._patience)
        self._opened.callback(store.close)
        return store

    @cached_property
    def backup_store(self) -> ObjectStore:
        """Where backups are: a store of their own where the settings name one, else the clips'."""
        from shared.adapters.storage.opening import open_store

        given = self.settings.backup_url
        if given is None:
            return self.store
        try:
            store = open_store(
                given.get_secret_value(), self.clock, public_url=None, **self._patience
            )
        except BadInput as error:
            raise BadInput("PLATEREEL_BACKUP_URL", error.reason) from None
        self._opened.callback(store.close)
        return store

    def ping_broker(self) -> None:
        """Raise Retryable unless the broker answers, and lets us in."""
        with kinds("broker"):
            self.broker.ping()

    def server_clocks(self, camera_id: str) -> dict[str, Callable[[], int]]:
        """Returns a call for each server whose clock matters to a camera: that clock, ms since
        1970. A call raises Retryable while its server does not answer.
        """

        def of_frames() -> int:
            with self.frame_servers.talking(self.keys.frames(camera_id)) as server:
                seconds, microseconds = server.time()
            return int(seconds) * 1000 + int(microseconds) // 1000

        return {"database": self.database.now_ms, "frames Redis": of_frames}

    def redis_facts(self) -> Iterator[tuple[str, NodeFacts]]:
        """Yields what each Redis says of itself, with its role: `frames` or `broker`.

        Raises Retryable while one does not answer.
        """
        from shared.adapters.redis.memory_check import facts_of

        for node in self.frame_servers.nodes():
            yield "frames", facts_of(node)
        yield "broker", facts_of(self.broker, "broker")

    def servers(self) -> Servers:
        """Returns what there is to ask of each server. The store tells no version.

        Raises Permanent for an address of the store or the frames Redis that no client takes.
        """
        from shared.adapters.postgres.server_settings import wrong_settings as of_database
        from shared.adapters.redis.memory_check import facts_of, wrong_settings

        nodes = self.frame_servers.nodes
        return Servers(
            checks=self.checks(),
            versions={
                "database": self.database.version,
                "frames": lambda: ", ".join(sorted({facts_of(each).version for each in nodes()})),
                "broker": lambda: facts_of(self.broker, "broker").version,
            },
            settings={
                "database": lambda: of_database(self.database),
                "frames": lambda: [
                    wrong
                    for each in nodes()
                    for wrong in wrong_settings(facts_of(each), durable=False)
                ],
                "broker": lambda: wrong_settings(facts_of(self.broker, "broker"), durable=True),
            },
        )

    def checks(self) -> dict[str, Callable[[], object]]:
        """Returns a call for each server, which raises unless it answers.

        Raises Permanent for an address of the store or the frames Redis that no client takes.
        """
        store, servers = self.store, self.frame_servers
        return {
            "database": lambda: self.database.fetch_one("SELECT 1"),
            "frames": lambda: ping(servers),
            "broker": self.ping_broker,
            "storage": lambda: store.head(SENTINEL),
        }
