"""The API's sign of life."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from services.api.regularly import regularly
from shared.runtime.pulse import EVERY_SECONDS


def heartbeat(alive: Callable[[], None]) -> AbstractAsyncContextManager[None]:
    """Call `alive` regularly during a block. An API that could serve no request gives no sign."""
    return regularly(alive, EVERY_SECONDS)
