"""Dispatch's loops: a thread per door, the pacer's three, one for the lists, and one a webhook."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from services.dispatch.lanes import Lane
from services.dispatch.mqtt import Mqtt
from services.dispatch.survey import EVERY_SECONDS, Survey
from services.dispatch.wiring import World
from shared.domain.errors import PlatereelError, told
from shared.runtime.logs import logger

TICK_SECONDS = 0.1
BLOCK_SECONDS = 0.5
LOOK_SECONDS = 0.3
JOBS_SECONDS = 1.0
CAMERAS_SECONDS = 1.0
WEBHOOK_SECONDS = 0.5
SETTINGS_SECONDS = 2.0
BACKOFF_SECONDS = 1.0

_log = logger(__name__)


def run(world: World, stopping: threading.Event) -> None:
    """Run until `stopping` is set, or the cameras' settings have changed; a step that fails is
    tried again after a second.
    """
    ended = threading.Event()
    steps: dict[str, Callable[[], object]] = {
        "stream": lambda: world.intake.read_stream(BLOCK_SECONDS),
        "in hand": lambda: world.intake.in_hand.look() or ended.wait(LOOK_SECONDS),  # type: ignore[func-returns-value]
        "channel": lambda: world.intake.read_channel(BLOCK_SECONDS),
        "pending": lambda: world.intake.read_pending() or ended.wait(BLOCK_SECONDS),
        "events": lambda: _relay(world),
        "lists": lambda: world.known_plates.follow(BLOCK_SECONDS),
        "jobs": lambda: world.pacer.jobs() or ended.wait(JOBS_SECONDS),  # type: ignore[func-returns-value]
    }
    steps["end"] = lambda: ended.set() if stopping.wait(TICK_SECONDS) else None
    steps["settings"] = partial(_follow, world, ended)
    if world.cameras.cameras:
        steps["cameras"] = lambda: _watch(world) or ended.wait(CAMERAS_SECONDS)  # type: ignore[func-returns-value]
    if world.survey is not None:
        steps["survey"] = partial(_look_around, world.survey, ended)
    for lane in world.webhooks:
        steps[f"webhook {lane.name}"] = partial(_send, lane)
    if world.mqtt is not None:
        steps["mqtt"] = partial(_carry, *world.mqtt)
    threads = [
        threading.Thread(target=_repeat, args=(name, step, ended), name=name, daemon=True)
        for name, step in steps.items()
    ]
    for thread in threads:
        thread.start()
    _repeat("pacer", lambda: _pace(world), ended)
    for bell in (world.events_wait, *(lane.bell for lane in world.lanes)):
        bell.ring()
    until_s = world.clock.monotonic() + BLOCK_SECONDS * 4
    for thread in threads:
        thread.join(timeout=max(0.0, until_s - world.clock.monotonic()))
    world.close()


def _relay(world: World) -> None:
    """Publish what waits, and wake the lanes. A dispatcher that did not record or relay it finds it
    by looking.
    """
    if world.pacer.relay() == 0:
        world.events_wait.wait(TICK_SECONDS)
        return
    for lane in world.lanes:
        lane.bell.ring()


def _watch(world: World) -> None:
    if world.cameras.look():
        world.events_wait.ring()


def _follow(world: World, ended: threading.Event) -> None:
    if world.follower.look():
        _log.info("dispatch_begins_anew")
        ended.set()
    ended.wait(SETTINGS_SECONDS)


def _look_around(survey: Survey, stopping: threading.Event) -> None:
    survey.look()
    stopping.wait(EVERY_SECONDS)


def _send(lane: Lane) -> None:
    if lane.send() == 0:
        lane.bell.wait(WEBHOOK_SECONDS)


def _carry(mqtt: Mqtt, lane: Lane) -> None:
    if not mqtt.ready() or lane.send() == 0:
        lane.bell.wait(WEBHOOK_SECONDS)


def _pace(world: World) -> None:
    world.pacer.tick()
    world.alive()
    world.rows.wait(TICK_SECONDS)


def _repeat(name: str, step: Callable[[], object], stopping: threading.Event) -> None:
    failing = False
    while not stopping.is_set():
        try:
            step()
        except PlatereelError as error:
            if not failing:
                _log.warning("loop_waits", loop=name, error=told(error))
            failing = True
            stopping.wait(BACKOFF_SECONDS)
        except Exception:  # noqa: BLE001 - the top of a loop
            _log.exception("loop_failed", loop=name)
            stopping.wait(BACKOFF_SECONDS)
        else:
            if failing:
                _log.info("loop_goes_on", loop=name)
            failing = False
