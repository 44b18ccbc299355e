"""A site of many hosts: three nodes of a frames cluster, a broker, a database and a store, and each
process on a host of its own.

Between the processes and the broker, the database and the store stands a proxy each, which can be
slow; the nodes of the cluster are reached straight.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import redis
from redis.cluster import RedisCluster

from platereel.embedded import servers
from platereel.embedded.processes import Command, free_ports, spawn
from platereel.embedded.storage import storage
from tests.chaos.hosts import Hosts
from tests.chaos.site import Member, Site, _works
from tests.support.cluster import NODES, Cluster
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

LOCAL = "127.0.0.1"
KEY = "a-key-of-this-test-alone"
SERVER_HOSTS = {"broker": "broker", "database": "postgres", "storage": "s3"}


@dataclass
class Spread(Site):
    """One site. Every role has the host of its name."""

    hosts: Hosts = field(default_factory=Hosts)
    cluster: Cluster | None = None

    def _start_servers(self) -> None:
        own = servers.Secrets.of(self.folder)
        (self.folder / "logs").mkdir(exist_ok=True)
        self.api_headers = {"Authorization": f"Bearer {KEY}"}
        self._start_cluster()
        found: dict[str, servers.Server | None] = {
            "broker": servers.valkey(
                "redis-broker", self.folder, own.redis, 100_000_000, durable=True
            ),
            "database": servers.postgres(self.folder, own.postgres),
            "storage": storage(self.folder, own.s3_key, own.s3_secret),
        }
        for name, server in found.items():
            assert server is not None
            host = SERVER_HOSTS[name]
            address = self.hosts.add(host)
            command = self._moved(name, server.command, host, address)
            self.members[name] = Member(command, spawn(command))
            self.urls[name] = server.url.replace(LOCAL, address)
            parts = urlsplit(self.urls[name])
            assert parts.port is not None
            self.proxies[name] = Proxy((address, parts.port), host=self.hosts.here)
        for name in found:
            wait_until(name, partial(_works, partial(self._probe, name)), 120)

    def _start_cluster(self) -> None:
        addresses = [self.hosts.add(f"frames-{node + 1}") for node in range(NODES)]
        folder = self.folder / "cluster"
        folder.mkdir()
        self.cluster = Cluster(folder, free_ports(NODES * 2), addresses=addresses)
        self.cluster.before = lambda node: [
            "ip", "netns", "exec", self.hosts.namespace(f"frames-{node + 1}")
        ]  # fmt: skip
        for node in range(NODES):
            self.cluster.start(node)
        self.cluster.form()
        self.urls["frames"] = self.cluster.url

    def _moved(self, name: str, command: Command, host: str, address: str) -> Command:
        """Returns a server's command for another host, on which it listens at that address."""
        if name == "broker":
            config = Path(command.argv[-1])
            servers.write_private(config, config.read_text().replace(LOCAL, address))
        if name == "database":
            rules = self.folder / "postgres" / "pg_hba.conf"
            rules.write_text(rules.read_text() + "\nhost all all 10.77.0.0/16 scram-sha-256\n")
        argv = [address if part == LOCAL else part for part in command.argv]
        return replace(command, argv=argv, prepare=self.hosts.on(host, command.prepare))

    def _probe(self, name: str) -> None:
        if name == "database":
            self.query("SELECT 1")
        elif name == "broker":
            with self.redis(name) as client:
                client.ping()
        else:
            self.prepare()

    def proxied(self, name: str, *, apart: bool = False) -> str:
        """By way of this process's own address."""
        if name not in self.proxies:
            return self.urls[name]
        parts = urlsplit(self.urls[name])
        there = f"{self.hosts.here}:{self.proxies[name].port}"
        return self.urls[name].replace(f"{parts.hostname}:{parts.port}", there, 1)

    def start_role(self, name: str, arguments: list[str], port: int = 0) -> None:
        address = self.hosts.addresses.get(name) or self.hosts.add(name)
        env = dict(self.env.get(name, {}))
        if arguments[0] == "api":
            env |= {
                "PLATEREEL_API__HOST": address,
                "PLATEREEL_API_KEYS": f"ops:admin:{KEY}",
            }
            if not self.api_url.startswith(f"http://{self.hosts.here.rsplit('.', 1)[0]}"):
                self.api_url = f"http://{address}:{port}"
        self.env = {**self.env, name: env}
        super().start_role(name, arguments, port)

    def _spawned(self, command: Command) -> Command:
        return replace(command, prepare=self.hosts.on(command.name, command.prepare))

    def redis(self, name: str) -> redis.Redis:
        """Of the frames, a client of the whole cluster, which has the same calls."""
        if name != "frames":
            return super().redis(name)
        url = self.urls["frames"].replace("redis+cluster", "redis")
        return cast("redis.Redis", RedisCluster.from_url(url, socket_timeout=5))

    def close_proxies(self) -> None:
        """There is none before S3 that answers for it."""
        for proxy in self.proxies.values():
            proxy.close()

    def close(self) -> None:
        super().close()
        if self.cluster is not None:
            self.cluster.stop()
