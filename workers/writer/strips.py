"""The strip of a clip, made of its parts' sheets.

It is worth less than the clip: where it cannot be made or stored, the clip has none, and the log
says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.domain.errors import Permanent, Retryable
from shared.domain.gaps import StoredPart
from shared.domain.parts import Joined
from shared.domain.ports import FinaliseRun, ObjectStore, Video
from shared.domain.strips import PlacedSheet, Strip
from shared.runtime.logs import logger
from workers.writer.lease import Lease

PUT_PATIENCE_SECONDS = 8.0  # without progress

_log = logger(__name__)


def packets_file(folder: Path, part: StoredPart) -> Path:
    """Returns where finalise keeps what a part's object holds."""
    return folder / f"part-{part.part_id}"


def make_strip(
    run: FinaliseRun, parts: Sequence[StoredPart], folder: Path, joined: Joined, video: Video
) -> tuple[Strip, bytes] | None:
    """Returns the strip and its JPEG; None where no part has a sheet, or it cannot be made."""
    try:
        return video.strip(_sheets(parts, folder, joined.first_frame_ms), joined.duration_ms)
    except (OSError, MemoryError, Permanent) as error:
        _log.warning("strip_not_made", segment_id=str(run.segment_id), error=str(error))
        return None


def _sheets(parts: Sequence[StoredPart], folder: Path, first_frame_ms: int) -> list[PlacedSheet]:
    """Returns the sheets of the parts, which stand behind the packets."""
    found = []
    for part in parts:
        if part.facts is None or part.facts.sheet is None:
            continue
        with packets_file(folder, part).open("rb") as file:
            file.seek(part.facts.packets_bytes)
            jpeg = file.read(part.facts.sheet.size_bytes)
        found.append(
            PlacedSheet(sheet=part.facts.sheet, jpeg=jpeg, start_ms=part.start_ms - first_frame_ms)
        )
    return found


def put_strip(run: FinaliseRun, jpeg: bytes, store: ObjectStore, lease: Lease) -> bool:
    """Store the strip. Returns whether that was done."""
    try:
        store.put(
            run.strip_path,
            jpeg,
            "image/jpeg",
            patience_s=PUT_PATIENCE_SECONDS,
            allowed=lease.holds,
        )
    except (Retryable, Permanent) as error:
        _log.warning("strip_not_stored", segment_id=str(run.segment_id), error=error.message)
        return False
    return True
