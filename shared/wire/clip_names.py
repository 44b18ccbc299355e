"""The file name of a clip."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from shared.domain.plates import plate_key

MOST_PLATES = 3


def clip_name(camera_id: str, start: datetime, plates: Sequence[str]) -> str:
    """Returns camera, UTC start, and the first plates in their normal form (`AB 123` is AB123),
    without an extension. Plates with letters that some file systems or headers refuse are left out.
    """
    keys = [key for plate in plates if (key := plate_key(plate)).isalnum() and key.isascii()]
    return "_".join(
        [camera_id, f"{start:%Y-%m-%dT%H-%M-%SZ}", *list(dict.fromkeys(keys))[:MOST_PLATES]]
    )
