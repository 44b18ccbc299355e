"""Streams without an end: a camera's pictures, and events. Each is bounded in number and in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fastapi import HTTPException
from starlette.concurrency import run_in_threadpool

from shared.domain.access import Caller
from shared.domain.errors import PlatereelError
from shared.domain.ports import CameraStates, Clock, EventFeed, FrameBuffer

BOUNDARY = "platereel"
MOST_AT_ONCE, LONGEST_SECONDS = 100, 3600.0
EVENTS_EVERY_SECONDS, CAMERAS_EVERY_SECONDS, BEAT_SECONDS = 0.5, 2.0, 15.0
EVENTS_AT_ONCE = 200


@dataclass(slots=True)
class Viewers:
    """Counts the endless streams of this process."""

    most: int = MOST_AT_ONCE
    now: int = 0

    @contextmanager
    def one_more(self) -> Iterator[None]:
        """For the length of a stream."""
        self.now += 1
        try:
            yield
        finally:
            self.now -= 1

    def check(self) -> None:
        """Raise 503 when there are too many."""
        if self.now >= self.most:
            raise HTTPException(503, f"{self.most} streams are open already", {"Retry-After": "10"})


async def pictures(
    frames: FrameBuffer, camera_id: str, fps: float, viewers: Viewers, clock: Clock
) -> AsyncIterator[bytes]:
    """The camera's newest picture whenever it changes, `fps` times a second at most, as multipart/x-mixed-replace."""
    until, shown = clock.monotonic() + LONGEST_SECONDS, -1
    with viewers.one_more():
        while clock.monotonic() < until:
            try:
                frame = await run_in_threadpool(frames.newest, camera_id)
            except PlatereelError:
                return
            if frame is not None and frame.captured_ms != shown:
                shown = frame.captured_ms
                head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame.data)}\r\n\r\n"
                yield head.encode() + frame.data + b"\r\n"
            await asyncio.sleep(1 / fps)


@dataclass(slots=True)
class CameraWatch:
    """What capture says of the cameras, asked once for all listeners."""

    states: CameraStates
    cameras: list[str]
    clock: Clock
    _known: dict[str, str] = field(default_factory=dict)
    _asked_at: float = float("-inf")

    def look(self) -> Mapping[str, str]:
        """State by camera, two seconds old at most; a camera whose server is away is `unknown`."""
        if self.clock.monotonic() - self._asked_at >= CAMERAS_EVERY_SECONDS:
            self._asked_at = self.clock.monotonic()
            self._known = {camera_id: self._state(camera_id) for camera_id in self.cameras}
        return self._known

    def _state(self, camera_id: str) -> str:
        try:
            return str(self.states.state(camera_id).get("state", "unknown"))
        except PlatereelError:
            return "unknown"


async def events(
    feed: EventFeed, watch: CameraWatch, caller: Caller, after: str | None, viewers: Viewers, clock: Clock
) -> AsyncIterator[bytes]:
    """Server-sent events of the caller's cameras: what happens to segments, and cameras that change their state."""
    until, beat_at = clock.monotonic() + LONGEST_SECONDS, clock.monotonic()
    with viewers.one_more():
        last = after or await _patiently(feed.last)
        seen: dict[str, str] = dict(await run_in_threadpool(watch.look))
        yield b": listening\nretry: 3000\n\n"
        while clock.monotonic() < until:
            if last is None:  # the broker was away: begin where it is when it is back, not at its beginning
                last = await _patiently(feed.last)
            found = [] if last is None else await _patiently(partial(feed.read, last, EVENTS_AT_ONCE)) or []
            for identifier, event in found:
                last = identifier
                if event.get("camera_id") is None or caller.sees(str(event["camera_id"])):
                    yield _event(str(event.get("event", "event")), event, identifier)
            now = dict(await run_in_threadpool(watch.look))
            for camera_id, state in now.items():
                if seen.get(camera_id) != state and caller.sees(camera_id):
                    yield _event("camera.changed", {"camera_id": camera_id, "state": state})
            seen = now
            if clock.monotonic() - beat_at >= BEAT_SECONDS:
                beat_at = clock.monotonic()
                yield b": still here\n\n"
            await asyncio.sleep(EVENTS_EVERY_SECONDS)


async def _patiently(call: Callable[[], Any]) -> Any:
    """The answer, or None while the broker is away: a listener stays."""
    try:
        return await run_in_threadpool(call)
    except PlatereelError:
        return None


def _event(name: str, body: Mapping[str, Any], identifier: str | None = None) -> bytes:
    lines = [] if identifier is None else [f"id: {identifier}"]
    return "\n".join([*lines, f"event: {name}", f"data: {json.dumps(body)}", "", ""]).encode()
