"""Finished segments that nobody recorded: as rows alone, or with the objects that a row names."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from shared.domain.policy import RecordingPolicy
from shared.domain.timing import from_ms
from shared.wire.keys import strip_key, thumbnail_key, video_key
from tests.support.world import World

SECONDS = 10
STRIP = {"tile_width": 160, "tile_height": 90, "columns": 2, "offsets_ms": [0, 500]}
CLIP = bytes(range(256)) * 12_000  # three megabytes: several pieces


def ready(
    world: World, camera: str, at_s: float, plates: Sequence[str] = (), *, confidence: float = 0.9, size: int = 1000,
    status: str = "ready", seconds: float = SECONDS,
) -> UUID:  # fmt: skip
    """A segment that begins `at_s` after the world's base, with a detection a plate (one without,
    if there is none).
    """
    segment_id = uuid4()
    start_ms = world.base_ms + round(at_s * 1000)
    end_ms = start_ms + round(seconds * 1000)
    with world.database.transaction() as connection:
        connection.execute(
            """
            INSERT INTO video_segments (id, camera_id, status, file_path, thumbnail_path, strip_path, strip,
                   start_time, deadline, end_time, first_frame_at, trigger_time, covered_to, policy, codec, fps,
                   duration_seconds, file_size_bytes, frame_count, sha256)
            VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'h264', 10, %s, %s, 1, 'x')
            """,
            [
                segment_id,
                camera,
                status,
                video_key(segment_id, start_ms),
                thumbnail_key(segment_id, start_ms),
                strip_key(segment_id, start_ms),
                Jsonb(STRIP),
                from_ms(start_ms),
                from_ms(end_ms),
                from_ms(end_ms),
                from_ms(start_ms),
                from_ms(start_ms + 2000),
                from_ms(end_ms),
                Jsonb(RecordingPolicy().to_json()),
                seconds,
                size,
            ],
        )
        for number, plate in enumerate(plates or (None,)):
            name = f"{segment_id}-{number}"
            connection.execute(
                """
                INSERT INTO detections (detection_id, camera_id, captured_at, confidence, plate, outcome)
                VALUES (%s, %s, %s, %s, %s, 'recorded')
                """,
                [name, camera, from_ms(start_ms + 2000 + number), confidence, plate],
            )
            link = [segment_id, name, camera, 2000 + number]
            connection.execute("INSERT INTO segment_detections VALUES (%s, %s, %s, %s)", link)
    return segment_id


def clip_of(world: World, camera: str = "cam1", plates: tuple[str, ...] = ("AB123CD",)) -> UUID:
    """A READY segment whose object is what its row says."""
    segment_id = ready(world, camera, 0, plates, size=len(CLIP))
    row = world.segments.get(segment_id)
    world.store.put(row.file_path, CLIP, "video/mp4")
    world.store.put(str(row.thumbnail_path), b"\xff\xd8picture", "image/jpeg")
    world.store.put(str(row.strip_path), b"\xff\xd8strip", "image/jpeg")
    world.database.execute(
        "UPDATE video_segments SET sha256 = %s WHERE id = %s", sha256(CLIP).hexdigest(), segment_id
    )
    return segment_id
