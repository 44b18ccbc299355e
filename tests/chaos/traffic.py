"""Detections as a site has them: single, in bursts, twice, late, out of order; every one noted in a
history.
"""

from __future__ import annotations

import json
import random
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any, Self

import redis

from tests.chaos.history import History
from tests.chaos.site import Site

LATE_SECONDS = 3.0


def plate_of(number: int) -> str:
    """A plate that is like no other, so that every detection is a vehicle of its own."""
    return md5(str(number).encode(), usedforsecurity=False).hexdigest()[:7].upper()


@dataclass
class Traffic:
    """Publishes detections of a site's cameras from a thread, by a seed that replays."""

    site: Site
    history: History
    seed: int
    doors: tuple[str, ...] = ("http", "stream")
    pause_s: tuple[float, float] = (0.4, 1.6)
    sent: int = 0
    began: int = field(default_factory=lambda: int(time.time() * 10))

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _run(self) -> None:
        cameras = list(self.site.cameras)
        while not self._stopping.is_set():
            camera = self._chance.choice(cameras)
            kind = self._chance.choice(["one", "one", "burst", "twice", "late"])
            now = time.time() - 0.3
            if kind == "burst":
                for step in self._chance.sample(range(4), 4):
                    self.publish(camera, now - step * 0.25)
            elif kind == "late":
                self.publish(camera, now - self._chance.uniform(1, LATE_SECONDS))
            else:
                body = self.publish(camera, now)
                if kind == "twice":
                    self.send(body, self._chance.choice(self.doors))
            self._stopping.wait(self._chance.uniform(*self.pause_s))

    def publish(self, camera: str, captured_at: float, door: str | None = None) -> dict[str, Any]:
        """One new detection by one door."""
        self.sent += 1
        body = {
            "detection_id": f"{self.seed}-{self.began}-{self.sent}", "camera_id": camera,
            "captured_at": round(captured_at, 3), "confidence": 0.9, "plate": plate_of(self.sent),
        }  # fmt: skip
        self.send(body, door or self._chance.choice(self.doors))
        return body

    def send(self, body: dict[str, Any], door: str) -> str:
        """Publish by HTTP (durable row first) or by the stream; how it ended."""
        entry = self.history.begin("detection", door, **body)
        try:
            result = self._post(body) if door == "http" else self._add(body)
        except (OSError, redis.RedisError) as error:
            # A connection that was refused reached nobody; anything else may have.
            refused = isinstance(error, ConnectionRefusedError) or "refused" in str(error)
            self.history.end(entry, "failed" if refused else "unknown", error=type(error).__name__)
            return entry.result
        self.history.end(entry, result)
        return result

    def _post(self, body: dict[str, Any]) -> str:
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{self.site.api_url}/v2/video/detections",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **self.site.api_headers},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310 - our own address
                return "ok" if response.status == 202 else "unknown"
        except urllib.error.HTTPError as error:
            with error:
                return "failed" if error.code in {409, 422} else "unknown"

    def _add(self, body: dict[str, Any]) -> str:
        with self.site.redis("broker") as client:
            client.xadd("detections", {"json": json.dumps(body)})
        return "ok"
