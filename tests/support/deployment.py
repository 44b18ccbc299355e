"""A whole deployment under test: `platereel up` as a user starts it, and what a user can see of
it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import redis
from psycopg.rows import dict_row

from tests.support.numbers import number_of_jpeg
from tests.support.waiting import WAIT_SECONDS, wait_until

# beside H.264, each has a camera in the deployment that tests share
CODECS = ("hevc", "av1", "mp4v", "mjpeg")


def clean_environment() -> dict[str, str]:
    """The environment without anything of Platereel's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PLATEREEL_")}


def platereel(
    *arguments: str, timeout: float = WAIT_SECONDS, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command and wait for it."""
    return subprocess.run(
        [sys.executable, "-m", "platereel", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        env=clean_environment() | (environment or {}),
    )


@dataclass
class Deployment:
    """One running `platereel up`."""

    folder: Path
    config: str
    environment: dict[str, str] = field(default_factory=dict)
    program: tuple[str, ...] = (sys.executable, "-m", "platereel")
    cwd: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    run: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        """Start it, and wait until it is up."""
        self.begin()
        try:
            wait_until("run.json", self._running, 180)
        except AssertionError as error:
            error.add_note((self.folder / "up.log").read_text()[-2000:])
            raise

    def begin(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "platereel.yaml"
        path.write_text(self.config, encoding="utf-8")
        log = (self.folder / "up.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                [
                    *self.program,
                    "up",
                    "--config",
                    str(path),
                    "--data",
                    str(self.folder / "data"),
                    "--port",
                    "0",
                ],
                cwd=self.cwd,
                stdout=log,
                stderr=log,
                env=clean_environment() | self.environment,
                start_new_session=True,
            )

    def _running(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "up.log").read_text()
        try:
            self.run = json.loads((self.folder / "data" / "run.json").read_text())
        except (FileNotFoundError, ValueError):
            return False
        return True

    def refresh(self) -> dict[str, Any]:
        self.run = json.loads((self.folder / "data" / "run.json").read_text())
        return self.run

    def stop(self) -> float:
        """SIGTERM; how long it took."""
        assert self.process is not None
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(WAIT_SECONDS)
        return time.monotonic() - began

    # What a user does.

    def get(self, path: str, headers: dict[str, str] | None = None) -> Any:
        return json.loads(self.ask("GET", path, headers=headers)[1])

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        """As `fetch`, and again where a server on a busy machine says so, as any client does. Not
        for what may not be done twice.
        """
        until = time.monotonic() + WAIT_SECONDS
        while True:
            answer = self.fetch(method, path, body, headers)
            if answer[0] != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > until:
                return answer
            time.sleep(0.5)

    def fetch(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]]:
        data = None if body is None else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.run["api_url"] + path, data, given | (headers or {}), method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as response:  # noqa: S310
                return response.status, response.read(), dict(response.headers)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read(), dict(error.headers)

    def query(self, sql: str, *args: object) -> list[dict[str, Any]]:
        with psycopg.connect(self.run["database_url"], row_factory=dict_row) as connection:
            return connection.execute(sql, args).fetchall()

    def frames(self) -> redis.Redis:
        return redis.Redis.from_url(self.run["frames_url"])

    def broker(self) -> redis.Redis:
        return redis.Redis.from_url(self.run["broker_url"])

    def newest(self, camera: str) -> tuple[int, int]:
        """Capture time (ms) and number of a camera's newest frame."""

        def look() -> tuple[int, int] | None:
            with self.frames() as client:
                found: Any = client.xrevrange(f"platereel:frames:{{{camera}}}", count=1)
            if not found:
                return None
            number = number_of_jpeg(found[0][1][b"j"])
            return None if number is None else (int(found[0][0].split(b"-")[0]), number)

        answer: tuple[int, int] = wait_until(f"frames of {camera}", look)
        return answer

    def wait_buffered(self, camera: str, seconds: float) -> None:
        """Wait until a camera's buffer holds that many seconds."""

        def long_enough() -> bool:
            with self.frames() as client:
                first: Any = client.xrange(f"platereel:frames:{{{camera}}}", count=1)
                last: Any = client.xrevrange(f"platereel:frames:{{{camera}}}", count=1)
            if not first:
                return False
            return bool(
                int(last[0][0].split(b"-")[0]) - int(first[0][0].split(b"-")[0]) >= seconds * 1000
            )

        wait_until(f"{seconds} s of {camera}", long_enough)

    def detect(
        self, camera: str, captured_ms: int, name: str, confidence: float = 0.9, **more: Any
    ) -> None:
        """Publish a detection by HTTP."""
        body = {
            "detection_id": name, "camera_id": camera, "captured_at": captured_ms / 1000, "confidence": confidence,
            **more,
        }  # fmt: skip
        status, answer, _ = self.ask("POST", "/v2/video/detections", body)
        assert status == 202, answer

    def clips_of(self, detection: str, timeout: float = WAIT_SECONDS) -> list[dict[str, Any]]:
        """A detection's segments, once all are finished."""
        path = f"/v2/video/by-detection/{quote(detection)}"

        def finished() -> list[dict[str, Any]] | None:
            answer = self.get(path)
            items: list[dict[str, Any]] = answer["items"]
            settled = answer["outcome"] != "pending"
            return (
                items
                if settled and items and all(i["status"] in {"ready", "failed"} for i in items)
                else None
            )

        items: list[dict[str, Any]] = wait_until(f"the clips of {detection}", finished, timeout)
        return items

    def download(self, segment: dict[str, Any]) -> Path:
        status, data, _ = self.ask("GET", f"/v2/video/segments/{segment['id']}/download")
        assert status == 200
        path = self.folder / f"{segment['id']}.mp4"
        path.write_bytes(data)
        return path
