"""Real servers as child processes, one set a test process, on free ports, in a temporary folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from minio import Minio

from platereel.embedded import servers
from platereel.embedded.storage import storage
from platereel.embedded.supervisor import Supervisor
from shared.adapters.clock import SystemClock
from shared.adapters.postgres.migrate import migrate
from shared.adapters.storage.address import S3Address, parse_storage_url
from tests.support.waiting import WAIT_SECONDS

TEMPLATE = "platereel_template"


@dataclass(slots=True)
class Servers:
    """Addresses of running servers; `new_database` makes a migrated one without rows, or one
    without anything.
    """

    redis_url: str
    postgres_url: str
    storage_url: str
    made: int = 0

    def new_database(self, template: str = TEMPLATE) -> str:
        self.made += 1
        name = f"test_{self.made}"
        with as_admin(self.postgres_url) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.postgres_url.rsplit("/", 1)[0] + f"/{name}"

    def drop_database(self, url: str) -> None:
        with as_admin(self.postgres_url) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")

    def new_bucket(self) -> str:
        self.made += 1
        return self.storage_url.replace("/platereel?", f"/bucket-{self.made}?")

    def drop_bucket(self, url: str) -> None:
        """The server has room for a hundred or so buckets at once."""
        address = parse_storage_url(url)
        assert isinstance(address, S3Address)
        client = Minio(
            address.endpoint,
            address.access_key,
            address.secret_key,
            secure=False,
            region=address.region,
        )
        for found in client.list_objects(address.bucket, recursive=True):
            client.remove_object(address.bucket, str(found.object_name))
        client.remove_bucket(address.bucket)


def as_admin(url: str) -> psycopg.Connection:
    """A connection for a test's set-up: on a busy machine it may take far longer than a product
    could wait.
    """
    return psycopg.connect(url, autocommit=True, connect_timeout=round(WAIT_SECONDS))


@contextmanager
def running_servers(folder: Path) -> Iterator[Servers]:
    """A Valkey, a PostgreSQL and an S3 server for the length of a block."""
    (folder / "logs").mkdir(parents=True)
    supervisor = Supervisor(SystemClock())
    own = servers.Secrets.of(folder)
    redis = servers.valkey("redis", folder, own.redis, 500_000_000, durable=False)
    postgres = servers.postgres(folder, own.postgres)
    store = storage(folder, own.s3_key, own.s3_secret)
    assert store is not None
    wanted = [redis, postgres, store]
    try:
        for server in wanted:
            supervisor.start(server.command)
        for server in wanted:
            supervisor.await_ready(server.command.name, server.probe)
        with as_admin(postgres.url) as connection:
            # No test takes power away from this server; what is killed are its clients.
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(f"CREATE DATABASE {TEMPLATE}")
        migrate(postgres.url.rsplit("/", 1)[0] + f"/{TEMPLATE}")
        yield Servers(redis.url, postgres.url, store.url)
    finally:
        supervisor.stop(["storage", "postgres", "redis"], 5.0)
