"""The embedded deployment: starts servers, then processes, then writes run.json; stops cameras
first, so that open recordings are written.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from urllib.parse import quote

from platereel.embedded import servers
from platereel.embedded.log_pipes import LogPipes
from platereel.embedded.processes import Command, free_ports
from platereel.embedded.remains import clear, note
from platereel.embedded.storage import storage
from platereel.embedded.supervisor import Supervisor
from platereel.wiring import drain, prepare, with_addresses
from shared.adapters.clock import SystemClock
from shared.domain.errors import Permanent, PlatereelError
from shared.runtime.addresses import Addresses
from shared.runtime.logs import logger
from shared.runtime.settings import ENV_PREFIX, Settings

SERVICES = ("capture", "detect", "dispatch", "api", "worker", "beat")
SERVERS = ("storage", "postgres", "redis-broker", "redis-frames")
LOCK_SECONDS = 3.0  # another one may be about to end
CHILDREN, LOCK, METRICS, SECRETS = "children.json", ".lock", "metrics", "secrets.json"
# Celery may be past listening to anything but SIGKILL; rows and leases are the truth, so that does
# no harm.
DEAF = {"worker", "beat"}
STOP_CAMERAS_SECONDS, DRAIN_SECONDS, STOP_SERVICES_SECONDS, STOP_SERVERS_SECONDS = (
    3.5,
    4.0,
    3.0,
    3.5,
)
FRAMES_MEMORY, BROKER_MEMORY = 2_000, 256

_log = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """What to run: the settings and their file, the data folder, the API's port, and whether
    storage is a folder. stopping: asked while things start, so that a start can be cancelled.
    """

    settings: Settings
    config: Path
    data: Path
    port: int
    file_storage: bool = False
    stopping: Callable[[], bool] = lambda: False


@dataclass(slots=True)
class Stack:
    """One running deployment in one data folder. Not shared between threads."""

    plan: StackPlan
    clock: SystemClock = field(default_factory=SystemClock)
    addresses: Addresses | None = None
    api_url: str = ""
    began_ms: int = 0
    _supervisor: Supervisor | None = None
    _lock: int = -1
    _up: bool = False

    def start(self) -> None:
        """Start everything and write run.json once the API answers for all of it."""
        self._claim()
        port = _usable_port(self.plan.settings.api.host, self.plan.port)
        addresses = self._serve()
        prepare(with_addresses(self.plan.settings, addresses))
        self._start_services(addresses, port)
        self._up = True
        self.write_run_file()

    def start_servers(self) -> Addresses:
        """Start the servers alone, on a store that may have been copied back. Returns addresses."""
        self._claim(brought="storage")
        return self._serve()

    def _claim(self, brought: str = "") -> None:
        """Take the data folder, and clear it of what an earlier run left."""
        data = self.plan.data
        self.began_ms = self.clock.now_ms()
        claim(data, brought)
        self._lock = _lock(data, self.clock)
        servers.private_folder(data / "logs")
        clear(data / CHILDREN, self.clock)
        rmtree(data / METRICS, ignore_errors=True)  # counters begin anew with the deployment

    def _serve(self) -> Addresses:
        settings = self.plan.settings
        logs = LogPipes(
            clock=self.clock, most_bytes=settings.log_bytes, most_files=settings.log_files
        )
        self._supervisor = Supervisor(self.clock, self._noted, self.plan.stopping, logs)
        self.addresses = self._start_servers()
        return self.addresses

    def kill(self) -> None:
        """End every process at once.

        Rows, leases and the servers' own logs make the next start whole.
        """
        if self._supervisor is not None:
            self._supervisor.kill()

    def poll(self) -> None:
        """Look after the children once."""
        if self._supervisor is not None:
            self._supervisor.poll()

    def stop_detection(self) -> None:
        """Stop the reference detector. Cameras and recordings go on."""
        if self._supervisor is not None:
            self._supervisor.stop(["detect"], STOP_SERVICES_SECONDS)
            self.write_run_file()

    def stop(self) -> None:
        """Stop within 15 s: first cameras, then open recordings are written, then the rest.

        What is not written in time goes on at the next start.
        """
        supervisor = self._supervisor
        if supervisor is None:
            return
        supervisor.stop(["capture", "detect"], STOP_CAMERAS_SECONDS)
        if self.addresses is not None and "dispatch" in supervisor.names():
            try:
                drain(with_addresses(self.plan.settings, self.addresses), DRAIN_SECONDS)
            except PlatereelError as error:
                _log.warning("not_drained", error=error.message)
        supervisor.stop(
            [name for name in supervisor.names() if name not in SERVERS], STOP_SERVICES_SECONDS
        )
        supervisor.stop(SERVERS, STOP_SERVERS_SECONDS)
        supervisor.close()
        (self.plan.data / "run.json").unlink(missing_ok=True)
        os.close(self._lock)
        self._supervisor = None

    def restarts(self) -> int:
        """Returns how often a process died and was started again."""
        return 0 if self._supervisor is None else self._supervisor.restarts()

    def _start_servers(self) -> Addresses:
        plan, supervisor = self.plan, self._running()
        wanted = self._wanted_servers()
        for server in wanted.values():
            supervisor.start(server.command)
        for server in wanted.values():
            supervisor.await_ready(server.command.name, server.probe)
        urls = {name: server.url for name, server in wanted.items()}
        for name in ("database", "frames", "broker", "storage"):
            configured = getattr(plan.settings, f"{name}_url")
            if configured is not None:
                urls[name] = configured.get_secret_value()
        urls.setdefault("storage", f"file://{quote(str((plan.data / 'storage').resolve()))}/data")
        return Addresses(**urls)

    def _wanted_servers(self) -> dict[str, servers.Server]:
        """Returns the servers to run here: those whose address the settings do not give."""
        plan = self.plan
        own = servers.Secrets.of(plan.data)
        given = plan.settings
        memory = servers.MEGABYTE
        wanted: dict[str, servers.Server] = {}
        if given.frames_url is None:
            size = FRAMES_MEMORY * memory
            wanted["frames"] = servers.valkey(
                "redis-frames", plan.data, own.redis, size, durable=False
            )
        if given.broker_url is None:
            size = BROKER_MEMORY * memory
            wanted["broker"] = servers.valkey(
                "redis-broker", plan.data, own.redis, size, durable=True
            )
        if given.database_url is None:
            wanted["database"] = servers.postgres(plan.data, own.postgres)
        if given.storage_url is None and not plan.file_storage:
            s3 = storage(plan.data, own.s3_key, own.s3_secret)
            if s3 is None:
                _log.warning(
                    "storage_is_a_folder",
                    reason="the S3 server's package is not installed, or not made for this platform",
                )
            else:
                wanted["storage"] = s3
        return wanted

    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise Permanent("the stack is not running")
        return self._supervisor

    def _start_services(self, addresses: Addresses, port: int) -> None:
        plan, supervisor = self.plan, self._running()
        host = plan.settings.api.host
        self.api_url = f"http://{'127.0.0.1' if host in {'0.0.0.0', '::'} else host}:{port}"  # noqa: S104 - compared, not bound
        env = {
            "PLATEREEL_CONFIG": str(plan.config.resolve()),
            f"{ENV_PREFIX}DATABASE_URL": addresses.database,
            f"{ENV_PREFIX}FRAMES_URL": addresses.frames,
            f"{ENV_PREFIX}BROKER_URL": addresses.broker,
            f"{ENV_PREFIX}STORAGE_URL": addresses.storage,
            f"{ENV_PREFIX}API__PORT": str(port),
            f"{ENV_PREFIX}METRICS_DIR": str(plan.data / METRICS),
        }
        cores = str(max(2, os.cpu_count() or 2))
        for name, arguments in (
            ("dispatch", ["dispatch"]),
            ("worker", ["worker", "--queues", "parts", "--concurrency", cores]),
            ("worker", ["worker", "--queues", "finalise", "--concurrency", "2"]),
            (
                "worker",
                ["worker", "--queues", "retention,consistency,backup", "--concurrency", "1"],
            ),
            ("beat", ["beat"]),
            ("api", ["api"]),
            ("capture", ["capture"]),
            ("detect", ["detect"]),
        ):
            log = (
                plan.data
                / "logs"
                / f"{'-'.join(arguments[:3]).replace('--queues-', '').replace(',', '-')}.log"
            )
            argv = [sys.executable, "-m", "platereel", *arguments]
            death = signal.SIGKILL if name in DEAF else None
            supervisor.start(Command(name, argv, log, env, death_signal=death, lifeline=True))
        supervisor.await_ready("api", lambda: _answers(f"{self.api_url}/readyz"))

    def _noted(self) -> None:
        """Write down the children, for other programs and for the next run in this folder."""
        note(self.plan.data / CHILDREN, self._running().all_pids())
        self.write_run_file()

    def write_run_file(self) -> None:
        """Write run.json: addresses and process ids, readable by the owner alone."""
        if self.addresses is None or not self._up:
            return
        pids = self._running().pids()
        shape = {
            "api_url": self.api_url,
            "frames_url": self.addresses.frames,
            "broker_url": self.addresses.broker,
            "database_url": self.addresses.database,
            "storage_url": self.addresses.storage,
            "pids": {name: pids.get(name, []) for name in (*reversed(SERVERS), *SERVICES)},
        }
        servers.write_private(self.plan.data / "run.json", json.dumps(shape, indent=2) + "\n")


def _usable_port(host: str, wanted: int) -> int:
    """Returns the wanted port, or a free one for 0; raises Permanent when it is taken."""
    if wanted == 0:
        return free_ports(1)[0]
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            raise Permanent(
                f"the API cannot listen on {host}:{wanted}: {error.strerror}; --port 0 finds one"
            ) from error
    return wanted


def _answers(url: str) -> None:
    with urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 - our own address
        response.read()


def claim(data: Path, brought: str = "") -> None:
    """Make a data folder, or take one that was claimed before or has only what was `brought`.

    Raises Permanent for a folder that others use: it would be closed to them, and its files may
    have names of ours.
    """
    claimed = (data / LOCK).exists() or (data / SECRETS).exists()
    if data.exists() and not claimed:
        # The demonstration's own data folder lies in the one of `up`.
        found = {each.name for each in data.iterdir() if not (each / LOCK).exists()}
        others = sorted(found - {brought})
        if others:
            raise Permanent(
                f"{data} has other things in it, such as {others[0]}; give --data a folder of its own"
            )
    servers.private_folder(data)
    (data / LOCK).touch(mode=0o600)


def _lock(data: Path, clock: SystemClock) -> int:
    """Lock the data folder.

    The children do not inherit the lock: those that are left are found by name.
    """
    handle = os.open(data / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    until = clock.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() > until:
                os.close(handle)
                raise Permanent(
                    f"{data} is in use by another platereel; choose another --data"
                ) from None
            clock.sleep(0.1)
        else:
            return handle


@contextmanager
def running(stack: Stack) -> Iterator[Stack]:
    """Yields a stack that is stopped at the end of the block, whatever happens."""
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@contextmanager
def serving(stack: Stack) -> Iterator[Addresses]:
    """Yields the addresses of a stack's servers, which run alone until the end of the block."""
    try:
        yield stack.start_servers()
    finally:
        stack.stop()
