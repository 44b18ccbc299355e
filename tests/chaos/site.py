"""A whole site under test: four servers behind proxies, every process twice where two are allowed,
all its children.

The tests play the supervisor that a container engine is in production: whoever dies is started
again half a second later. Every process has its own session, so a whole tree can be ended by its
group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
import redis
from psycopg.rows import dict_row

from platereel.embedded import servers
from platereel.embedded.processes import Command, free_ports, spawn
from platereel.embedded.storage import storage
from platereel.wiring import prepare, with_addresses
from shared.runtime.addresses import Addresses
from shared.runtime.settings import Settings
from tests.chaos.history import History
from tests.chaos.http_faults import HttpFaults
from tests.support.deployment import clean_environment
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

AGAIN_SECONDS = 0.5
SERVERS = ("frames", "broker", "database", "storage")
WRITERS = ("parts-1", "parts-2")
ROLES: dict[str, list[str]] = {
    "capture-1": ["capture"],
    "capture-2": ["capture"],
    "dispatch-1": ["dispatch"],
    "dispatch-2": ["dispatch"],
    "parts-1": ["worker", "--queues", "parts", "--concurrency", "1"],
    "parts-2": ["worker", "--queues", "parts", "--concurrency", "1"],
    "finalise-1": ["worker", "--queues", "finalise", "--concurrency", "1"],
    "upkeep-1": ["worker", "--queues", "retention,consistency,backup", "--concurrency", "1"],
    "beat-1": ["beat"],
    "api-1": ["api"],
}
POLICY = {
    "buffer_seconds": 3,
    "post_event_seconds": 4,
    "part_seconds": 2,
    "fps": 10,
    "max_segment_seconds": 30,
}
AGE_FLOOR_SECONDS = 60


@dataclass(eq=False)
class Member:
    """One child. `wanted`: it is started again when it dies."""

    command: Command
    process: subprocess.Popen[bytes]
    wanted: bool = True
    again_at: float | None = None
    restarts: int = 0

    @property
    def tree(self) -> list[int]:
        """Its process and all below it."""
        found, at = [self.process.pid], 0
        while at < len(found):
            try:
                text = Path(f"/proc/{found[at]}/task/{found[at]}/children").read_text()
            except OSError:
                text = ""
            found += [int(pid) for pid in text.split()]
            at += 1
        return found


@dataclass
class Site:
    """One site. `roles` as ROLES; `env` per role; cameras by name, with what their configuration
    adds.

    apart: roles on a host of their own, which `cut_off` cuts from everything.
    """

    folder: Path
    cameras: Mapping[str, Mapping[str, Any]]
    roles: Mapping[str, list[str]] = field(default_factory=lambda: dict(ROLES))
    env: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    programs: Mapping[str, str] = field(default_factory=dict)
    interpreters: Mapping[str, str] = field(default_factory=dict)
    file_storage: Path | None = None
    server_folders: Mapping[str, Path] = field(default_factory=dict)
    apart: tuple[str, ...] = ()
    own_proxies: dict[str, Proxy] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    proxies: dict[str, Proxy] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    history: History = field(init=False)
    api_url: str = ""
    api_headers: dict[str, str] = field(default_factory=dict)
    fps: float = POLICY["fps"]
    since: float = field(default_factory=lambda: float(int(time.time())))

    # Life.

    def start(self, *, live: bool = True) -> None:
        """Servers, database, processes; and wait until the API is ready and (live) every camera
        delivers.
        """
        (self.folder / "logs").mkdir(parents=True)
        (self.folder / "work").mkdir()
        self.history = History(self.folder / "history.jsonl")
        self._start_servers()
        self._write_config()
        self.prepare()
        (port,) = free_ports(1)
        self.api_url = f"http://127.0.0.1:{port}"
        for name, arguments in self.roles.items():
            self.start_role(name, arguments, port)
        wait_until("the API", self._answers, 180)
        if live:
            self.wait_frames(0)

    def prepare(self) -> None:
        """Make the schema, and claim the store."""
        urls = Addresses(*(self.urls[name] for name in ("database", "frames", "broker", "storage")))
        prepare(with_addresses(Settings(), urls))

    def _start_servers(self) -> None:
        own = servers.Secrets.of(self.folder)
        place = {name: self.server_folders.get(name, self.folder) for name in SERVERS}
        for folder in place.values():
            (folder / "logs").mkdir(parents=True, exist_ok=True)
        made: dict[str, servers.Server | None] = {
            "frames": servers.valkey(
                "redis-frames", place["frames"], own.redis, 300_000_000, durable=False
            ),
            "broker": servers.valkey(
                "redis-broker", place["broker"], own.redis, 100_000_000, durable=True
            ),
            "database": servers.postgres(place["database"], own.postgres),
        }
        if self.file_storage is None:
            made["storage"] = storage(place["storage"], own.s3_key, own.s3_secret)
        else:
            self.urls["storage"] = f"file://{self.file_storage}"
        for name, server in made.items():
            assert server is not None
            self.members[name] = Member(server.command, spawn(server.command))
            self.urls[name] = server.url
        for name, server in made.items():
            assert server is not None
            wait_until(name, partial(_works, server.probe), 120)
        for name in made:
            parts = urlsplit(self.urls[name])
            assert parts.hostname is not None
            assert parts.port is not None
            target = (parts.hostname, parts.port)
            if name == "storage":
                self.http = HttpFaults(target)
                target = ("127.0.0.1", self.http.port)
            self.proxies[name] = Proxy(target)
            if self.apart:
                self.own_proxies[name] = Proxy(target)

    def proxied(self, name: str, *, apart: bool = False) -> str:
        """A server's address by way of its proxy, or of the one that the host apart has."""
        proxies = self.own_proxies if apart else self.proxies
        if name not in proxies:
            return self.urls[name]
        port = urlsplit(self.urls[name]).port
        return self.urls[name].replace(f":{port}", f":{proxies[name].port}", 1)

    def _write_config(self) -> None:
        lines = [
            f"defaults: {_flow(POLICY)}",
            *(f"{key}: {value}" for key, value in self.settings.items()),
        ]
        lines += [
            f"work_dir: {self.folder / 'work'}", "cleanup_seconds: 5", "check_seconds: 10", "parts_kept_seconds: 3",
            f"check_age_floor_seconds: {AGE_FLOOR_SECONDS}", "delete_grace_seconds: 1", "log_format: json", "cameras:",
        ]  # fmt: skip
        for name, own in self.cameras.items():
            source = f"synthetic:numbered?size=320x180&fps={self.fps:g}&since={self.since:.0f}"
            given = {key: value for key, value in own.items() if key != "unnumbered"}
            lines.append(f"  {name}: {_flow({'source': source, 'detect': False} | given)}")
        (self.folder / "platereel.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def start_role(self, name: str, arguments: list[str], port: int = 0) -> None:
        apart = name in self.apart
        env = {
            f"PLATEREEL_{server.upper()}_URL": self.proxied(server, apart=apart)
            for server in SERVERS
        }
        env |= {
            "PLATEREEL_CONFIG": str(self.folder / "platereel.yaml"),
            "PLATEREEL_API__PORT": str(port),
        }
        env |= dict(self.env.get(name, {}))
        program = self.programs.get(name, "platereel")
        argv = [self.interpreters.get(name, sys.executable), "-m", program, *arguments]
        command = self._spawned(Command(name, argv, self.folder / "logs" / f"{name}.log", env))
        self.members[name] = Member(command, spawn(command))

    def _spawned(self, command: Command) -> Command:
        """How a role is started; another kind of site starts it elsewhere."""
        return command

    def close(self) -> None:
        """End everything: processes first, then servers."""
        for group in (self.roles, ("frames", "broker", "database", "storage")):
            chosen = [self.members[name] for name in group if name in self.members]
            for member in chosen:
                member.wanted = False
                if member.process.poll() is None:
                    _signal(member.process.pid, signal.SIGCONT)
                    member.process.send_signal(member.command.stop_signal)
            until = time.monotonic() + 12
            for member in chosen:
                try:
                    member.process.wait(max(0.1, until - time.monotonic()))
                except subprocess.TimeoutExpired:
                    os.killpg(member.process.pid, signal.SIGKILL)
                    member.process.wait()
        self.close_proxies()

    def close_proxies(self) -> None:
        """End what stands before the servers."""
        for proxy in (*self.proxies.values(), *self.own_proxies.values()):
            proxy.close()
        if "storage" in self.proxies:
            self.http.close()

    # The supervisor.

    def poll(self) -> None:
        """Look after the children once."""
        now = time.monotonic()
        for member in self.members.values():
            if not member.wanted or member.process.poll() is None:
                continue
            if member.again_at is None:
                member.again_at = now + AGAIN_SECONDS
            elif now >= member.again_at:
                member.process = spawn(member.command)
                member.again_at = None
                member.restarts += 1

    def sleep(self, seconds: float) -> None:
        """Wait, and look after the children meanwhile."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.poll()
            time.sleep(0.05)

    def wait(self, what: str, probe: Callable[[], Any], timeout: float = 60) -> Any:
        """The first truthy answer of `probe`, looking after the children meanwhile."""

        def look() -> Any:
            self.poll()
            return probe()

        return wait_until(what, look, timeout)

    # Faults of processes.

    def kill(self, name: str, number: int = signal.SIGKILL) -> None:
        """A signal to one process."""
        _signal(self.members[name].process.pid, number)

    def kill_tree(self, name: str) -> None:
        """SIGKILL to a process and everything below it, children first."""
        for pid in reversed(self.members[name].tree):
            _signal(pid, signal.SIGKILL)

    @contextmanager
    def cut_off(self) -> Iterator[None]:
        """No byte to or from the host apart for the length of a block; no connection ends."""
        for proxy in self.own_proxies.values():
            proxy.blackhole()
        try:
            yield
        finally:
            for proxy in self.own_proxies.values():
                proxy.heal()

    @contextmanager
    def frozen(self, *names: str) -> Iterator[None]:
        """SIGSTOP to whole trees for the length of a block."""
        pids = [pid for name in names for pid in self.members[name].tree]
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                _signal(pid, signal.SIGCONT)

    @contextmanager
    def down(self, name: str) -> Iterator[None]:
        """Kill one member and keep it down for the length of a block."""
        member = self.members[name]
        member.wanted = False
        self.kill_tree(name)
        member.process.wait()
        try:
            yield
        finally:
            member.again_at, member.wanted = 0.0, True

    # What can be seen.

    def query(self, sql: str, *args: object) -> list[dict[str, Any]]:
        """Rows, asked for past the proxy."""
        with psycopg.connect(
            self.urls["database"], row_factory=dict_row, connect_timeout=5
        ) as connection:
            return connection.execute(sql, args or None).fetchall()

    def redis(self, name: str) -> redis.Redis:
        """A client past the proxy."""
        return redis.Redis.from_url(self.urls[name], socket_timeout=5)

    def newest_ms(self, camera: str) -> int:
        """Capture time of a camera's newest frame, 0 when there is none."""
        with self.redis("frames") as client:
            found: Any = client.xrevrange(f"platereel:frames:{{{camera}}}", count=1)
        return int(found[0][0].split(b"-")[0]) if found else 0

    def wait_frames(self, seconds: float, timeout: float = 60) -> None:
        """Wait until every camera delivers, and has for that long."""

        def flowing() -> bool:
            with self.redis("frames") as client:
                for camera in self.cameras:
                    key = f"platereel:frames:{{{camera}}}"
                    first: Any = client.xrange(key, count=1)
                    last: Any = client.xrevrange(key, count=1)
                    if (
                        not last
                        or time.time() * 1000 - _ms(last) > 1500
                        or _ms(last) - _ms(first) < seconds * 1000
                    ):
                        return False
            return True

        self.wait(f"{seconds:g} s of every camera", flowing, timeout)

    def wait_steady(self, seconds: float) -> None:
        """Wait until every camera has been in one capture run for that long: nothing of an earlier
        fault is in it.

        The capture processes share the cameras evenly by then: a process that came late would still
        be handed some.
        """
        captures = sum(arguments == ["capture"] for arguments in self.roles.values())

        def steady() -> bool:
            with self.redis("frames") as client:
                owners = Counter(
                    client.get(f"platereel:lease:{{{camera}}}") for camera in self.cameras
                )
                if max(owners.values()) > ceil(len(self.cameras) / captures):
                    return False
                for camera in self.cameras:
                    key = f"platereel:frames:{{{camera}}}"
                    last: Any = client.xrevrange(key, count=1)
                    first: Any = client.xrange(
                        key, _ms(last) - round(seconds * 1000) if last else 0, count=1
                    )
                    before: Any = client.xrange(key, count=1)
                    if (
                        not last
                        or first[0][1][b"r"] != last[0][1][b"r"]
                        or _ms(last) - _ms(before) < seconds * 1000
                    ):
                        return False
            return True

        self.wait(f"{seconds:g} s of one run of every camera", steady, 60)

    def _answers(self) -> bool:
        self.poll()
        try:
            with urlopen(f"{self.api_url}/readyz", timeout=3) as response:  # noqa: S310 - our own address
                return bool(response.status == 200)
        except (URLError, OSError):
            return False

    def command(self, *arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `platereel` against this site, past the proxies."""
        env = {f"PLATEREEL_{server.upper()}_URL": self.urls[server] for server in SERVERS}
        env["PLATEREEL_CONFIG"] = str(self.folder / "platereel.yaml")
        return subprocess.run(
            [sys.executable, "-m", "platereel", *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=clean_environment() | env,
        )


def _ms(entries: Any) -> int:
    return int(entries[0][0].split(b"-")[0])


def _works(probe: Callable[[], None]) -> bool:
    try:
        probe()
    except Exception:  # noqa: BLE001 - a server that is not up yet says so in many ways
        return False
    return True


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _flow(mapping: Mapping[str, Any]) -> str:
    def text(value: Any) -> str:
        return (
            str(value).lower()
            if isinstance(value, bool)
            else f'"{value}"'
            if isinstance(value, str)
            else str(value)
        )

    return "{" + ", ".join(f"{key}: {text(value)}" for key, value in mapping.items()) + "}"


@contextmanager
def running(site: Site) -> Iterator[Site]:
    """The site for the length of a block, once its cameras have settled with their capture
    processes.
    """
    try:
        site.start()
        site.wait_frames(8)
        yield site
    finally:
        site.close()
