"""Wakes the listeners to events as soon as there is one.

One thread waits at the broker for all of them, while there are any: a listener that waited there by
itself would take a thread and a connection. Nothing depends on it. Every listener also looks by
itself from time to time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from shared.domain.errors import PlatereelError
from shared.domain.ports import Clock, EventFeed

WAIT_SECONDS = 0.5
# Between two rings, so that a storm of events does not wake everybody for each of them.
PAUSE_SECONDS = 0.05

_Listener = tuple[asyncio.AbstractEventLoop, asyncio.Event]


class EventBell:
    """The bell of one process."""

    def __init__(self, feed: EventFeed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._lock = threading.Lock()
        self._listeners: set[_Listener] = set()
        self._waiting = False

    @contextmanager
    def heard(self) -> Iterator[asyncio.Event]:
        """Yields what is set whenever there are new events, in the event loop that calls this."""
        listener = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            self._listeners.add(listener)
            if not self._waiting:
                self._waiting = True
                threading.Thread(target=self._wait, name="event bell", daemon=True).start()
        try:
            yield listener[1]
        finally:
            with self._lock:
                self._listeners.discard(listener)

    def _wait(self) -> None:
        """Ring for every event until nobody listens."""
        last: str | None = None
        while self._anybody():
            try:
                last = last or self._feed.last()
                if self._feed.wait(last, WAIT_SECONDS):
                    last = self._feed.last()
                    self._ring()
                    self._clock.sleep(PAUSE_SECONDS)
            except PlatereelError:  # the broker is away: begin where it is when it is back
                last = None
                self._clock.sleep(WAIT_SECONDS)

    def _anybody(self) -> bool:
        with self._lock:
            self._waiting = bool(self._listeners)
            return self._waiting

    def _ring(self) -> None:
        with self._lock:
            listeners = list(self._listeners)
        for loop, event in listeners:
            with suppress(RuntimeError):  # that loop has ended
                loop.call_soon_threadsafe(event.set)
