"""Calls something regularly beside the API's requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from starlette.concurrency import run_in_threadpool


@asynccontextmanager
async def regularly(call: Callable[[], object], every_s: float) -> AsyncIterator[None]:
    """Make a call again and again during a block, by the way that a request takes: the event loop
    must turn, and one of the routes' threads must be free. What it raises ends that.
    """

    async def go_on() -> None:
        while True:
            await run_in_threadpool(call)
            await asyncio.sleep(every_s)

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
