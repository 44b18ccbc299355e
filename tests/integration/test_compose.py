"""The compose file as docker-compose itself reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
OURS = {
    name for name, service in yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"].items()
    if "build" in service
}  # fmt: skip


@pytest.mark.apt
def test_compose_accepts_the_file_and_hands_secrets_on(tmp_path: Path) -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed (apt-get install docker-compose)")
    variables = dict.fromkeys(
        (
            "POSTGRES_PASSWORD",
            "REDIS_PASSWORD",
            "MINIO_ROOT_USER",
            "MINIO_ROOT_PASSWORD",
            "PLATEREEL_API_KEYS",
        ),
        "x",
    )

    def resolved(more: dict[str, str]) -> dict[str, Any]:
        done = subprocess.run(
            [compose, "-f", str(ROOT / "docker-compose.yml"), "config"],
            env=os.environ | variables | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
        return found

    # Docker leaves it out
    assert resolved({})["api"]["environment"]["PLATEREEL_SIGNING_KEY"] is None
    secrets = tmp_path / "secrets.env"
    secrets.write_text("PLATEREEL_GATE_PASSWORD='p#1 $x\"q'\nPLATEREEL_YARD_PASSWORD='p${x}q'\n")
    services = resolved({"PLATEREEL_SECRETS": str(secrets), "PLATEREEL_SIGNING_KEY": "signs"})
    for name, service in services.items():
        given = service.get("environment", {})
        # A $ is doubled in what `config` prints.
        assert given.get("PLATEREEL_GATE_PASSWORD") == ('p#1 $$x"q' if name in OURS else None), name
        # As env.example says: docker-compose 1.29 fills it in, v2 leaves it.
        assert given.get("PLATEREEL_YARD_PASSWORD") in (
            {"pq", "p$${x}q"} if name in OURS else {None}
        ), name
        assert given.get("PLATEREEL_SIGNING_KEY") == ("signs" if name == "api" else None), name
