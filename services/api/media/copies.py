"""Changed copies of a clip, made before an archive is sent: a manifest needs their hashes.

They are files without a name from then on, which end with the answer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import BinaryIO, cast

from services.api.media.clip_facts import ClipFacts, EvidencePorts, size_of
from services.api.media.evidence import LargeFile, unchanged
from services.api.media.object_file import RangedObject
from shared.domain.errors import Conflict, Retryable
from shared.domain.rendition import Rendition
from shared.domain.segment import Clip
from shared.runtime.workspace import workspace
from shared.wire.evidence import ListedFile

PIECE = 1 << 20
# Encoding takes a core for one second for about 100 million pixels: this is five to ten minutes.
MOST_PIXELS = 30_000_000_000


@dataclass(slots=True)
class Copying:
    """Lets one archive after another have copies made: each takes a core for minutes."""

    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """For a block that makes copies. Raises Retryable while another one does."""
        if not self._lock.acquire(blocking=False):
            raise Retryable("another overlay or redacted copy is being made here; ask again later")
        try:
            yield
        finally:
            self._lock.release()


def check_size(facts: ClipFacts) -> None:
    """Raise Conflict for a clip that would take too long."""
    width, height = size_of(facts.segment)
    frames = facts.segment.frame_count or 0
    if width * height * frames > MOST_PIXELS:
        raise Conflict(
            f"the clip is too long to be encoded again: {frames} frames of {width}x{height}, and at most "
            f"{MOST_PIXELS // max(1, width * height)} of that size are; export it without overlay and redact"
        )


def make_copies(
    ports: EvidencePorts, clip: Clip, wanted: Sequence[Rendition], kept: ExitStack
) -> list[LargeFile]:
    """Returns the copies as files. `kept` closes them, and nothing of them is left then."""
    source = RangedObject(ports.store, clip.key, clip.size_bytes)
    try:
        with workspace(ports.settings.work_dir, ports.clock) as folder:
            ports.video().render(cast("BinaryIO", source), wanted, folder)
            return [_opened(folder / each.name, kept) for each in wanted]
    except OSError as error:
        raise Retryable(f"the work folder refuses: {error.strerror}") from error


def _opened(path: Path, kept: ExitStack) -> LargeFile:
    file = kept.enter_context(path.open("rb"))
    digest, size = sha256(), 0
    for piece in _pieces(file):
        digest.update(piece)
        size += len(piece)
    listed = ListedFile(path.name, size, digest.hexdigest())
    return LargeFile(listed, partial(unchanged, partial(_pieces, file), listed))


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece
