"""The API's sign of life."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool

from shared.runtime.pulse import EVERY_SECONDS


@asynccontextmanager
async def heartbeat(alive: Callable[[], None]) -> AsyncIterator[None]:
    """Call `alive` regularly during a block, by the way that a request takes.

    The event loop must turn, and one of the routes' threads must be free. An API that lacks either
    gives no sign.
    """

    async def go_on() -> None:
        while True:
            await run_in_threadpool(alive)
            await asyncio.sleep(EVERY_SECONDS)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
