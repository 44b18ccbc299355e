"""The API's description is exact: Schemathesis, with every check and stateful links, finds nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from services.api.attempts import Attempts
from services.api.wiring import build
from tests.integration.test_recordings import accept, finish
from tests.support.http import serving
from tests.support.rows import ready
from tests.support.world import World

KEY = "boss-secret-of-16-characters"
CONFIG = Path(__file__).with_name("schemathesis.toml")
ENDLESS = r"/(events|live\.mjpeg)$"
EXAMPLES = os.environ.get("SCHEMATHESIS_EXAMPLES", "8")


class _Patient(Attempts):
    """Lets every address try wrong keys as often as the checks like."""

    def failed(self, address: str) -> None:
        pass


@pytest.fixture
def address(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The API with clips of every status, behind a real socket."""
    monkeypatch.setattr("services.api.routes.upkeep.WAIT_SECONDS", 0.0)
    for number, camera in enumerate(("cam1", "cam2", "cam1")):
        segment_id = ready(world, camera, number * 100, ["AB123CD"])
        row = world.videos.get(segment_id)
        world.store.put(row["file_path"], bytes(1000), "video/mp4")
        world.store.put(row["thumbnail_path"], b"jpeg", "image/jpeg")
    world.film("cam", 0, 30)
    accept(world, "cam", 10, "d1")
    finish(world, "cam")
    ready(world, "cam1", 900, status="failed")
    world.film("cam1", 0, 1)
    app = build(world.settings.model_copy(update={"api_keys": SecretStr(f"boss:admin:{KEY}")}))
    app.state.ports = replace(app.state.ports, attempts=_Patient(world.clock))
    with serving(app) as url:
        yield url


def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    command = [
        str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG), "run",
        f"{address}/openapi.json", "-H", f"Authorization: Bearer {KEY}", "--exclude-path-regex", ENDLESS,
        "--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing,stateful", "--seed", "1", "--no-color",
        "--continue-on-failure",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, re.sub(r"\n{2,}", "\n", done.stdout)[-15_000:] + done.stderr[-2000:]


def test_the_description_is_openapi_3_1(world: World) -> None:
    app: Any = build(world.settings)
    description = app.openapi()
    assert description["openapi"].startswith("3.1")
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation.get("summary"), (method, path)
            assert operation.get("description"), (method, path)
