"""Reads a clip back: every byte hashed, every frame decoded."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from shared.domain.errors import NotFound, Permanent
from shared.domain.ports import Clock, ObjectStore, ReadyClip, Video
from workers.workspace import workspace

LONGEST_SECONDS = 3600.0


def damage(clip: ReadyClip, store: ObjectStore, video: Video, clock: Clock, work_dir: Path | None) -> str | None:
    """What is wrong with a clip's object: `hash`, `decode`, `frames`, `gone`; None when it is what its row says."""
    digest = sha256()
    with workspace(work_dir, clock, LONGEST_SECONDS) as folder:
        path = folder / "clip.mp4"
        try:
            with path.open("wb") as out:
                for piece in store.stream(clip.key):
                    digest.update(piece)
                    out.write(piece)
            if digest.hexdigest() != clip.sha256:
                return "hash"
            return None if video.count_frames(path) == clip.frame_count else "frames"
        except NotFound:
            return "gone"
        except Permanent:
            return "decode"
