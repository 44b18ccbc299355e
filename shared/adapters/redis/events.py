"""The stream of outgoing events, on the broker Redis."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import redis

from shared.adapters.redis.client import kinds
from shared.domain.events import Event
from shared.wire.bounded_json import load_json, printable
from shared.wire.keys import Keys

EVENTS_KEPT = 100_000


class RedisEvents:
    """Implements the port `EventSink`."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def publish_all(self, events: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str | None]:
        """A server that does not answer in time may have taken them all."""
        with kinds("broker"), self._redis.pipeline(transaction=False) as line:
            for name, body in events:
                line.xadd(
                    self._keys.events,
                    {"event": name, "json": json.dumps(body)},
                    maxlen=EVENTS_KEPT,
                    approximate=True,
                )
            answers = line.execute(raise_on_error=False)
        return [self._refusal(answer) for answer in answers]

    @staticmethod
    def _refusal(answer: object) -> str | None:
        """Returns why the broker refused an event; raises Retryable for what concerns all of
        them.
        """
        if not isinstance(answer, Exception):
            return None
        try:
            with kinds("broker"):
                raise answer
        except redis.ResponseError as error:
            return printable(str(error))


class RedisEventFeed:
    """Implements the port `EventFeed`."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def last(self) -> str:
        with kinds("broker"):
            newest: Any = self._redis.xrevrange(self._keys.events, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def read(self, after: str, limit: int) -> list[Event]:
        with kinds("broker"):
            found: Any = self._redis.xrange(self._keys.events, min=f"({after}", count=limit)
        return [_event(identifier, fields) for identifier, fields in found]

    def wait(self, after: str, timeout_s: float) -> bool:
        with kinds("broker"):
            found: Any = self._redis.xread(
                {self._keys.events: after}, count=1, block=max(1, round(timeout_s * 1000))
            )
        return bool(found)


def _event(identifier: bytes, fields: Mapping[bytes, bytes]) -> Event:
    """Returns an event of the stream; one that another program put there in another form has a name
    and no body.
    """
    name = fields.get(b"event", b"unknown").decode("utf-8", "replace")
    try:
        body = load_json(fields.get(b"json", b"{}"))
    except ValueError:
        body = {}
    return Event(
        entry_id=identifier.decode(), name=name, body=body if isinstance(body, dict) else {}
    )
