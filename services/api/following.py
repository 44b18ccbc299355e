"""Keeps the API's cameras as they are in the file and in the database."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, suppress

from services.api.regularly import regularly
from shared.domain.errors import PlatereelError
from shared.runtime.live_cameras import LOOK_SECONDS, LiveCameras


def following(cameras: LiveCameras) -> AbstractAsyncContextManager[None]:
    """Look regularly during a block. While the database is away the cameras stay as they were."""

    def look() -> None:
        with suppress(PlatereelError):
            cameras.look()

    return regularly(look, LOOK_SECONDS)
