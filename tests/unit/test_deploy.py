"""The compose file and the image against the code: commands, ports, variables, tags; no secret
inside.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from base64 import b64decode
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


def secret_files(service: dict[str, Any]) -> dict[str, str]:
    """Variables that name a secret, with its name."""
    return {
        variable: str(value).removeprefix("/run/secrets/")
        for variable, value in service.get("environment", {}).items()
        if str(value).startswith("/run/secrets/")
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the script makes, and its secrets."""
    return make_secrets(tmp_path_factory.mktemp("deployment"))


def make_secrets(folder: Path, env: str = "COMPOSE_PROFILES=minio\n") -> Path:
    (folder / "deploy").mkdir(exist_ok=True)
    shutil.copy(ROOT / "deploy" / "make-secrets.sh", folder / "deploy")
    (folder / ".env").write_text(env)
    subprocess.run(
        ["sh", "deploy/make-secrets.sh"], cwd=folder, check=True, env={"PATH": os.environ["PATH"]}
    )
    return folder


def test_the_environment_is_one_the_code_reads(made: Path) -> None:
    for name, service in OURS.items():
        environment = {k: v for k, v in service["environment"].items() if v is not None}
        assert environment.pop("PLATEREEL_CONFIG") == service["volumes"][0].split(":")[1]
        for variable, secret in secret_files(service).items():
            assert secret in service["secrets"], name
            environment[variable] = str(made / "secrets" / secret)
        if "PLATEREEL_WORKER_MEMORY_BYTES" in environment:
            environment["PLATEREEL_WORKER_MEMORY_BYTES"] = default_of(
                environment["PLATEREEL_WORKER_MEMORY_BYTES"]
            )
        settings = load(None, environment)
        assert settings.storage_url is not None, name
        address = parse_storage_url(settings.storage_url.get_secret_value())
        assert isinstance(address, S3Address)
        assert address.endpoint == "minio:9000"
    assert (
        OURS["api"]["environment"]["PLATEREEL_API__PORT"]
        == OURS["api"]["ports"][0].rsplit(":", 1)[1]
    )


def test_no_secret_is_in_the_file_or_in_a_variable() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert set(re.findall(r"\$\{(\w+):\?", text)) == {"COMPOSE_PROFILES"}
    assert "\nCOMPOSE_PROFILES=minio\n" in (ROOT / "deploy" / "env.example").read_text()
    told = set(re.findall(r"\$\{(\w+)", text))
    assert not {name for name in told if re.search("PASSWORD|KEY|USER|TOKEN|URL", name)}
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            named = re.search("PASSWORD|_KEY|_URL|ROOT_USER", variable)
            if named and variable != "PLATEREEL_STORAGE_PUBLIC_URL":
                assert variable.endswith("_FILE"), name
                assert value.startswith("/run/secrets/"), name


def test_every_secret_has_a_file_that_the_script_makes(made: Path) -> None:
    given = {name for service in SERVICES.values() for name in service.get("secrets", [])}
    assert given == set(COMPOSE["secrets"])
    for name, secret in COMPOSE["secrets"].items():
        path = made / secret["file"].replace("${SECRETS_DIR:-./secrets}", "secrets")
        assert path.read_text() or name == "backup_url", name
        # mounted as it is, for the container's user; on the host the folder is closed
        assert path.stat().st_mode & 0o777 == 0o444, name
    assert (made / "secrets").stat().st_mode & 0o777 == 0o700
    there = {path for path in (made / "secrets").rglob("*") if path.is_file()}
    assert len(there) == len(COMPOSE["secrets"])


def test_secrets_are_made_once_and_of_chance(made: Path, tmp_path: Path) -> None:
    def read(folder: Path) -> dict[str, str]:
        return {
            path.name: path.read_text()
            for path in (folder / "secrets").rglob("*")
            if path.is_file()
        }

    before = read(made)
    make_secrets(made)
    assert read(made) == before
    other = read(make_secrets(tmp_path, "COMPOSE_PROFILES=monitoring,seaweedfs\n"))
    assert set(other.values()) & set(before.values()) == {""}  # of the address of backups
    assert "@seaweedfs:8333/" in other["storage_url"]
    assert len(b64decode(other["signing_key"])) == 32


def test_an_earlier_deployments_passwords_are_taken_over(tmp_path: Path) -> None:
    env = (
        "POSTGRES_PASSWORD=old-one\nREDIS_PASSWORD='old two'\nMINIO_ROOT_USER=old3\n"
        'MINIO_ROOT_PASSWORD="old4"\nPLATEREEL_API_KEYS=a:admin:old5\n'
    )
    secrets = make_secrets(tmp_path, env) / "secrets"
    for name, value in {
        "postgres_password": "old-one", "redis_password": "old two", "s3_access_key": "old3",
        "s3_secret_key": "old4", "api_keys": "a:admin:old5",
    }.items():  # fmt: skip
        assert (secrets / name).read_text() == value
    assert "old3:old4@minio:9000" in (secrets / "storage_url").read_text()
    # its key is in the database, and stays the one that signs
    assert (secrets / "signing_key").read_text() == ""


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
        assert "--requirepass" not in SERVICES[name]["command"][2]  # arguments can be read
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
    assert service["pids_limit"]
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
    short = [
        re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", each).split(":")
        for each in service.get("volumes", [])
        if isinstance(each, str)
    ]
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
    declared = {
        "valkey": ["/data"], "postgres": ["/var/lib/postgresql/data"], "minio": ["/data"], "seaweedfs": ["/data"],
        "eclipse-mosquitto": ["/mosquitto/data", "/mosquitto/log"], "prometheus": ["/prometheus"],
        "grafana": ["/var/lib/grafana"],
    }  # fmt: skip
    for name, service in SERVICES.items():
        if name not in {*OURS, "owners"}:
            image = service["image"].rsplit("/", 1)[1].split(":")[0]
            uid = service["user"].split(":")[0]
            for place in declared[image]:
                kept = mounts_of(service).get(place) in COMPOSE["volumes"]
                assert kept or f"uid={uid}" in tmpfs_of(service)[place], name
    named = {
        source
        for service in SERVICES.values()
        for source in mounts_of(service).values()
        if "/" not in source
    }
    assert named == set(COMPOSE["volumes"])


def test_volumes_are_given_to_the_users_that_write_them() -> None:
    script = SERVICES["owners"]["command"][0]
    for name in ("redis-broker", "minio", "seaweedfs"):
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
    for name in ("broker", "minio", "seaweedfs"):
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
        ("seaweedfs", 60),  # it takes 25 s by itself
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
    addresses = ["database_url", "frames_url", "broker_url", "storage_url"]
    for name, service in SERVICES.items():
        assert ("env_file" in service) is (name in OURS), name
        assert ("/run/named" in mounts_of(service)) is (name in OURS), name
        own = {"api": ["api_keys", "signing_key"], "upkeep": ["backup_url"]}
        more = own.get(name, [])
        if name in OURS:
            assert service["secrets"] == addresses + more, name
        else:
            assert not set(service.get("secrets", [])) & {*addresses, *own["api"], *own["upkeep"]}
        assert ("PLATEREEL_STORAGE_PUBLIC_URL" in service.get("environment", {})) is (name == "api")
    lines = (ROOT / default[1]).read_text().splitlines()
    # it is there so that the name may be left out
    assert all(line.startswith("#") for line in lines)


def test_what_is_not_always_wanted_has_a_profile() -> None:
    profiles = {
        name: service["profiles"] for name, service in SERVICES.items() if "profiles" in service
    }
    assert profiles == {
        "minio": ["minio"], "seaweedfs": ["seaweedfs"], "mosquitto": ["mqtt"],
        "prometheus": ["monitoring"], "grafana": ["monitoring"],
    }  # fmt: skip
    for name, service in SERVICES.items():  # or compose v2 refuses a file without that profile
        for needed in service.get("depends_on", {}):
            assert profiles.get(needed, profiles.get(name)) == profiles.get(name), name


def test_prometheus_asks_every_process() -> None:
    told = yaml.safe_load((ROOT / "deploy/monitoring/prometheus/prometheus.yml").read_text())
    (job,) = told["scrape_configs"]
    (found,) = job["dns_sd_configs"]
    assert set(found["names"]) == OURS.keys() - {"migrate"}
    assert str(found["port"]) == OURS["api"]["environment"]["PLATEREEL_METRICS_PORT"]
    mounted = mounts_of(SERVICES["prometheus"])
    assert (ROOT / mounted["/etc/prometheus"] / "prometheus.yml").exists()


def test_grafana_finds_prometheus_and_its_dashboards() -> None:
    place = ROOT / mounts_of(SERVICES["grafana"])["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((place / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((place / "dashboards" / "platereel.yml").read_text())["providers"]
    assert provider["options"]["path"] in mounts_of(SERVICES["grafana"])


def test_monitoring_is_published_on_this_machine_alone_and_on_request() -> None:
    told = yaml.safe_load((ROOT / "deploy/monitoring/loopback.yml").read_text())["services"]
    assert told.keys() <= SERVICES.keys()
    assert all(
        port.startswith("127.0.0.1:") for service in told.values() for port in service["ports"]
    )


def test_files_of_secrets_stay_out_of_git_and_of_the_image() -> None:
    assert {".env", "*.env", "/secrets/"} <= set((ROOT / ".gitignore").read_text().splitlines())
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
    # without which the setting `mqtt`, or a collector's address, would need another image
    of_mqtt, of_otel = (
        {"paho-mqtt"},
        {
            "charset-normalizer",
            "googleapis-common-protos",
            "opentelemetry-exporter-http-transport",
            "opentelemetry-exporter-otlp-common",
            "opentelemetry-exporter-otlp-proto-common",
            "opentelemetry-exporter-otlp-proto-http",
            "opentelemetry-proto",
            "opentelemetry-sdk",
            "opentelemetry-semantic-conventions",
            "protobuf",
            "requests",
        },
    )
    assert image.keys() - runtime.keys() == of_mqtt | of_otel
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
