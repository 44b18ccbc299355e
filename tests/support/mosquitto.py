"""Debian's MQTT broker as a child process, and somebody who listens to it."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion

from platereel.embedded.processes import free_ports
from tests.support.waiting import WAIT_SECONDS, wait_until

USER, PASSWORD = "recorder", "not/a:plain@word"


@dataclass
class Mosquitto:
    """A broker that can be killed, stopped and started again on its port."""

    program: str
    folder: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    process: subprocess.Popen[bytes] | None = None
    passwords: bool = False

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        settings = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.port} 127.0.0.1",
            f"allow_anonymous {str(not self.passwords).lower()}",
        ]
        if self.passwords:
            kept = self.folder / "passwords"
            kept.touch(0o600)
            subprocess.run(
                ["mosquitto_passwd", "-b", str(kept), USER, PASSWORD],
                check=True,
                capture_output=True,
            )
            kept.chmod(0o644)
            lines.append(f"password_file {kept}")
        settings.write_text("\n".join([*lines, "user root", "max_queued_messages 10000", ""]))
        self.process = subprocess.Popen(
            [self.program, "-c", str(settings)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._await()

    def _await(self) -> None:
        def listens() -> bool:
            with socket.socket() as line:
                return line.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until("the MQTT broker listens", listens)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait(WAIT_SECONDS)
        self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def mosquitto(folder: Path, *, passwords: bool = False) -> Iterator[Mosquitto]:
    """A broker that runs; skips where Debian's is not installed."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    broker = Mosquitto(program, folder, passwords=passwords)
    broker.start()
    try:
        yield broker
    finally:
        if broker.process is not None:
            broker.thaw()
            broker.kill()


class Listener:
    """A client that keeps all messages, and connects again by itself."""

    def __init__(self, broker: Mosquitto) -> None:
        self.got: list[tuple[str, Any, bool]] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        if broker.passwords:
            self._client.username_pw_set(USER, PASSWORD)
        self._client.reconnect_delay_set(1, 1)
        subscribed = threading.Event()
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._came
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert subscribed.wait(WAIT_SECONDS)

    def _connected(self, *_: Any) -> None:
        self._client.subscribe("#", 1)

    def _came(self, _: Any, __: Any, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload)
        try:
            body = json.loads(payload)
        except ValueError:
            body = payload.decode()
        self.got.append((message.topic, body, message.retain))

    def of(self, topic: str) -> list[Any]:
        """What came on a topic."""
        return [body for name, body, _ in self.got if name == topic]

    def last(self, topic: str) -> Any:
        """The newest message of a topic; None before there was one."""
        return next(iter(reversed(self.of(topic))), None)

    def publish(self, topic: str, body: Any) -> None:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self._client.publish(topic, payload, 1).wait_for_publish(WAIT_SECONDS)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
