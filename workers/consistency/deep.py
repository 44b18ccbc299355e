"""Reads a clip back: every byte hashed, every frame decoded."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from shared.domain.errors import NotFound, Permanent
from shared.domain.ports import Clock, ObjectStore, ReadyClip, Video
from shared.runtime.workspace import workspace


def damage(
    clip: ReadyClip,
    store: ObjectStore,
    video: Video,
    clock: Clock,
    work_dir: Path | None,
    until: float,
) -> str | None:
    """Returns what is wrong with a clip's object: `hash`, `decode`, `frames`, `gone`; None when it
    is what its row says. until: on the clock's monotonic time. Raises TimeoutError when a clip
    cannot be read back by then.
    """
    digest = sha256()

    def go_on() -> None:
        if clock.monotonic() > until:
            raise TimeoutError

    with workspace(work_dir, clock) as folder:
        path = folder / "clip.mp4"
        try:
            with path.open("wb") as out:
                for piece in store.stream(clip.key):
                    go_on()
                    digest.update(piece)
                    out.write(piece)
            if digest.hexdigest() != clip.sha256:
                return "hash"
            return None if video.count_frames(path, go_on) == clip.frame_count else "frames"
        except NotFound:
            return "gone"
        except Permanent:
            return "decode"
