"""Clips whose plates were read, and archives of evidence of them as the API sends them."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from fastapi.testclient import TestClient

from platereel.verification import Verdict, verify
from shared.domain.media import Box
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import CameraBatch
from shared.wire.evidence import Manifest
from tests.support.clips import clip_file, jittered, scene
from tests.support.rows import ready
from tests.support.world import World

OURS, THEIRS = "AB123CD", "XY98ZW"
FRAMES = 30
TIMES = jittered(FRAMES)


@dataclass
class Read:
    """A read of a plate: ms after the clip's first frame."""

    at_ms: int
    plate: str
    box: Box | None


BOTH = [
    Read(400, THEIRS, Box(20, 50, 80, 24)),
    Read(900, THEIRS, Box(20, 50, 80, 24)),
    Read(600, OURS, Box(200, 110, 80, 24)),
    Read(1000, OURS, None),
]


def recorded(world: World, folder: Path, reads: Sequence[Read] = BOTH) -> UUID:
    """A clip in the store that shows both plates, and passes of these reads."""
    path = folder / "made.mp4"
    pictures = [scene(n, (THEIRS, 20, 50), (OURS, 200, 110)) for n in range(FRAMES)]
    joined = clip_file(path, pictures, TIMES)
    data = path.read_bytes()
    path.unlink()
    segment_id = ready(world, "cam1", 0, [OURS], seconds=joined.duration_ms / 1000, size=len(data))
    world.database.execute(
        "UPDATE video_segments SET sha256 = %s, frame_count = %s, width = 320, height = 180 WHERE id = %s",
        sha256(data).hexdigest(),
        FRAMES,
        segment_id,
    )
    world.store.put(world.segments.get(segment_id).file_path, data, "video/mp4")
    world.database.execute("DELETE FROM segment_detections")
    world.database.execute("DELETE FROM detections")
    saw(world, reads)
    own = next(each for each in reads if each.plate == OURS)
    world.database.execute(
        "INSERT INTO segment_detections (segment_id, detection_id, camera_id, offset_ms) VALUES (%s, %s, 'cam1', %s)",
        segment_id,
        f"{OURS}-{own.at_ms}",
        own.at_ms,
    )
    return segment_id


def saw(world: World, reads: Sequence[Read]) -> None:
    """Accept reads that are too unsure to record anything."""
    detections = [
        replace(
            world.detection("cam1", each.at_ms / 1000, f"{each.plate}-{each.at_ms}", 0.2),
            plate=each.plate,
            bbox=each.box,
        )
        for each in sorted(reads, key=lambda read: read.at_ms)
    ]
    batch = CameraBatch(
        camera_id="cam1",
        detections=detections,
        policy=RecordingPolicy(),
        oldest_ms=0,
        newest_ms=world.base_ms + 9_000,
    )
    world.detections.accept_all([batch])


def clip_manifest(verdict: Verdict) -> Manifest:
    """The manifest of an archive of one clip."""
    assert isinstance(verdict.manifest, Manifest)
    return verdict.manifest


class Archive:
    """An answer of the export, unpacked and verified."""

    def __init__(self, api: TestClient, segment_id: UUID, folder: Path, query: str = "") -> None:
        answer = api.get(f"/v2/video/segments/{segment_id}/export?{query}")
        assert answer.status_code == 200, answer.text
        self.headers, self.data = answer.headers, answer.content
        path = folder / "evidence.zip"
        path.write_bytes(answer.content)
        key = api.get("/v2/video/signing-key").json()["fingerprint"]
        self.verdict: Verdict = verify(path, key)
        assert self.verdict.problems == []
        with zipfile.ZipFile(path) as zipped:
            zipped.extractall(folder / "unpacked")
        self.folder = folder / "unpacked"
        self.manifest = clip_manifest(self.verdict)
        self.names = {each.name for each in self.manifest.files}

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_bytes())

    def film(self) -> Path:
        (found,) = [
            name for name in self.names if name.startswith("cam1_") and name.endswith(".mp4")
        ]
        return self.folder / found


def found_passes(api: TestClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get("/v2/video/passes").json()["items"]
    return items
