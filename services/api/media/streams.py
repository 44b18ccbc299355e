"""Endless streams: a camera's pictures, and events. Their number and their time are limited."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any

from fastapi import HTTPException
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from services.api.media.camera_pictures import CameraPictures
from services.api.media.event_bell import EventBell
from shared.domain.access import Caller
from shared.domain.camera import CameraState
from shared.domain.errors import PlatereelError
from shared.domain.events import OF_LISTS, Event, EventName
from shared.domain.ports import CameraStates, Clock, EventFeed

BOUNDARY = "platereel"
MOST_AT_ONCE, MOST_A_CALLER, LONGEST_SECONDS = 100, 16, 3600.0
LOOK_AGAIN_SECONDS, UNSURE_SECONDS = 3.0, 60.0
GRACE_SECONDS = 3 * LOOK_AGAIN_SECONDS  # a body asks at least as often as it is looked again
EVENTS_EVERY_SECONDS, CAMERAS_EVERY_SECONDS, BEAT_SECONDS = 0.5, 2.0, 15.0
EVENTS_AT_ONCE = 200


@dataclass(slots=True)
class Viewers:
    """Counts the endless streams of this process: all of them, and each caller's."""

    most: int = MOST_AT_ONCE
    most_a_caller: int = MOST_A_CALLER
    _open: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def enter(self, caller: Caller) -> None:
        """Count one more. Raises 503 where there are too many, 429 where they are the caller's
        own.
        """
        with self._lock:
            if self._open.total() >= self.most:
                raise HTTPException(
                    503, f"{self.most} streams are open already", {"Retry-After": "10"}
                )
            if self._open[caller.name] >= self.most_a_caller:
                told = f"{caller.name} has {self.most_a_caller} streams open already; close one"
                raise HTTPException(429, told, {"Retry-After": "10"})
            self._open[caller.name] += 1

    def open(self) -> int:
        """Returns how many there are."""
        with self._lock:
            return self._open.total()

    def leave(self, caller: Caller) -> None:
        """Count one less."""
        with self._lock:
            self._open[caller.name] -= 1
            self._open += Counter()  # callers without a stream are forgotten


@dataclass(slots=True)
class Permit:
    """Whether a caller may still have the stream; asked again every few seconds."""

    caller: Caller
    look_again: Callable[[], Caller | None]
    clock: Clock
    until: float = field(init=False)
    _looked_at: float = field(init=False)
    _sure_at: float = field(init=False)
    _over: bool = False

    def __post_init__(self) -> None:
        self._looked_at = self._sure_at = self.clock.monotonic()
        self.until = self._looked_at + LONGEST_SECONDS

    async def good(self) -> bool:
        """Returns False once an hour is over, or the caller's key is gone or covers something else.

        While that cannot be found out, a stream goes on for a minute at most.
        """
        now = self.clock.monotonic()
        self._over = self._over or now >= self.until
        if not self._over and now - self._looked_at >= LOOK_AGAIN_SECONDS:
            self._looked_at = now
            try:
                found = await run_in_threadpool(self.look_again)
            except PlatereelError:
                self._over = now - self._sure_at >= UNSURE_SECONDS
            else:
                self._sure_at = now
                self._over = found != self.caller
        return not self._over


class Endless(StreamingResponse):
    """A stream that counts for its caller from before its first byte until it ends, for whatever
    reason. It ends with its permit even while the client does not read and nothing can be sent.
    """

    def __init__(
        self,
        body: AsyncIterator[bytes],
        media_type: str,
        headers: Mapping[str, str],
        viewers: Viewers,
        permit: Permit,
    ) -> None:
        viewers.enter(permit.caller)
        super().__init__(
            body, headers={"Cache-Control": "no-store", **headers}, media_type=media_type
        )
        self._permit, self._leave = permit, partial(viewers.leave, permit.caller)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the body, the client or the permit ends."""
        sending = asyncio.ensure_future(super().__call__(scope, receive, send))
        watching = asyncio.ensure_future(self._until_over())
        try:
            await asyncio.wait({sending, watching}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in (sending, watching):
                each.cancel()
            await asyncio.gather(sending, watching, return_exceptions=True)
            self._leave()
        if not sending.cancelled():
            sending.result()

    async def _until_over(self) -> None:
        """Wait until the permit is over and the body, which asks it too, has had time to end by
        itself.
        """
        while await self._permit.good():  # noqa: ASYNC110 - nobody tells when a key is revoked
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        await asyncio.sleep(GRACE_SECONDS)


async def pictures(
    camera: CameraPictures, camera_id: str, fps: float, permit: Permit
) -> AsyncIterator[bytes]:
    """Yields the camera's newest picture whenever it changes, at most `fps` times a second, as
    multipart/x-mixed-replace.
    """
    shown = -1
    while await permit.good():
        try:
            frame = await run_in_threadpool(camera.newest, camera_id, stream=True)
        except PlatereelError:
            return
        if frame is not None and frame.captured_ms != shown:
            shown = frame.captured_ms
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(frame.data)}\r\n\r\n"
            yield head.encode() + frame.data + b"\r\n"
        await asyncio.sleep(min(1 / fps, LOOK_AGAIN_SECONDS))


@dataclass(slots=True)
class CameraWatch:
    """What capture says of the cameras that there are, asked once for all listeners."""

    states: CameraStates
    cameras: Callable[[], list[str]]
    clock: Clock
    _known: dict[str, CameraState] = field(default_factory=dict)
    _asked_at: float = float("-inf")

    def look(self) -> Mapping[str, CameraState]:
        """Returns the state by camera, at most two seconds old; `unknown` where a camera's server
        is away.
        """
        if self.clock.monotonic() - self._asked_at >= CAMERAS_EVERY_SECONDS:
            self._asked_at = self.clock.monotonic()
            self._known = {camera_id: self._state(camera_id) for camera_id in self.cameras()}
        return self._known

    def _state(self, camera_id: str) -> CameraState:
        try:
            return CameraState(self.states.state(camera_id).get("state", CameraState.UNKNOWN))
        except PlatereelError:
            return CameraState.UNKNOWN


async def events(
    feed: EventFeed, watch: CameraWatch, bell: EventBell, after: str | None, permit: Permit
) -> AsyncIterator[bytes]:
    """Yields server-sent events of the caller's cameras: events of segments, as soon as the bell
    rings, and changes of a camera's state.
    """
    with bell.heard() as rung:
        async for sent in _events(feed, watch, rung, after, permit):
            yield sent


async def _events(
    feed: EventFeed, watch: CameraWatch, rung: asyncio.Event, after: str | None, permit: Permit
) -> AsyncIterator[bytes]:
    caller, clock = permit.caller, permit.clock
    beat_at = clock.monotonic()
    last = after or await _patiently(feed.last)
    seen: dict[str, CameraState] = dict(await run_in_threadpool(watch.look))
    yield b": listening\nretry: 3000\n\n"
    while await permit.good():
        rung.clear()  # before looking: what comes meanwhile rings again
        # the broker was away: begin where it is when it is back, not at its beginning
        if last is None:
            last = await _patiently(feed.last)
        found = (
            [] if last is None else await _patiently(partial(feed.read, last, EVENTS_AT_ONCE)) or []
        )
        for event in found:
            last = event.entry_id
            if event.body.get("camera_id") is None or caller.sees(str(event.body["camera_id"])):
                yield _sent(event.name, _as_told(event, caller), event.entry_id)
        now = dict(await run_in_threadpool(watch.look))
        for camera_id, state in now.items():
            if seen.get(camera_id) != state and caller.sees(camera_id):
                yield _sent(EventName.CAMERA_CHANGED, {"camera_id": camera_id, "state": state})
        seen = now
        if clock.monotonic() - beat_at >= BEAT_SECONDS:
            beat_at = clock.monotonic()
            yield b": still here\n\n"
        with suppress(TimeoutError):
            await asyncio.wait_for(rung.wait(), EVENTS_EVERY_SECONDS)


def _as_told(event: Event, caller: Caller) -> dict[str, Any]:
    """Returns an event's body; without the right to the lists, that there was a hit and no more."""
    body = {**event.body, "event": event.name}
    if event.name == EventName.PLATE_HIT and not caller.keeps_lists:
        return {key: value for key, value in body.items() if key not in OF_LISTS}
    return body


async def _patiently(call: Callable[[], Any]) -> Any:
    """Returns the answer, or None while the broker is away: a listener stays connected."""
    try:
        return await run_in_threadpool(call)
    except PlatereelError:
        return None


def _sent(name: str, body: Mapping[str, Any], identifier: str | None = None) -> bytes:
    lines = [] if identifier is None else [f"id: {identifier}"]
    return "\n".join([*lines, f"event: {name}", f"data: {json.dumps(body)}", "", ""]).encode()
