"""One connection to an MQTT broker, with paho-mqtt."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from shared.domain.errors import Retryable
from shared.domain.ports.mqtt import Message
from shared.wire.mqtt import MqttAddress

ANSWER_SECONDS, KEEPALIVE_SECONDS = 5.0, 10
QOS = 1
# Messages that wait for their reader. The oldest go first: the newest tell more of what is.
MOST_WAITING = 1_000


class MqttBroker:
    """Implements the port `MessageBroker`.

    will: what the broker publishes when this connection breaks. topics: what to subscribe to.
    rung: called when a message came, in a thread of the client.
    """

    def __init__(
        self,
        address: MqttAddress,
        *,
        client_id: str,
        will: Message,
        topics: Sequence[str],
        rung: Callable[[], None],
    ) -> None:
        self._address = address
        self._client_id = client_id
        self._will = will
        self._topics = list(topics)
        self._rung = rung
        self._waiting: deque[tuple[str, bytes]] = deque(maxlen=MOST_WAITING)
        self._client: paho.Client | None = None

    @property
    def _shown(self) -> str:
        return f"the MQTT broker {self._address.host}:{self._address.port}"

    def connect(self) -> bool:
        if self._client is not None and self._client.is_connected():
            return False
        self._drop()
        client, answered = self._new_client()
        self._client = client
        try:
            client.connect(self._address.host, self._address.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:
            self._drop()
            raise Retryable(f"{self._shown} does not answer: {type(error).__name__}") from error
        client.loop_start()
        if not answered.wait(ANSWER_SECONDS):
            self._drop()
            raise Retryable(f"{self._shown} does not answer")
        if answered.refusal is not None:
            refusal = answered.refusal
            self._drop()
            raise Retryable(f"{self._shown} refuses: {refusal}")
        return True

    def _new_client(self) -> tuple[paho.Client, _Answered]:
        """The session is clean: what is on its way is in rows, and the broker keeps none of it."""
        client = paho.Client(
            CallbackAPIVersion.VERSION2, self._client_id, reconnect_on_failure=False
        )
        client.connect_timeout = ANSWER_SECONDS
        if self._address.user is not None:
            client.username_pw_set(self._address.user, self._address.password)
        if self._address.secure:
            client.tls_set()
        client.will_set(self._will.topic, self._will.payload, QOS, self._will.retained)
        answered = _Answered()

        def connected(_: Any, __: Any, ___: Any, reason: ReasonCode, ____: Any) -> None:
            if reason.is_failure:
                answered.refusal = str(reason)
            elif self._topics:
                client.subscribe([(topic, QOS) for topic in self._topics])
            answered.set()

        def came(_: Any, __: Any, message: paho.MQTTMessage) -> None:
            self._waiting.append((message.topic, bytes(message.payload)))
            self._rung()

        client.on_connect = connected
        client.on_message = came
        return client, answered

    def publish(self, messages: Sequence[Message]) -> None:
        """A connection on which one message is not acknowledged in time is not used again."""
        client = self._client
        if client is None or not client.is_connected():
            raise Retryable(f"{self._shown} is not connected")
        sent = [client.publish(each.topic, each.payload, QOS, each.retained) for each in messages]
        try:
            for each in sent:
                if each.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE:
                    raise Retryable(f"{self._shown} takes no more")
                each.wait_for_publish(ANSWER_SECONDS)
                if not each.is_published():
                    raise Retryable(f"{self._shown} does not answer")
        except (RuntimeError, ValueError) as error:  # the connection broke meanwhile
            self._drop()
            raise Retryable(f"{self._shown} does not answer") from error
        except Retryable:
            self._drop()
            raise

    def received(self) -> list[tuple[str, bytes]]:
        found = []
        while self._waiting:
            found.append(self._waiting.popleft())
        return found

    def close(self, last: Message) -> None:
        with suppress(Retryable):
            self.publish([last])
            client, self._client = self._client, None
            if client is not None:  # it answers: it ends by itself, and the will is not published
                client.disconnect()
                client.loop_stop()
        self._drop()

    def _drop(self) -> None:
        """Give the connection up, so that its broker publishes the will. A client whose broker is
        silent ends only when its socket does.
        """
        client, self._client = self._client, None
        line = None if client is None else client.socket()
        if line is not None:
            with suppress(OSError):
                line.close()
        if client is not None:
            client.loop_stop()


class _Answered(threading.Event):
    """Set when the broker has answered; refusal: why it did not let us in."""

    refusal: str | None = None
