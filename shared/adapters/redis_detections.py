"""The detections stream, its Pub/Sub door, and the stream of outgoing events, on the broker Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import redis

from shared.adapters.redis_client import kinds
from shared.domain.errors import Retryable
from shared.domain.ports import Clock, Delivery
from shared.wire.keys import GROUP, Keys

CLAIM_EVERY_SECONDS = 1.0
CLAIM_IDLE_MS = 3_000
REJECTED_KEPT = 10_000
EVENTS_KEPT = 100_000
SAME_MESSAGE_MS = 1_000
HINT = b"hint"


class RedisDetections:
    """Implements the ports `DetectionStream` and `EventSink` for one consumer of the group."""

    def __init__(self, client: redis.Redis, keys: Keys, consumer: str, clock: Clock) -> None:
        self._redis = client
        self._keys = keys
        self._consumer = consumer
        self._clock = clock
        self._claimed_at = float("-inf")

    def publish(self, payload: bytes) -> str:
        """See the port."""
        with kinds("broker"):
            identifier: Any = self._redis.xadd(self._keys.detections, {"json": payload})
        return str(identifier.decode())

    def hint(self, detection_id: str) -> None:
        """See the port."""
        with kinds("broker"):
            self._redis.xadd(self._keys.detections, {HINT: detection_id})

    def read(self, count: int, block_s: float) -> list[Delivery]:
        """See the port; a lost group (a wiped broker) is made again from the stream's beginning."""
        with kinds("broker"):
            claimed = self._grouped(lambda: self._claim(count))
            if claimed:
                return claimed
            return self._grouped(lambda: self._read_new(count, block_s))

    def _read_new(self, count: int, block_s: float) -> list[Delivery]:
        reply: Any = self._redis.xreadgroup(
            GROUP, self._consumer, {self._keys.detections: ">"}, count=count, block=max(1, round(block_s * 1000))
        )
        return [Delivery(identifier.decode(), fields) for _, entries in reply or [] for identifier, fields in entries]

    def _claim(self, count: int) -> list[Delivery]:
        """Messages whose reader has not acknowledged them for a while: it died, or failed and will see them again."""
        if self._clock.monotonic() - self._claimed_at < CLAIM_EVERY_SECONDS:
            return []
        self._claimed_at = self._clock.monotonic()
        reply: Any = self._redis.xautoclaim(
            self._keys.detections, GROUP, self._consumer, min_idle_time=CLAIM_IDLE_MS, count=count
        )
        return [Delivery(identifier.decode(), fields) for identifier, fields in reply[1] if fields]

    def _grouped(self, call: Callable[[], list[Delivery]]) -> list[Delivery]:
        try:
            return call()
        except redis.ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            self._make_group()
            return call()

    def _make_group(self) -> None:
        try:
            self._redis.xgroup_create(self._keys.detections, GROUP, id="0", mkstream=True)
        except redis.ResponseError as error:
            if not str(error).startswith("BUSYGROUP"):
                raise

    def ack(self, entry_ids: Sequence[str]) -> None:
        """See the port."""
        if entry_ids:
            with kinds("broker"):
                self._redis.xack(self._keys.detections, GROUP, *entry_ids)

    def reject(self, entry_id: str, payload: bytes, reason: str) -> None:
        """See the port; the newest ten thousand are kept."""
        with kinds("broker"):
            self._redis.xadd(
                self._keys.rejected,
                {"entry": entry_id, "reason": reason, "json": payload},
                maxlen=REJECTED_KEPT,
                approximate=True,
            )

    def trim(self, older_than_ms: int) -> None:
        """See the port; never past the oldest message that is not acknowledged."""
        with kinds("broker"):
            try:
                pending: Any = self._redis.xpending(self._keys.detections, GROUP)
                groups: Any = self._redis.xinfo_groups(self._keys.detections)
            except redis.ResponseError:
                return
            oldest = older_than_ms
            if pending["pending"]:
                oldest = min(oldest, int(pending["min"].split(b"-")[0]))
            oldest = min([oldest, *(int(group["last-delivered-id"].split(b"-")[0]) for group in groups)])
            self._redis.xtrim(self._keys.detections, minid=f"{oldest}-0", approximate=True)


class RedisEvents:
    """Implements the port `EventSink`."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def publish(self, name: str, body: Mapping[str, Any]) -> None:
        """See the port."""
        with kinds("broker"):
            self._redis.xadd(
                self._keys.events, {"event": name, "json": json.dumps(body)}, maxlen=EVENTS_KEPT, approximate=True
            )


class RedisEventFeed:
    """Implements the port `EventFeed`."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys

    def last(self) -> str:
        """See the port."""
        with kinds("broker"):
            newest: Any = self._redis.xrevrange(self._keys.events, count=1)
        return newest[0][0].decode() if newest else "0-0"

    def read(self, after: str, limit: int) -> list[tuple[str, dict[str, Any]]]:
        """See the port."""
        with kinds("broker"):
            found: Any = self._redis.xrange(self._keys.events, min=f"({after}", count=limit)
        return [
            (identifier.decode(), {**json.loads(fields[b"json"]), "event": fields[b"event"].decode()})
            for identifier, fields in found
        ]


class RedisChannel:
    """Implements the port `DetectionChannel`; subscribes again after its connection broke."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys
        self._ear: Any = None

    def listen(self, timeout_s: float) -> list[bytes]:
        """See the port."""
        try:
            with kinds("broker"):
                if self._ear is None:
                    self._ear = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                    self._ear.subscribe(self._keys.detections)
                message = self._ear.get_message(timeout=timeout_s)
                if message is None or message["type"] != "message":
                    return []
                payload = message["data"]
                mark = self._keys.heard(sha256(payload).hexdigest())
                fresh = self._redis.set(mark, b"1", nx=True, px=SAME_MESSAGE_MS)
                return [payload] if fresh else []
        except Retryable:
            self.close()
            raise

    def close(self) -> None:
        """Unsubscribe."""
        if self._ear is not None:
            self._ear.close()
            self._ear = None
