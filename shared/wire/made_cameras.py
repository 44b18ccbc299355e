"""Cameras of the API, as dispatch tells capture and the detector of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from shared.domain.made_cameras import MadeCamera


def encode_made(cameras: Mapping[str, MadeCamera]) -> bytes:
    """Returns the same bytes for the same cameras."""
    told = {
        each.camera_id: {
            "settings": dict(each.settings),
            "by": each.changed_by,
            "at": each.changed_at.isoformat(),
        }
        for each in cameras.values()
    }
    return json.dumps(told, sort_keys=True).encode()


def decode_made(data: bytes) -> dict[str, MadeCamera]:
    """Returns what `encode_made` was given; a newer version may say more."""
    return {
        camera_id: MadeCamera(
            camera_id=camera_id,
            settings=told["settings"],
            changed_by=told["by"],
            changed_at=datetime.fromisoformat(told["at"]),
        )
        for camera_id, told in json.loads(data).items()
    }
