"""A process opens each server at its first use, once, and closes what it opened; also where its
start fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis
from pydantic import SecretStr

from services.api.wiring import build as build_api
from services.dispatch.wiring import build as build_dispatch
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.storage.s3 import MinioObjects
from shared.client.wiring import connect
from shared.deployment import Deployment
from shared.domain.errors import Permanent, Retryable
from shared.runtime.configuration import ConfigurationError
from shared.runtime.settings import Settings
from shared.wire.keys import SENTINEL
from tests.support.servers import Servers
from tests.support.waiting import wait_until
from workers.wiring import OpenWorld
from workers.wiring import build as build_worker

ROOT = Path(__file__).parents[2]
# a database of the Redis that no other test uses, so that every client in it is this test's
NUMBER = 11
URLS = ("database_url", "frames_url", "broker_url", "storage_url")


@pytest.fixture
def settings(servers: Servers) -> Iterator[Settings]:
    """A database and a bucket of its own; no clients but those of the test."""
    database, bucket = servers.new_database(), servers.new_bucket()
    both = SecretStr(servers.redis_url.rpartition("/")[0] + f"/{NUMBER}")
    made = Settings(
        database_url=SecretStr(database), storage_url=SecretStr(bucket), frames_url=both, broker_url=both
    )  # fmt: skip
    with Deployment(made, "set-up") as deployment:
        deployment.store.prepare()
        deployment.store.put(SENTINEL, b"{}", "application/json")
    yield made
    servers.drop_database(database)
    servers.drop_bucket(bucket)


@pytest.fixture
def at_servers(servers: Servers, settings: Settings) -> Iterator[Callable[[], list[str]]]:
    """The names of the connections that the servers have of this test."""
    assert settings.database_url is not None
    database = settings.database_url.get_secret_value().rpartition("/")[2]
    admin = servers.postgres_url
    with (
        redis.Redis.from_url(servers.redis_url) as client,
        psycopg.connect(admin, autocommit=True) as connection,
    ):

        def names() -> list[str]:
            clients: Any = client.client_list()
            rows = connection.execute(
                "SELECT application_name FROM pg_stat_activity WHERE datname = %s", [database]
            )
            return sorted(
                [each["name"] or "?" for each in clients if each["db"] == str(NUMBER)]
                + [n for (n,) in rows]
            )

        yield names


def test_each_server_is_opened_at_its_first_use_and_once(
    settings: Settings, at_servers: Callable[[], list[str]]
) -> None:
    with Deployment(settings, "lazy") as deployment:
        assert at_servers() == []
        deployment.ping_broker()
        assert at_servers() == ["lazy"]
        for check in deployment.checks().values():
            check()
        assert set(at_servers()) == {"lazy"}
        assert deployment.database is deployment.database
        assert deployment.stream("one")._redis is deployment.channel._redis is deployment.broker


def test_what_was_opened_is_closed(settings: Settings, at_servers: Callable[[], list[str]]) -> None:
    deployment = Deployment(settings, "closing")
    for check in deployment.checks().values():
        check()
    deployment.channel.listen(0.1)
    assert deployment.queue.send_all([("nobody.listens", {})] * 3) == [True] * 3
    assert set(at_servers()) == {"closing", "?"}  # Celery's connections have no name
    store = deployment.store
    assert isinstance(store, MinioObjects)
    assert len(store._pool.pools) == 1
    deployment.close()
    wait_until("the servers to notice", lambda: at_servers() == [])
    assert len(store._pool.pools) == 0
    deployment.close()  # whoever closes twice does no harm


def test_two_in_one_process_send_on_when_one_is_closed(settings: Settings) -> None:
    """Kombu has one pool of connections a broker, whoever opened it."""
    one, other = Deployment(settings, "one"), Deployment(settings, "other")
    assert one.queue.send_all([("nobody.listens", {})])
    one.close()
    assert other.queue.send_all([("nobody.listens", {})] * 2) == [True, True]
    other.close()


def no_deployment(*_: object) -> None:
    raise Retryable("the database has just gone")


def threads() -> int:
    """How many there are, but for the one that all pools of a process share from the first on."""
    return sum(each.name != "database-patience" for each in threading.enumerate())


@pytest.mark.parametrize("build", [build_api, build_dispatch])
def test_a_start_that_fails_leaves_nothing_open(
    settings: Settings,
    at_servers: Callable[[], list[str]],
    monkeypatch: pytest.MonkeyPatch,
    build: Any,
) -> None:
    """It is tried again until it goes well: each try would keep its connections and its threads."""
    before = threads()
    monkeypatch.setattr(PostgresConsistencyRows, "deployment_id", no_deployment)
    for _ in range(2):
        with pytest.raises(Retryable, match="has just gone"):
            build(settings)
    wait_until("connections to be closed", lambda: at_servers() == [])
    wait_until("threads to end", lambda: threads() <= before)


def test_a_worker_or_doorway_that_cannot_be_built_leaves_nothing_open(
    settings: Settings, at_servers: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = settings.model_copy(
        update={"storage_url": SecretStr("s3://key:secret12@127.0.0.1:1")}
    )
    with pytest.raises(Permanent, match="one bucket"):
        build_worker(nowhere)
    monkeypatch.setattr("shared.client.wiring.PostgresJobRows", no_deployment)
    with pytest.raises(Retryable):
        connect(settings)
    wait_until("connections to be closed", lambda: at_servers() == [])


def test_a_doorway_closes_what_it_opened(
    settings: Settings, at_servers: Callable[[], list[str]]
) -> None:
    doorway = connect(settings)
    doorway.states.report("gate", {"state": "connected"})
    doorway.stream.hint("gate", "d1")
    assert at_servers().count("platereel-client") >= 2
    doorway.close()
    wait_until("connections to be closed", lambda: at_servers() == [])


def test_a_pool_child_has_a_world_only_while_it_is_open(
    settings: Settings, at_servers: Callable[[], list[str]]
) -> None:
    world = OpenWorld(settings)
    with pytest.raises(Permanent, match="not open"):
        world()
    world.close()  # a child that ends before it has begun
    world.open()
    assert world().check.period_s == settings.check_seconds
    assert world() is world()
    world.close()
    with pytest.raises(Permanent, match="not open"):
        world()
    wait_until("connections to be closed", lambda: at_servers() == [])


def test_an_address_that_is_missing_is_named_before_anything_is_opened(settings: Settings) -> None:
    with pytest.raises(ConfigurationError, match="PLATEREEL_BROKER_URL"):
        Deployment(settings.model_copy(update={"broker_url": None}), "nobody")


HEAVY = {"av", "cv2", "numpy", "psycopg", "minio", "celery", "alembic"}
SCRIPT = f"""
import json, os, sys
from shared.runtime.configuration import load
from services.SERVICE.wiring import build
built = build(load(None))
print(json.dumps(sorted(set(sys.modules) & {HEAVY})), flush=True)
os._exit(0)
"""


@pytest.mark.parametrize(
    ("service", "needs"),
    [
        ("api", {"psycopg", "minio"}),
        ("capture", {"av", "cv2", "numpy"}),
        ("detection", {"av", "cv2", "numpy"}),
        ("dispatch", {"psycopg", "celery"}),
    ],
)
def test_a_process_loads_the_drivers_it_needs(
    settings: Settings, service: str, needs: set[str]
) -> None:
    """By their memory and start: two libraries of pictures are 60 MB in each process that has no
    picture.
    """
    urls = {
        f"PLATEREEL_{name.upper()}": getattr(settings, name).get_secret_value() for name in URLS
    }
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT.replace("SERVICE", service)],
        cwd=ROOT, env={**os.environ, **urls}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert set(json.loads(ran.stdout.splitlines()[-1])) == needs  # after what it logs
