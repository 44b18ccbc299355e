"""Topics and messages of MQTT: events, cameras, and what makes Home Assistant find them.

PREFIX/status             retained: online, offline (the last will)
PREFIX/events/NAME        each event, as webhooks get it
PREFIX/camera/ID/state    retained: up or down, why and since when
PREFIX/camera/ID/plate    the plate that was read last; a plate is not kept at the broker
PREFIX/list/NAME/hit      the last hit of a watch list
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

from shared.domain.camera import CameraNews
from shared.domain.events import EventName
from shared.domain.timing import from_ms
from shared.wire.webhooks import body_of

ONLINE, OFFLINE = b"online", b"offline"
LANE = "mqtt"
PORT, TLS_PORT = 1883, 8883
_SCHEMES = {"mqtt": False, "mqtts": True}
_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


@dataclass(frozen=True, slots=True)
class MqttAddress:
    """Where a broker is, and as whom to come."""

    host: str
    port: int
    secure: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)


def mqtt_address(url: str) -> MqttAddress:
    """Returns the address in a URL. Raises ValueError, without the URL, for anything else."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    else:
        if parts.scheme not in _SCHEMES or parts.path not in {"", "/"} or parts.query:
            host = None
    if not host:
        raise ValueError("write it as mqtt://user:password@host:1883, or mqtts://…")
    secure = _SCHEMES[parts.scheme]
    return MqttAddress(
        host=host,
        port=port or (TLS_PORT if secure else PORT),
        secure=secure,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


@dataclass(frozen=True, slots=True)
class MqttMessage:
    """A message for the broker; it keeps a retained one for those who come later."""

    topic: str
    payload: bytes
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Topics:
    """Names below one prefix."""

    prefix: str

    @property
    def status(self) -> str:
        """Whether Platereel is there."""
        return f"{self.prefix}/status"

    def state(self, camera_id: str) -> str:
        """Whether a camera is up."""
        return f"{self.prefix}/camera/{camera_id}/state"

    def plate(self, camera_id: str) -> str:
        """The plate that a camera read last."""
        return f"{self.prefix}/camera/{camera_id}/plate"

    def hit(self, list_name: str) -> str:
        """The last hit of a watch list."""
        return f"{self.prefix}/list/{list_name}/hit"

    def online(self, *, there: bool) -> MqttMessage:
        """Returns the message that Platereel is there, or not."""
        return MqttMessage(self.status, ONLINE if there else OFFLINE, retained=True)

    def event(self, name: str, body: Mapping[str, Any]) -> MqttMessage:
        """Returns an event."""
        return MqttMessage(f"{self.prefix}/events/{name}", body_of(name, body, None)[0])

    def last_plate(self, name: str, body: Mapping[str, Any]) -> MqttMessage | None:
        """Returns the plate that an event tells of; None for other events."""
        if name != EventName.PLATE_READ or not body.get("camera_id"):
            return None
        return MqttMessage(self.plate(str(body["camera_id"])), _json(body))

    def last_hit(self, name: str, body: Mapping[str, Any]) -> MqttMessage | None:
        """Returns the hit that an event tells of; None for other events."""
        if name != EventName.PLATE_HIT or not body.get("list"):
            return None
        return MqttMessage(self.hit(str(body["list"])), _json(body))

    def camera(self, news: CameraNews) -> MqttMessage:
        """Returns how a camera is."""
        told = {
            "state": "down" if news.down else "up",
            "camera_state": str(news.state),
            "cause": news.cause,
            "since": from_ms(news.since_ms).isoformat(),
        }
        return MqttMessage(self.state(news.camera_id), _json(told), retained=True)


def discovery(
    topics: Topics, prefix: str, cameras: Collection[str], events: Collection[str]
) -> Iterator[MqttMessage]:
    """Yields what makes Home Assistant show each camera: whether it has a problem, and its last
    plate where plates are told at all. prefix: where Home Assistant looks.
    """
    for camera_id in cameras:
        slug = _slug(f"{topics.prefix}_{camera_id}")
        device = {"identifiers": [slug], "name": camera_id, "manufacturer": "Platereel"}
        common = {"availability_topic": topics.status, "device": device}
        problem = {
            "name": "Problem",
            "unique_id": f"{slug}_problem",
            "device_class": "problem",
            "entity_category": "diagnostic",
            "state_topic": topics.state(camera_id),
            "value_template": "{{ 'ON' if value_json.state == 'down' else 'OFF' }}",
            "json_attributes_topic": topics.state(camera_id),
        }
        yield _found(prefix, "binary_sensor", slug, "problem", {**common, **problem})
        if EventName.PLATE_READ in events:
            plate = {
                "name": "Last plate",
                "unique_id": f"{slug}_plate",
                "icon": "mdi:car",
                "state_topic": topics.plate(camera_id),
                "value_template": "{{ value_json.plate }}",
                "json_attributes_topic": topics.plate(camera_id),
            }
            yield _found(prefix, "sensor", slug, "plate", {**common, **plate})


def forgotten(
    topics: Topics, prefix: str | None, cameras: Collection[str], events: Collection[str]
) -> Iterator[MqttMessage]:
    """Yields what makes the broker, and Home Assistant where it looks (prefix), forget cameras."""
    kept = [MqttMessage(topics.state(camera_id), b"") for camera_id in cameras]
    found = () if prefix is None else discovery(topics, prefix, cameras, events)
    for each in (*kept, *found):
        yield MqttMessage(each.topic, b"", retained=True)


def list_discovery(topics: Topics, prefix: str, list_name: str, *, there: bool) -> MqttMessage:
    """Returns what makes Home Assistant show the last hit of a watch list, or (not there) forget
    it.
    """
    device = f"{_slug(topics.prefix)}_lists"
    entity = _slug(list_name)
    hit = {
        "name": f"Last hit of {list_name}",
        "unique_id": f"{device}_{entity}_hit",
        "icon": "mdi:car-search",
        "state_topic": topics.hit(list_name),
        "value_template": "{{ value_json.plate }}",
        "json_attributes_topic": topics.hit(list_name),
        "availability_topic": topics.status,
        "device": {"identifiers": [device], "name": "Lists of plates", "manufacturer": "Platereel"},
    }
    found = _found(prefix, "sensor", device, f"{entity}_hit", hit)
    return found if there else MqttMessage(found.topic, b"", retained=True)


def _found(prefix: str, kind: str, device: str, entity: str, body: object) -> MqttMessage:
    return MqttMessage(f"{prefix}/{kind}/{device}/{entity}/config", _json(body), retained=True)


def _slug(name: str) -> str:
    """Returns a name with the characters that Home Assistant takes; different names stay
    different.
    """
    plain = _NOT_IN_IDS.sub("_", name)
    if plain == name:
        return plain
    return f"{plain}_{sha256(name.encode()).hexdigest()[:6]}"


def _json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
