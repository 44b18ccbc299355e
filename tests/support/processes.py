"""Single processes of a deployment as children of a test, on the servers of its world."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.deployment import clean_environment
from tests.support.waiting import WAIT_SECONDS, wait_until
from tests.support.world import World

CONFIG = 'cameras: {cam: {source: "synthetic:numbered?fps=10&size=64x64", detect: true}}\n'


@dataclass(frozen=True, slots=True)
class Process:
    """A running process, and what it has written to its two outputs."""

    child: subprocess.Popen[bytes]
    folder: Path

    def said(self) -> str:
        return "".join((self.folder / name).read_text() for name in ("out", "err"))

    def events(self) -> list[dict[str, Any]]:
        """Every line of both outputs, parsed: a line that is no JSON fails."""
        return [json.loads(line) for line in self.said().splitlines()]

    def wait_for(self, words: str) -> None:
        wait_until(f"{words!r} of {self.folder.name}", lambda: words in self.said())

    def stop(self) -> int:
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
        return self.child.wait(WAIT_SECONDS)


def environment_of(world: World, **more: str) -> dict[str, str]:
    """The environment of a process that uses the world's servers."""
    settings = world.settings
    urls = {
        "PLATEREEL_DATABASE_URL": settings.database_url, "PLATEREEL_FRAMES_URL": settings.frames_url,
        "PLATEREEL_BROKER_URL": settings.broker_url, "PLATEREEL_STORAGE_URL": settings.storage_url,
    }  # fmt: skip
    names = {
        "PLATEREEL_API__PORT": "0", "PLATEREEL_REDIS_PREFIX": settings.redis_prefix,
        "PLATEREEL_DETECTIONS_NAME": settings.detections_name,
    }  # fmt: skip
    given = {name: url.get_secret_value() for name, url in urls.items() if url is not None}
    return clean_environment() | given | names | more


@contextmanager
def process(
    folder: Path, environment: Mapping[str, str], *arguments: str, config: str = CONFIG
) -> Iterator[Process]:
    """A process for the length of a block; its files are in a folder of its own below `folder`."""
    own = folder / f"{arguments[0]}-{len(list(folder.iterdir()))}"
    own.mkdir()
    (own / "platereel.yaml").write_text(config)
    with (own / "out").open("wb") as out, (own / "err").open("wb") as err:
        child = subprocess.Popen(
            [sys.executable, "-m", "platereel", *arguments],
            stdout=out,
            stderr=err,
            env=environment,
            cwd=own,
        )
    running = Process(child, own)
    try:
        yield running
    finally:
        try:
            running.stop()
        finally:
            child.kill()
            child.wait()
