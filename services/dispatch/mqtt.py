"""Publishes events and cameras' states over MQTT, and takes what Frigate reports there.

Its deliveries are rows of a lane of its own, as those of a webhook: while the broker is away they
wait, however long that is, and nothing else does.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from services.dispatch.bell import Bell
from services.dispatch.frigate import FrigateReads
from services.dispatch.lanes import Lane, Refused
from shared.domain.errors import Retryable
from shared.domain.events import EventName
from shared.domain.ports import CameraNewsRows, Clock, MessageBroker, WebhookDelivery, WebhookRows
from shared.wire.mqtt import (
    LANE,
    ONLINE,
    MqttMessage,
    Topics,
    discovery,
    forgotten,
    list_discovery,
)

CAMERA_NEWS = frozenset({EventName.CAMERA_DOWN, EventName.CAMERA_UP})
LONGEST_PAUSE_SECONDS = 30.0
# A camera whose state changes at each try has events that are still to come, which tell the last.
STATE_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Publishing:
    """What is published, and where: events by name, and for Home Assistant (None: not)."""

    topics: Topics
    discovery: str | None
    events: Collection[str]
    cameras: Collection[str]


@dataclass(slots=True, kw_only=True)
class Mqtt:
    """The way to the broker. One thread uses it. frigate: None where nothing is taken from
    there. watch_lists: returns the names of the lists as they are now.
    """

    broker: MessageBroker
    publishing: Publishing
    news: CameraNewsRows
    clock: Clock
    frigate: FrigateReads | None = None
    watch_lists: Callable[[], Collection[str]] = tuple
    _told_lists: frozenset[str] = frozenset()
    _came: deque[tuple[str, bytes]] = field(default_factory=deque)
    _anew: bool = False  # the broker is connected, and has not been told everything yet
    _pause_s: float = 0.0
    _again_s: float = float("-inf")

    def lane(self, deliveries: WebhookRows, bell: Bell) -> Lane:
        """Returns the lane of its deliveries."""
        return Lane(LANE, self, deliveries, self.clock, bell, patient=True)

    def ready(self) -> bool:
        """Be connected, and take what came. Returns False while the broker is given a pause.

        Raises Retryable while a server is away.
        """
        if self.clock.monotonic() < self._again_s:
            return False
        try:
            self._anew |= self.broker.connect()
            if self._anew:
                self._publish(self.publishing.cameras, before=self._announced())
            self._tell_lists(anew=self._anew)
            self._anew = False
        except Retryable:
            self._pause_s = min(LONGEST_PAUSE_SECONDS, max(1.0, self._pause_s * 2))
            self._again_s = self.clock.monotonic() + self._pause_s
            raise
        self._pause_s = 0.0
        self._take()
        return True

    def carry(self, delivery: WebhookDelivery) -> Refused | None:
        """Publish an event and what follows from it. A camera's state is the newest that was told:
        an older event may come after a newer one.
        """
        topics, name, body = self.publishing.topics, delivery.name, delivery.body
        messages: list[MqttMessage] = []
        if name in self.publishing.events:
            last_plate = topics.last_plate(name, body)
            last_hit = topics.last_hit(name, body)
            messages.append(topics.event(name, body))
            messages += [each for each in (last_plate, last_hit) if each is not None]
        cameras = [str(body.get("camera_id"))] if name in CAMERA_NEWS else []
        self._publish(cameras, after=messages)
        return None

    def _publish(
        self,
        cameras: Collection[str],
        *,
        before: Sequence[MqttMessage] = (),
        after: Sequence[MqttMessage] = (),
    ) -> None:
        """Publish the states of cameras, and messages before and after them. The rows are read
        again afterwards: another dispatcher may have published a newer state since they were
        read, and the broker keeps what comes last.
        """
        states = self._states(cameras)
        self.broker.publish([*before, *states, *after])
        for _ in range(STATE_TRIES):
            published, states = set(states), self._states(cameras)
            newer = [each for each in states if each not in published]
            if not newer:
                return
            self.broker.publish(newer)

    def _states(self, cameras: Collection[str]) -> list[MqttMessage]:
        told = self.news.told() if cameras else {}
        return [self.publishing.topics.camera(told[each]) for each in cameras if each in told]

    def close(self) -> None:
        """Say that Platereel is gone, and disconnect."""
        self.broker.close(self.publishing.topics.online(there=False))

    def _announced(self) -> list[MqttMessage]:
        """Returns what a broker must know that may have lost everything, but cameras' states."""
        to = self.publishing
        found = [to.topics.online(there=True)]
        if to.discovery is not None:
            found += discovery(to.topics, to.discovery, to.cameras, to.events)
        gone = [each for each in self.news.told() if each not in to.cameras]
        found += forgotten(to.topics, to.discovery, gone, to.events)
        return found

    def _tell_lists(self, *, anew: bool) -> None:
        """Make Home Assistant find watch lists that are new, and forget those that are gone; anew:
        all of them, because the broker may have lost everything.
        """
        to = self.publishing
        if to.discovery is None or EventName.PLATE_HIT not in to.events:
            return
        now = frozenset(self.watch_lists())
        names = now | self._told_lists if anew else now ^ self._told_lists
        if names:
            found = [
                list_discovery(to.topics, to.discovery, name, there=name in now)
                for name in sorted(names)
            ]
            self.broker.publish(found)
            self._told_lists = now

    def _take(self) -> None:
        """Handle messages one by one. One that cannot be stored now stays the first."""
        self._came.extend(self.broker.received())
        while self._came:
            topic, payload = self._came[0]
            if topic == self.publishing.topics.status:
                # Another dispatcher has gone, and said so for both.
                if payload != ONLINE:
                    self.broker.publish([self.publishing.topics.online(there=True)])
            elif self.frigate is not None:
                self.frigate.take(payload)
            self._came.popleft()
