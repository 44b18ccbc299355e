"""Rows, frames and objects of their own for every test, on the shared servers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

import redis
from pydantic import SecretStr

from shared.adapters.clock import SystemClock
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.counters import PostgresCounterRows
from shared.adapters.postgres.database import Database
from shared.adapters.postgres.detections import PostgresDetectionRows
from shared.adapters.postgres.jobs import PostgresJobRows
from shared.adapters.postgres.offers import PostgresOfferRows
from shared.adapters.postgres.pacer import PostgresPacerRows
from shared.adapters.postgres.passes import PostgresPassRows
from shared.adapters.postgres.pictures import PostgresPictureRows
from shared.adapters.postgres.retention import PostgresRetentionRows
from shared.adapters.postgres.segments import PostgresSegmentRows
from shared.adapters.postgres.writer import PostgresWriterRows
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.client import redis_client
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.packets import RedisPackets
from shared.adapters.redis.parking import RedisParking
from shared.adapters.redis.servers import OneServer
from shared.adapters.storage.opening import open_store
from shared.adapters.video.av_video import AvVideo
from shared.domain.media import Detection, Frame
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import BufferLimits, ObjectStore
from shared.runtime.sections import CameraSettings, RecordingSettings
from shared.runtime.settings import Settings
from shared.wire.keys import Keys
from tests.support.pictures import numbered_jpeg
from tests.support.servers import Servers
from tests.support.waiting import WAIT_SECONDS
from workers.writer.ports import WriterPorts

LIMITS = BufferLimits(keep_ms=120_000, cap_ms=120_000, max_bytes=200_000_000)
POLICY = RecordingPolicy(
    buffer_seconds=2, post_event_seconds=4, part_seconds=2, fps=10, capture_fps=10
)
PARKING_BYTES = 1_000_000
CAMERAS = 100
THREADS = ThreadPoolExecutor(4)
_prefixes = count(1)


@dataclass(kw_only=True)
class World:
    """Every repository over one fresh database, a buffer of its own, a bucket of its own."""

    database: Database
    detections: PostgresDetectionRows
    pacing: PostgresPacerRows
    offers: PostgresOfferRows
    writing: PostgresWriterRows
    segments: PostgresSegmentRows
    passes: PostgresPassRows
    retention: PostgresRetentionRows
    counters: PostgresCounterRows
    jobs: PostgresJobRows
    consistency: PostgresConsistencyRows
    redis: redis.Redis
    frames: RedisFrames
    packets: RedisPackets
    parking: RedisParking
    states: RedisCameras
    store: ObjectStore
    clock: SystemClock
    base_ms: int
    settings: Settings

    @property
    def writer(self) -> WriterPorts:
        return WriterPorts(
            frames=self.frames,
            packets=self.packets,
            parking=self.parking,
            parking_bytes=lambda _: PARKING_BYTES,
            store=self.store,
            rows=self.writing,
            pictures=PostgresPictureRows(self.database),
            video=AvVideo(),
            clock=self.clock,
            threads=THREADS,
            states=self.states,
        )

    def film(
        self, camera: str, start_s: float, end_s: float, every_ms: int = 100, first: int = 0
    ) -> None:
        """Put numbered frames of [start, end) seconds after base into a camera's buffer."""
        moments = range(
            self.base_ms + round(start_s * 1000), self.base_ms + round(end_s * 1000), every_ms
        )
        batch = [
            Frame(
                camera_id=camera,
                captured_ms=ms,
                data=numbered_jpeg(first + n),
                counter=first + n,
                run_id="run",
            )
            for n, ms in enumerate(moments)
        ]
        for at in range(0, len(batch), 20):
            self.frames.append(batch[at : at + 20], {camera: LIMITS})

    def detection(self, camera: str, at_s: float, name: str, confidence: float = 0.9) -> Detection:
        return Detection(
            detection_id=name,
            camera_id=camera,
            captured_ms=self.base_ms + round(at_s * 1000),
            confidence=confidence,
            plate="AB123CD",
        )

    def status(self, segment_id: object) -> str:
        row = self.database.fetch_one("SELECT status FROM video_segments WHERE id = %s", segment_id)
        assert row is not None
        return str(row["status"])


@contextmanager
def open_world(servers: Servers) -> Iterator[World]:
    """A world of its own on the shared servers."""
    clock = SystemClock()
    database = Database(servers.new_database(), max_size=8, patience_s=WAIT_SECONDS)
    database.open()
    bucket = servers.new_bucket()
    store = open_store(bucket, clock)
    store.prepare()
    prefix = f"int{next(_prefixes)}"
    settings = Settings(
        cameras={f"cam{n}": CameraSettings(source=SecretStr("push:")) for n in range(CAMERAS)},
        defaults=RecordingSettings(buffer_seconds=2, post_event_seconds=4, part_seconds=2, fps=10),
        database_url=SecretStr(database.url),
        frames_url=SecretStr(servers.redis_url),
        broker_url=SecretStr(servers.redis_url),
        storage_url=SecretStr(bucket),
        redis_prefix=prefix,
        detections_name=f"{prefix}-detections",
        delete_grace_seconds=0,
        parts_kept_seconds=0,
        check_age_floor_seconds=0,
    )
    with redis_client(servers.redis_url) as client:
        pacing = PostgresPacerRows(database)
        keys = Keys(prefix, settings.detections_name)
        yield World(
            database=database,
            detections=PostgresDetectionRows(database),
            pacing=pacing,
            offers=PostgresOfferRows(database),
            writing=PostgresWriterRows(database),
            segments=PostgresSegmentRows(database),
            passes=PostgresPassRows(database),
            retention=PostgresRetentionRows(database),
            counters=PostgresCounterRows(database),
            jobs=PostgresJobRows(database),
            consistency=PostgresConsistencyRows(database),
            redis=client,
            frames=RedisFrames(OneServer(client), keys),
            packets=RedisPackets(OneServer(client), keys),
            parking=RedisParking(OneServer(client), keys),
            states=RedisCameras(OneServer(client), keys),
            store=store,
            clock=clock,
            base_ms=clock.now_ms() - 60_000,
            settings=settings,
        )
        pacing.close()
    database.close()
    servers.drop_database(database.url)
    servers.drop_bucket(bucket)
