"""When a camera is told to be down, and up again, with time that is given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from services.dispatch.camera_news import SILENT_SECONDS, CameraWatcher
from shared.domain.camera import CameraNews, CameraState
from shared.domain.errors import Retryable
from shared.domain.ports import CameraStates
from tests.support.twins import SimulatedClock

DOWN_SECONDS = 10.0


@dataclass
class Rows:
    """The rows that dispatchers share."""

    rows: dict[str, CameraNews] = field(default_factory=dict)
    events: list[tuple[str, bool, str]] = field(default_factory=list)

    def told(self) -> Mapping[str, CameraNews]:
        return dict(self.rows)

    def tell(self, news: Sequence[CameraNews]) -> int:
        fresh = [
            each
            for each in news
            if each.camera_id not in self.rows or self.rows[each.camera_id].down != each.down
        ]
        for each in fresh:
            self.rows[each.camera_id] = each
            self.events.append((each.camera_id, each.down, each.cause))
        return len(fresh)


@dataclass
class States:
    """What capture says, each second anew unless it is dead."""

    clock: SimulatedClock
    said: dict[str, dict[str, str]] = field(default_factory=dict)
    dead: bool = False
    away: bool = False

    def say(self, camera_id: str, state: str, error: str = "") -> None:
        self.said[camera_id] = {"state": state, "error": error, "owner": "a"}

    def states_of(self, camera_ids: Sequence[str]) -> dict[str, dict[str, str]]:
        if self.away:
            raise Retryable("the frames Redis does not answer")
        if not self.dead:
            for state in self.said.values():
                state["updated_ms"] = str(self.clock.now_ms())
        return {each: dict(self.said.get(each, {})) for each in camera_ids}


@dataclass
class Site:
    """One camera, and dispatchers that watch it."""

    clock: SimulatedClock = field(default_factory=SimulatedClock)
    rows: Rows = field(default_factory=Rows)

    def __post_init__(self) -> None:
        self.states = States(self.clock)
        self.states.say("gate", "connected")

    def watcher(self) -> CameraWatcher:
        return CameraWatcher(
            rows=self.rows,
            states=cast("CameraStates", self.states),
            clock=self.clock,
            cameras=["gate"],
            down_s=DOWN_SECONDS,
        )

    def watch(self, seconds: float, *watchers: CameraWatcher) -> None:
        for _ in range(round(seconds)):
            for each in watchers:
                each.look()
            self.clock.sleep(1.0)


def _told(site: Site) -> list[tuple[str, bool, str]]:
    told, site.rows.events = site.rows.events, []
    return told


def test_a_camera_is_down_after_a_while_and_up_at_once() -> None:
    site = Site()
    watcher = site.watcher()
    site.watch(3, watcher)
    assert _told(site) == [("gate", False, "")], "it delivers for the first time"
    site.states.say("gate", "disconnected", "rtsp://192.0.2.1:554 does not answer")
    began_ms = site.clock.now_ms()
    site.watch(DOWN_SECONDS, watcher)
    assert _told(site) == []
    site.watch(1, watcher)
    assert _told(site) == [("gate", True, "rtsp://192.0.2.1:554 does not answer")]
    assert site.rows.rows["gate"].since_ms == began_ms
    site.watch(60, watcher)
    site.states.say("gate", "stalled")
    site.watch(60, watcher)
    assert _told(site) == [], "another way to be down is no news"
    site.states.say("gate", "connected")
    site.watch(1, watcher)
    assert _told(site) == [("gate", False, "")]


@pytest.mark.parametrize("state", ["disconnected", "stalled", "connecting"])
def test_a_short_reconnect_tells_nothing(state: str) -> None:
    site = Site()
    watcher = site.watcher()
    site.watch(2, watcher)
    _told(site)
    for _ in range(5):
        site.states.say("gate", state)
        site.watch(DOWN_SECONDS - 1, watcher)
        site.states.say("gate", "impaired")
        site.watch(2, watcher)
    assert _told(site) == []


def test_a_frames_redis_that_is_away_says_nothing_of_a_camera() -> None:
    site = Site()
    watcher = site.watcher()
    site.watch(2, watcher)
    _told(site)
    site.states.say("gate", "disconnected")
    site.states.away = True
    for _ in range(60):
        with pytest.raises(Retryable):
            watcher.look()
        site.clock.sleep(1.0)
    site.states.away = False
    site.watch(DOWN_SECONDS, watcher)
    assert _told(site) == []
    site.watch(2, watcher)
    assert [down for _, down, _ in _told(site)] == [True]


def test_a_capture_process_that_died_connected_is_no_camera_that_delivers() -> None:
    site = Site()
    watcher = site.watcher()
    site.watch(2, watcher)
    _told(site)
    site.states.dead = True
    site.watch(SILENT_SECONDS + DOWN_SECONDS + 3, watcher)
    assert _told(site) == [("gate", True, "no process captures it")]


def test_a_camera_that_nobody_captures_is_down() -> None:
    site = Site()
    site.states.said.clear()
    site.watch(DOWN_SECONDS + 2, site.watcher())
    assert _told(site) == [("gate", True, "no process captures it")]


def test_two_dispatchers_tell_it_once_and_a_new_one_does_not_repeat_it() -> None:
    site = Site()
    one, other = site.watcher(), site.watcher()
    site.watch(3, one, other)
    site.states.say("gate", "misconfigured", "no such file")
    site.watch(20, one, other)
    assert _told(site) == [("gate", False, ""), ("gate", True, "no such file")]
    later = site.watcher()
    site.watch(20, later)
    assert _told(site) == []
    site.states.say("gate", "connected")
    site.watch(3, later, one, other)
    assert _told(site) == [("gate", False, "")]


def test_every_state_that_is_down_has_a_cause() -> None:
    for state in CameraState:
        site = Site()
        site.states.say("gate", state)
        site.watch(DOWN_SECONDS + 2, site.watcher())
        ((_, down, cause),) = _told(site)
        assert down == bool(cause) == (state not in {"connected", "impaired"})


def test_a_late_look_counts_little() -> None:
    """A dispatcher that was stopped has seen nothing meanwhile."""
    site = Site()
    watcher = site.watcher()
    site.watch(2, watcher)
    site.states.say("gate", "disconnected")
    site.watch(2, watcher)
    site.clock.sleep(3600.0)
    _told(site)
    watcher.look()
    assert _told(site) == []


def test_without_cameras_nothing_is_asked() -> None:
    watcher = CameraWatcher(
        rows=Rows(), states=cast("Any", None), clock=SimulatedClock(), cameras=[], down_s=1
    )
    assert watcher.look() == 0
