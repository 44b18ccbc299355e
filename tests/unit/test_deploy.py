"""The compose file and the image against the code: commands, ports, variables, tags; no secret
inside.
"""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from platereel.cli import app
from shared.adapters.storage.address import S3Address, parse_storage_url
from shared.runtime.configuration import load
from shared.runtime.quantities import size_bytes
from shared.wire.tasks import QUEUES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
MAIN_PROCESS_BYTES = 300_000_000  # a worker without its pool, with the process that answers scrapes
OURS = {name: service for name, service in SERVICES.items() if "build" in service}


def filled(value: str) -> str:
    """A value with its variables replaced, as compose does."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda m: f"{m[1]}0123456789abcdef", value)


def default_of(value: str) -> str:
    """What compose takes where a value's variable is not set."""
    found = re.fullmatch(r"\$\{\w+:-(.+)\}", value)
    assert found is not None
    return found[1]


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
        environment = {k: filled(v) for k, v in service["environment"].items() if v is not None}
        assert environment.pop("PLATEREEL_CONFIG") == service["volumes"][0].split(":")[1]
        secrets = {k: v for k, v in environment.items() if k.endswith("_URL")}
        for variable, value in secrets.items():
            (tmp_path / variable).write_text(value)
        files = {f"{variable}_FILE": str(tmp_path / variable) for variable in secrets}
        memory = environment.get("PLATEREEL_WORKER_MEMORY_BYTES")
        if memory is not None:
            environment["PLATEREEL_WORKER_MEMORY_BYTES"] = default_of(
                service["environment"]["PLATEREEL_WORKER_MEMORY_BYTES"]
            )
        settings = load(None, files | {k: v for k, v in environment.items() if k not in secrets})
        assert settings.storage_url is not None, name
        address = parse_storage_url(settings.storage_url.get_secret_value())
        assert isinstance(address, S3Address)
        assert address.endpoint == "minio:9000"
    assert (
        OURS["api"]["environment"]["PLATEREEL_API__PORT"]
        == OURS["api"]["ports"][0].rsplit(":", 1)[1]
    )


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
        if name == "owners":
            assert service["image"] == SERVICES["redis-broker"]["image"]
        elif name not in OURS:
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
            # nothing that imports the command
            assert check["test"][:2] == ["CMD", "platereel-health"], name
            assert seconds(check["start_period"]) >= 60, name
            assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"


def test_what_is_packed_beside_the_code_is_there() -> None:
    packed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"][
        "package-data"
    ]
    for package, patterns in packed.items():
        for pattern in patterns:
            assert list((ROOT / package.replace(".", "/")).glob(pattern)), (package, pattern)


def test_processes_that_need_the_schema_wait_for_it_themselves() -> None:
    """They are those that the comment of `migrate` names."""
    text = (ROOT / "docker-compose.yml").read_text()
    for folder, name in (
        ("services/api", "The API"),
        ("services/dispatch", "dispatch"),
        ("workers", "workers"),
    ):
        assert "require_version(" in (ROOT / folder / "wiring.py").read_text()
        assert (
            name in text.partition("  # One shot: schema and bucket;")[2].partition("migrate:")[0]
        )
    for name in ("capture", "detection"):
        assert "Database" not in (ROOT / "services" / name / "wiring.py").read_text()


@pytest.mark.parametrize("name", [n for n, s in OURS.items() if s["command"][0] == "worker"])
def test_what_pool_processes_may_allocate_fits_their_container(name: str) -> None:
    service = OURS[name]
    limit = default_of(service["mem_limit"])
    assert limit.endswith("g")
    allowed = size_bytes(default_of(service["environment"]["PLATEREEL_WORKER_MEMORY_BYTES"]))
    assert isinstance(allowed, int)
    processes = int(service["command"][service["command"].index("--concurrency") + 1])
    in_memory = size_bytes("64MiB")  # its /tmp
    assert isinstance(in_memory, int)
    assert processes * allowed + MAIN_PROCESS_BYTES + in_memory <= int(limit[:-1]) * 2**30
    example = (ROOT / "deploy" / "env.example").read_text()
    assert f"# WORKER_MEMORY={limit}\n# WORKER_PROCESS_MEMORY={allowed // 10**6}MB\n" in example


def test_postgres_is_asked_where_its_clients_ask() -> None:
    """The server that its image runs for a moment to make the database listens on a Unix socket
    alone.
    """
    assert "pg_isready -h 127.0.0.1 " in SERVICES["postgres"]["healthcheck"]["test"][1]


def test_what_the_image_copies_is_there() -> None:
    text = (ROOT / "deploy" / "Dockerfile").read_text()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in ignored, source
    assert "USER platereel" in text


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_has_nothing_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["logging"]["driver"] == "json-file"
    assert set(service["logging"]["options"]) == {"max-size", "max-file"}
    if name == "owners":  # it changes owners and ends; nothing can reach it
        assert (service["user"], service["cap_add"]) == ("0:0", ["CHOWN", "DAC_READ_SEARCH"])
        assert (service["network_mode"], service["restart"]) == ("none", "no")
        return
    assert "cap_add" not in service
    if name in OURS:
        assert "user" not in service  # the image's own, which is no root
        assert (ROOT / "deploy" / "Dockerfile").read_text().splitlines().count(
            "USER platereel"
        ) == 1
    else:
        uid, gid = map(int, service["user"].split(":"))
        assert min(uid, gid) > 0


def tmpfs_of(service: dict[str, Any]) -> dict[str, str]:
    """Its folders in memory, with their options."""
    return dict(entry.split(":", 1) for entry in service.get("tmpfs", []))


def mounts_of(service: dict[str, Any]) -> dict[str, str]:
    """Its volumes: what is mounted, by the path in the container."""
    long = [each for each in service.get("volumes", []) if isinstance(each, dict)]
    short = [each.split(":") for each in service.get("volumes", []) if isinstance(each, str)]
    return {each["target"]: each["source"] for each in long} | {each[1]: each[0] for each in short}


def test_everything_that_is_written_has_a_place() -> None:
    for name, service in OURS.items():
        folders, volumes = tmpfs_of(service), mounts_of(service)
        assert Path(service["environment"]["PLATEREEL_PULSE_FILE"]).parent.as_posix() in folders, (
            name
        )
        assert "/tmp" in folders, name  # a worker's counters
        assert service["volumes"][0].endswith(":ro"), name
        queues = service["command"][2].split(",") if service["command"][0] == "worker" else []
        if set(queues) - {"parts"}:  # clips are put together, or read back
            assert volumes[service["environment"]["PLATEREEL_WORK_DIR"]] in COMPOSE["volumes"], name


def test_no_volume_without_a_name() -> None:
    """What the images of the servers declare as a volume is mounted by name, or kept in memory."""
    declared = {"valkey": "/data", "postgres": "/var/lib/postgresql/data", "minio": "/data"}
    for name, service in SERVICES.items():
        if name not in {*OURS, "owners"}:
            image = service["image"].rsplit("/", 1)[1].split(":")[0]
            place = declared[image]
            assert place in tmpfs_of(service) or mounts_of(service)[place] in COMPOSE["volumes"], (
                name
            )
            uid = service["user"].split(":")[0]
            assert f"uid={uid}" in tmpfs_of(service).get(place, f"uid={uid}"), name
    named = {
        source
        for service in SERVICES.values()
        for source in mounts_of(service).values()
        if "/" not in source
    }
    assert named == set(COMPOSE["volumes"])


def test_volumes_are_given_to_the_users_that_write_them() -> None:
    script = SERVICES["owners"]["command"][0]
    for name in ("redis-broker", "minio"):
        (volume,) = mounts_of(SERVICES[name]).values()
        place = next(
            path for path, source in mounts_of(SERVICES["owners"]).items() if source == volume
        )
        assert f"own {SERVICES[name]['user']} {place}\n" in script
        assert (
            SERVICES[name]["depends_on"]["owners"]["condition"] == "service_completed_successfully"
        )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_script_gives_away_all_or_nothing_of_a_volume(tmp_path: Path) -> None:
    script = SERVICES["owners"]["command"][0].replace("$$", "$")
    for name in ("broker", "minio"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").touch()
        (tmp_path / name / "link").symlink_to("/nowhere")
    for _ in range(2):
        subprocess.run(["sh", "-ec", script.replace("/volumes", str(tmp_path))], check=True)
    for name, uid, gid in (("broker", 999, 1000), ("minio", 1000, 1000)):
        for path in [tmp_path / name, *(tmp_path / name).rglob("*")]:
            assert (path.lstat().st_uid, path.lstat().st_gid) == (uid, gid)


def test_servers_have_time_to_end() -> None:
    for name, least in (
        ("postgres", 60),
        ("minio", 60),
        ("redis-broker", 30),
        ("redis-frames", 30),
    ):
        assert seconds(SERVICES[name]["stop_grace_period"]) >= least
    assert all("stop_grace_period" in service for service in SERVICES.values())


def test_only_the_api_is_published_and_only_here() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"api": ["${API_BIND:-127.0.0.1}:${API_PORT:-8080}:8080"]}
    for name, service in OURS.items():
        assert service["expose"] == [service["environment"]["PLATEREEL_METRICS_PORT"]], name


def test_secrets_reach_those_who_need_them() -> None:
    """Every process reads the whole platereel.yaml, with what it names in braces; the API alone
    signs.
    """
    default = re.search(r":-(.*)}", OURS["api"]["env_file"])
    assert default is not None
    for name, service in SERVICES.items():
        assert ("env_file" in service) is (name in OURS), name
        for variable in (
            "PLATEREEL_SIGNING_KEY",
            "PLATEREEL_API_KEYS",
            "PLATEREEL_STORAGE_PUBLIC_URL",
        ):
            assert (variable in service.get("environment", {})) is (name == "api"), (name, variable)
    lines = (ROOT / default[1]).read_text().splitlines()
    # it is there so that the name may be left out
    assert all(line.startswith("#") for line in lines)


def test_files_of_secrets_stay_out_of_git_and_of_the_image() -> None:
    assert {".env", "*.env"} <= set((ROOT / ".gitignore").read_text().splitlines())
    assert {"**/.env", "**/*.env"} <= set((ROOT / ".dockerignore").read_text().splitlines()[-2:])


def locked(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """What a lock installs: version with its marker, and hashes, by package."""
    text = (ROOT / "requirements" / name).read_text()
    entries = re.findall(
        r"^([a-z0-9-]+)==(.*?)\s*\\\n((?:    --hash=\S+(?: \\)?\n)+)", text, re.MULTILINE
    )
    return {
        package: (version, frozenset(re.findall(r"sha256:\w+", hashes)))
        for package, version, hashes in entries
    }


def test_the_image_has_the_locked_packages_but_opencv_without_windows() -> None:
    runtime, image = locked("runtime.txt"), locked("image.txt")
    with_windows, without = runtime.pop("opencv-python"), image.pop("opencv-python-headless")
    assert with_windows[0] == without[0]
    of_extras = {"paho-mqtt"}  # without which the setting `mqtt` would need another image
    assert image.keys() - runtime.keys() == of_extras
    assert {name: image[name] for name in runtime} == runtime
    assert len(image) > 30


def test_the_image_is_made_of_locked_things_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    backend = locked("build.txt")
    assert project["build-system"]["requires"] == [f"setuptools=={backend['setuptools'][0]}"]
    steps = (ROOT / "deploy" / "Dockerfile").read_text().replace("\\\n", " ")
    installs = [
        step for line in re.findall(r"^RUN (.*)$", steps, re.MULTILINE) for step in line.split("&&")
    ]
    installs = [step for step in installs if re.search(r"pip\b.* (install|wheel) ", step)]
    assert len(installs) == 4
    for step in installs:
        own = "--no-deps" in step and ("--no-build-isolation" in step or "--no-index" in step)
        assert own or "--require-hashes" in step, step
    assert "apt-get" not in steps
