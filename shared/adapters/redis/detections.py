"""The detections stream and its Pub/Sub door, on the broker Redis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

import redis

from shared.adapters.redis.client import kinds
from shared.domain.errors import Retryable
from shared.domain.ports import Clock, DetectionDelivery
from shared.wire.bounded_json import printable
from shared.wire.detections import MAX_BYTES
from shared.wire.keys import GROUP, Keys

CLAIM_EVERY_SECONDS = 1.0
CLAIM_IDLE_MS = 3_000
MOST_PENDING = 1_000
REJECTED_KEPT = 10_000
SAME_MESSAGE_MS = 1_000
HINT, CAMERA = b"hint", b"camera"

# In one step: a message whose mark is there is in the stream.
_FORWARD = """
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('XADD', KEYS[2], '*', 'json', ARGV[1])
redis.call('SET', KEYS[1], 1, 'PX', ARGV[2])
return 1
"""


class RedisDetections:
    """Implements the port `DetectionStream` for one consumer of the group."""

    def __init__(self, client: redis.Redis, keys: Keys, consumer: str, clock: Clock) -> None:
        self._redis = client
        self._keys = keys
        self._consumer = consumer
        self._clock = clock
        self._claimed_at = float("-inf")
        self._claim_from = b"0-0"

    def publish(self, payload: bytes) -> str:
        with kinds("broker"):
            identifier: Any = self._redis.xadd(self._keys.detections, {"json": payload})
        return str(identifier.decode())

    def hint(self, camera_id: str, detection_id: str) -> None:
        with kinds("broker"):
            self._redis.xadd(self._keys.detections, {HINT: detection_id, CAMERA: camera_id})

    def read(self, count: int, block_s: float) -> list[DetectionDelivery]:
        """A lost group (a wiped broker) is made again from the stream's beginning."""
        with kinds("broker"):
            claimed = self._grouped(lambda: self._claim(count))
            if claimed:
                return claimed
            return self._grouped(lambda: self._read_new(count, block_s))

    def _read_new(self, count: int, block_s: float) -> list[DetectionDelivery]:
        """The broker's time comes with the messages, in one exchange."""
        line = self._redis.pipeline(transaction=False)
        line.xreadgroup(
            GROUP,
            self._consumer,
            {self._keys.detections: ">"},
            count=count,
            block=max(1, round(block_s * 1000)),
        )
        line.time()
        reply, time = line.execute(raise_on_error=False)
        if isinstance(reply, Exception):
            raise reply
        entries = [entry for _, found in reply or [] for entry in found]
        return _deliveries(entries, {}, _ms(time))

    def _claim(self, count: int) -> list[DetectionDelivery]:
        """Returns messages that their reader has not acknowledged for a while: it died, or it
        failed and reads them again. Goes on where the last claim ended, so that messages that
        nobody can settle do not hide those behind them.
        """
        if self._clock.monotonic() - self._claimed_at < CLAIM_EVERY_SECONDS:
            return []
        self._claimed_at = self._clock.monotonic()
        reply: Any = self._redis.xautoclaim(
            self._keys.detections,
            GROUP,
            self._consumer,
            min_idle_time=CLAIM_IDLE_MS,
            start_id=self._claim_from.decode(),
            count=count,
        )
        self._claim_from = reply[0]
        entries = [entry for entry in reply[1] if entry[1]]
        if not entries:
            return []
        tries = {
            each["message_id"]: each["times_delivered"] - 1
            for each in self._mine(entries[0][0], entries[-1][0])
        }
        return _deliveries(entries, tries, self._now_ms())

    def _mine(self, first: bytes | str, last: bytes | str) -> list[dict[str, Any]]:
        """Returns which of a range of ids this consumer has not acknowledged."""
        found: Any = self._redis.xpending_range(
            self._keys.detections,
            GROUP,
            min=first,
            max=last,
            count=MOST_PENDING,
            consumername=self._consumer,
        )
        return list(found)

    def _now_ms(self) -> int:
        return _ms(self._redis.time())

    def _grouped(self, call: Callable[[], list[DetectionDelivery]]) -> list[DetectionDelivery]:
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
        if entry_ids:
            with kinds("broker"):
                self._redis.xack(self._keys.detections, GROUP, *entry_ids)

    def put_off(self, entry_ids: Sequence[str], tries: int = 0) -> None:
        """The messages count as idle from now on."""
        if entry_ids:
            with kinds("broker"), _wiped():
                self._redis.xclaim(
                    self._keys.detections,
                    GROUP,
                    self._consumer,
                    0,
                    [*entry_ids],
                    retrycount=tries,
                    justid=True,
                )

    def keep(self, entry_ids: Sequence[str]) -> None:
        if not entry_ids:
            return
        ordered = sorted(entry_ids, key=_order)
        with kinds("broker"), _wiped():
            mine = {each["message_id"].decode() for each in self._mine(ordered[0], ordered[-1])}
            if kept := [entry_id for entry_id in ordered if entry_id in mine]:
                self._redis.xclaim(
                    self._keys.detections, GROUP, self._consumer, 0, [*kept], justid=True
                )

    def unread_s(self) -> float:
        """A stream that is not there, or has no group yet, has nothing unread."""
        with kinds("broker"):
            try:
                groups: Any = self._redis.xinfo_groups(self._keys.detections)
            except redis.ResponseError:
                return 0.0
            last = next(
                (group["last-delivered-id"] for group in groups if group["name"] == GROUP.encode()),
                None,
            )
            if last is None:
                return 0.0
            following: Any = self._redis.xrange(self._keys.detections, min=b"(" + last, count=1)
            return max(0, self._now_ms() - _ms_of(following[0][0])) / 1000 if following else 0.0

    def reject(self, entry_id: str, payload: bytes, reason: str) -> None:
        """The newest ten thousand are kept."""
        with kinds("broker"):
            self._redis.xadd(
                self._keys.rejected,
                {"entry": entry_id, "reason": printable(reason), "json": payload[:MAX_BYTES]},
                maxlen=REJECTED_KEPT,
                approximate=True,
            )

    def forget_readers(self, idle_s: float) -> int:
        """Its own consumer stays."""
        with kinds("broker"):
            try:
                readers: Any = self._redis.xinfo_consumers(self._keys.detections, GROUP)
            except redis.ResponseError:
                return 0
            gone = [
                reader["name"]
                for reader in readers
                if reader["idle"] > idle_s * 1000
                and not reader["pending"]
                and reader["name"] != self._consumer.encode()
            ]
            for name in gone:
                self._redis.xgroup_delconsumer(self._keys.detections, GROUP, name)
            return len(gone)

    def trim(self, older_than_ms: int) -> None:
        """Never goes past the oldest message that is not acknowledged."""
        with kinds("broker"):
            try:
                # Asked first: what is delivered between the two comes after the last delivered one.
                groups: Any = self._redis.xinfo_groups(self._keys.detections)
                pending: Any = self._redis.xpending(self._keys.detections, GROUP)
            except redis.ResponseError:
                return
            oldest = older_than_ms
            if pending["pending"]:
                oldest = min(oldest, int(pending["min"].split(b"-")[0]))
            oldest = min(
                [oldest, *(int(group["last-delivered-id"].split(b"-")[0]) for group in groups)]
            )
            self._redis.xtrim(self._keys.detections, minid=f"{oldest}-0", approximate=True)


@contextmanager
def _wiped() -> Iterator[None]:
    """A broker that was wiped knows no group and no earlier message, so there is nothing left to do
    for them.
    """
    try:
        yield
    except redis.ResponseError as error:
        if not str(error).startswith("NOGROUP"):
            raise


def _deliveries(
    entries: Sequence[tuple[bytes, Any]], tries: Mapping[bytes, int], now_ms: int
) -> list[DetectionDelivery]:
    return [
        DetectionDelivery(
            identifier.decode(),
            fields,
            tries.get(identifier, 0),
            max(0, now_ms - _ms_of(identifier)) / 1000,
        )
        for identifier, fields in entries
    ]


def _ms(time: tuple[int, int]) -> int:
    """Returns what TIME answers in milliseconds."""
    seconds, microseconds = time
    return int(seconds) * 1000 + int(microseconds) // 1000


def _ms_of(entry_id: bytes) -> int:
    return int(entry_id.split(b"-")[0])


def _order(entry_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in entry_id.split("-"))


class RedisChannel:
    """Implements the port `DetectionChannel`; subscribes again after its connection broke."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._redis = client
        self._keys = keys
        self._ear: Any = None

    def listen(self, timeout_s: float) -> list[bytes]:
        try:
            with kinds("broker"):
                if self._ear is None:
                    self._ear = self._redis.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
                    self._ear.subscribe(self._keys.detections)
                message = self._ear.get_message(timeout=timeout_s)
                if message is None or message["type"] != "message":
                    return []
                return [message["data"]]
        except Retryable:
            self.close()
            raise

    def forward(self, payload: bytes) -> bool:
        with kinds("broker"):
            script = self._redis.register_script(_FORWARD)
            keys = [self._mark(payload), self._keys.detections]
            return bool(script(keys=keys, args=[payload, SAME_MESSAGE_MS]))

    def claim(self, payload: bytes) -> bool:
        with kinds("broker"):
            return bool(self._redis.set(self._mark(payload), b"1", nx=True, px=SAME_MESSAGE_MS))

    def _mark(self, payload: bytes) -> str:
        return self._keys.heard(sha256(payload).hexdigest())

    def close(self) -> None:
        """Unsubscribe."""
        if self._ear is not None:
            self._ear.close()
            self._ear = None
