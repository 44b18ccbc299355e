"""The compose file and the image against the code: commands, ports, variables, tags; no secret inside."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from platereel.cli import app
from shared.adapters.storage_url import S3Address, parse_storage_url
from shared.runtime.configuration import load
from shared.wire.tasks import QUEUES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def filled(value: str) -> str:
    """A value with its variables replaced, as compose does."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda m: f"{m[1]}0123456789abcdef", value)


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


def test_every_process_has_a_container_and_every_command_exists() -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    used = {service["command"][0] for service in OURS.values()}
    assert used <= set(commands)
    assert used >= {"migrate", "capture", "detect", "dispatch", "worker", "beat", "api"}
    for service in OURS.values():
        options = [part for part in service["command"] if part.startswith("--")]
        known = {opt for param in commands[service["command"][0]].params for opt in param.opts}
        assert set(options) <= known


def test_every_queue_is_served() -> None:
    served = {
        queue
        for service in OURS.values()
        if service["command"][0] == "worker"
        for queue in service["command"][service["command"].index("--queues") + 1].split(",")
    }
    assert served == set(QUEUES)


def test_the_environment_is_one_the_code_reads(tmp_path: Path) -> None:
    for name, service in OURS.items():
        environment = {k: filled(str(v)) for k, v in service["environment"].items()}
        assert environment.pop("PLATEREEL_CONFIG") == service["volumes"][0].split(":")[1]
        secrets = {k: v for k, v in environment.items() if k.endswith("_URL")}
        for variable, value in secrets.items():
            (tmp_path / variable).write_text(value)
        files = {f"{variable}_FILE": str(tmp_path / variable) for variable in secrets}
        settings = load(None, files | {k: v for k, v in environment.items() if k not in secrets})
        assert settings.storage_url is not None, name
        address = parse_storage_url(settings.storage_url.get_secret_value())
        assert isinstance(address, S3Address)
        assert address.endpoint == "minio:9000"
    assert OURS["api"]["environment"]["PLATEREEL_API__PORT"] == OURS["api"]["ports"][0].rsplit(":", 1)[1]


def test_no_secret_is_in_the_file_and_every_one_is_demanded() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    demanded = set(re.findall(r"\$\{(\w+):\?", text))
    assert demanded == {
        "POSTGRES_PASSWORD", "REDIS_PASSWORD", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "PLATEREEL_API_KEYS",
    }  # fmt: skip
    example = (ROOT / "deploy" / "env.example").read_text()
    for variable in demanded:
        assert f"\n{variable}=\n" in f"\n{example}"


def test_images_are_pinned_and_servers_are_healthy_before_use() -> None:
    for name, service in SERVICES.items():
        if name not in OURS:
            assert re.search(r":[\w.-]*\d", service["image"].rsplit("/", 1)[1]), name
            assert "healthcheck" in service
    assert SERVICES["minio"]["image"] == "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z"
    for name in ("redis-frames", "redis-broker"):
        assert "--maxmemory-policy noeviction" in SERVICES[name]["command"][2]
    assert "--appendonly no" in SERVICES["redis-frames"]["command"][2]
    assert "--appendonly yes" in SERVICES["redis-broker"]["command"][2]
    for name, service in OURS.items():
        if name != "migrate":
            check = service["healthcheck"]
            assert check["test"][:2] == ["CMD", "platereel-health"], name  # nothing that imports the command
            assert seconds(check["start_period"]) >= 60, name
            assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_what_the_image_copies_is_there() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    assert "USER platereel" in text


@pytest.mark.apt
def test_compose_accepts_the_file() -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed (apt-get install docker-compose)")
    variables = dict.fromkeys(
        ("POSTGRES_PASSWORD", "REDIS_PASSWORD", "MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "PLATEREEL_API_KEYS"), "x"
    )
    done = subprocess.run(
        [compose, "-f", str(ROOT / "docker-compose.yml"), "config", "--quiet"],
        env=os.environ | variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
