"""Servers and single Platereel processes for a benchmark, in a temporary folder, with the CPU each
has used.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import psycopg
import redis
from psycopg.rows import dict_row

from platereel.embedded import servers
from platereel.embedded.processes import Command
from platereel.embedded.storage import storage
from platereel.embedded.supervisor import Supervisor
from platereel.wiring import prepare, with_addresses
from shared.adapters.clock import SystemClock
from shared.domain.errors import Permanent
from shared.runtime.addresses import Addresses
from shared.runtime.configuration import load
from shared.runtime.settings import ENV_PREFIX, Settings

SERVERS = ("storage", "postgres", "redis-broker", "redis-frames")
TICKS = os.sysconf("SC_CLK_TCK")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Site:
    """Running servers, and the processes a benchmark asked for."""

    folder: Path
    addresses: Addresses
    supervisor: Supervisor
    config: Path
    env: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def settings(self) -> Settings:
        """The site's settings, addresses included, as its processes read them."""
        return with_addresses(load(self.config, {}), self.addresses)

    def run(self, name: str, *arguments: str) -> None:
        """Start `platereel ARGUMENTS` as a child."""
        argv = [sys.executable, "-m", "platereel", *arguments]
        log = self.folder / "logs" / f"{name}.log"
        self.supervisor.start(Command(name, argv, log, self.env, lifeline=True))

    def record(self) -> None:
        """Start what records: dispatch, capture, two writers of parts and one finaliser."""
        for name, *arguments in (
            ("dispatch", "dispatch"),
            ("capture", "capture"),
            ("parts", "worker", "--queues", "parts", "--concurrency", "2"),
            ("finalise", "worker", "--queues", "finalise", "--concurrency", "1"),
        ):
            self.run(name, *arguments)

    def wait_for(
        self,
        what: str,
        ready: Callable[[], Answer | None],
        timeout_s: float = 60.0,
        every_s: float = 0.002,
    ) -> Answer:
        """As `wait_for`; a child that ended meanwhile is started again, as in any deployment."""

        def look() -> Answer | None:
            self.supervisor.poll()
            return ready()

        return wait_for(what, look, timeout_s, every_s)

    def stop(self, *names: str) -> None:
        """Stop children."""
        self.supervisor.stop(names, 10.0)

    def pids(self, name: str) -> list[int]:
        """Process ids of a child and of all it started."""
        found = list(self.supervisor.pids()[name])
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += [int(child) for child in task.read_text(encoding="ascii").split()]
        return found

    def cpu_s(self, *names: str) -> float:
        """CPU seconds that children have used until now, with all they started."""
        return sum(cpu_s_of(pid) for name in names for pid in self.pids(name))

    def rss_bytes(self, name: str) -> int:
        """Resident memory of a child and of all it started."""
        pages = [
            Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
            for pid in self.pids(name)
        ]
        return sum(int(number) for number in pages) * os.sysconf("SC_PAGE_SIZE")

    def frames(self) -> redis.Redis:
        """A client of the frames Redis."""
        client: redis.Redis = redis.Redis.from_url(self.addresses.frames, protocol=2)
        return client

    def broker(self) -> redis.Redis:
        """A client of the broker Redis."""
        client: redis.Redis = redis.Redis.from_url(self.addresses.broker, protocol=2)
        return client

    def database(self) -> psycopg.Connection[dict[str, Any]]:
        """A connection; every statement is a transaction of its own."""
        return psycopg.connect(self.addresses.database, autocommit=True, row_factory=dict_row)


def cpu_s_of(pid: int) -> float:
    """CPU seconds that a process and its ended children have used until now."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(fields[at]) for at in (11, 12, 13, 14)) / TICKS


def wait_for(
    what: str, ready: Callable[[], Answer | None], timeout_s: float = 60.0, every_s: float = 0.002
) -> Answer:
    """Ask until the answer is true; it."""
    until = time.perf_counter() + timeout_s
    while time.perf_counter() < until:
        answer = ready()
        if answer:
            return answer
        time.sleep(every_s)
    raise RuntimeError(f"waited {timeout_s:g} s for {what}")


def _last_lines(folder: Path) -> str:
    """What every process said last, for whoever looks at a benchmark that failed."""
    return "\n".join(
        f"{path.name}: {path.read_text(errors='replace')[-200:]}"
        for path in sorted(folder.glob("*.log"))
    )


_shared: list[Site] = []


@contextmanager
def one_site() -> Iterator[None]:
    """Within the block every `site` has the same servers, with what the one before left there: to
    see that benchmarks work takes most of its time for starting servers. Figures mean nothing then.
    """
    with site("cameras: {}\n") as place:
        _shared.append(place)
        try:
            yield
        finally:
            _shared.clear()


@contextmanager
def _borrowed(place: Site, config: str) -> Iterator[Site]:
    place.config.write_text(config, encoding="utf-8")
    try:
        yield place
    finally:
        place.stop(*(each for each in place.supervisor.names() if each not in SERVERS))


@contextmanager
def site(config: str, frames_bytes: int = 2_000_000_000) -> Iterator[Site]:
    """Servers with an empty, migrated database and a claimed bucket; the processes are the
    benchmark's choice.
    """
    if _shared:
        with _borrowed(_shared[0], config) as place:
            yield place
        return
    with TemporaryDirectory(prefix="platereel-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "logs").mkdir()
        path = folder / "platereel.yaml"
        path.write_text(config, encoding="utf-8")
        supervisor = Supervisor(SystemClock())
        own = servers.Secrets.of(folder)
        s3 = storage(folder, own.s3_key, own.s3_secret)
        if s3 is None:
            raise Permanent("the S3 server has no package for this platform")
        frames = servers.valkey("redis-frames", folder, own.redis, frames_bytes, durable=False)
        broker = servers.valkey("redis-broker", folder, own.redis, 256_000_000, durable=True)
        database = servers.postgres(folder, own.postgres)
        try:
            for server in (frames, broker, database, s3):
                supervisor.start(server.command)
            for server in (frames, broker, database, s3):
                supervisor.await_ready(server.command.name, server.probe)
            addresses = Addresses(database.url, frames.url, broker.url, s3.url)
            prepare(with_addresses(Settings(), addresses))
            env = {
                "PLATEREEL_CONFIG": str(path),
                f"{ENV_PREFIX}DATABASE_URL": addresses.database, f"{ENV_PREFIX}FRAMES_URL": addresses.frames,
                f"{ENV_PREFIX}BROKER_URL": addresses.broker, f"{ENV_PREFIX}STORAGE_URL": addresses.storage,
            }  # fmt: skip
            yield Site(
                folder=folder, addresses=addresses, supervisor=supervisor, config=path, env=env
            )
        except BaseException as error:
            error.add_note(_last_lines(folder / "logs"))
            raise
        finally:
            supervisor.stop([each for each in supervisor.names() if each not in SERVERS], 10.0)
            supervisor.stop(SERVERS, 5.0)
