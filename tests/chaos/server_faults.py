"""Faults of the servers and of the network before them. Each injects, holds, heals."""

from __future__ import annotations

import contextlib
import random
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import psycopg

from tests.chaos.checker import Objects
from tests.chaos.site import Site

Inject = Callable[[Site, random.Random], None]


def broker_killed(site: Site, chance: random.Random) -> None:
    with site.down("broker"):
        site.sleep(chance.uniform(0.5, 4))


def broker_wiped(site: Site, chance: random.Random) -> None:
    with site.down("broker"):
        shutil.rmtree(site.folder / "redis-broker" / "appendonlydir")
        site.sleep(2)


def frames_killed(site: Site, chance: random.Random) -> None:
    with site.down("frames"):
        site.sleep(chance.uniform(0.5, 3))


def redis_stopped(site: Site, chance: random.Random) -> None:
    """SIGSTOP: connections stay open and nothing answers. The API answers all the same, soon."""
    name = chance.choice(["broker", "frames"])
    with site.frozen(name), api_answers(site, needs_frames=name == "frames"):
        site.sleep(9)


@contextlib.contextmanager
def api_answers(
    site: Site, *, needs_frames: bool = False, needs_storage: bool = False
) -> Iterator[None]:
    """Reads are answered, and 503 for what needs the server that is away, within two seconds
    each.
    """
    yield_until = time.monotonic() + 0.5
    while time.monotonic() < yield_until:
        time.sleep(0.05)
    camera = next(iter(site.cameras))
    asked: list[tuple[str, set[int]]] = [
        ("/v2/video/segments", {200}),
        ("/v2/video/cameras", {200}),
        ("/readyz", {503}),
    ]
    if needs_frames:
        asked.append((f"/v2/video/cameras/{camera}/snapshot.jpg", {503}))
    if needs_storage:
        ready = site.query("SELECT id FROM video_segments WHERE status = 'ready' LIMIT 1")
        asked += [(f"/v2/video/segments/{row['id']}/download", {503}) for row in ready]
    for path, wanted in asked:
        status, retry, took = _ask(site.api_url + path)
        assert status in wanted, (path, status)
        assert took < 2, (path, took)
        assert status != 503 or retry or path == "/readyz", path
    yield


def _ask(url: str) -> tuple[int, str | None, float]:
    began = time.monotonic()
    try:
        with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310 - our own address
            response.read()
            return response.status, None, time.monotonic() - began
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers.get("Retry-After"), time.monotonic() - began


def network_reset(site: Site, chance: random.Random) -> None:
    site.proxies[_any(site, chance)].reset()


def network_refused(site: Site, chance: random.Random) -> None:
    proxy = site.proxies[_any(site, chance)]
    proxy.refuse()
    site.sleep(chance.uniform(3, 6))
    proxy.heal()


def network_dead(site: Site, chance: random.Random) -> None:
    """Nothing goes through for a while, no connection ends."""
    proxy = site.proxies[_any(site, chance)]
    proxy.blackhole()
    site.sleep(chance.uniform(6, 9))
    proxy.heal()


def connections_forgotten(site: Site, chance: random.Random) -> None:
    """The connections of now are dead for good and nobody is told; new ones work."""
    site.proxies[_any(site, chance)].blackhole_old()
    site.sleep(3)


def network_slow(site: Site, chance: random.Random) -> None:
    proxy = site.proxies[_any(site, chance)]
    proxy.slow(*chance.choice([(0.1, 0.0), (0.0, 400_000.0)]))
    site.sleep(6)
    proxy.heal()


def servers_far(site: Site, chance: random.Random) -> None:
    """Broker, database and store are 100 ms away (there and back), all at once, for as long as two
    clips take.
    """
    far = [site.proxies[name] for name in ("broker", "database", "storage")]
    for proxy in far:
        proxy.slow(latency_s=0.05)
    site.sleep(14)
    for proxy in far:
        proxy.heal()


def replies_cut(site: Site, chance: random.Random) -> None:
    """The request ran, half of its answer came: whoever asked cannot know."""
    for _ in range(4):
        site.proxies[_any(site, chance)].cut(2)
        site.sleep(0.8)
    for proxy in site.proxies.values():
        proxy.heal()


def _any(site: Site, chance: random.Random) -> str:
    return chance.choice(sorted(site.proxies))


def _at_maxmemory(site: Site, name: str, share: float, seconds: float) -> None:
    with site.redis(name) as client:
        before = client.config_get("maxmemory")["maxmemory"]
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", int(used * share))
    try:
        site.sleep(seconds)
    finally:
        with site.redis(name) as client:
            client.config_set("maxmemory", before)


def frames_full(site: Site, chance: random.Random) -> None:
    _at_maxmemory(site, "frames", 0.97, 6)


def broker_full(site: Site, chance: random.Random) -> None:
    _at_maxmemory(site, "broker", 0.9, 5)


def database_killed(site: Site, chance: random.Random) -> None:
    with site.down("database"):
        site.sleep(chance.uniform(0.5, 3))


def database_stopped(site: Site, chance: random.Random) -> None:
    with site.frozen("database"):
        site.sleep(chance.uniform(6, 10))


def database_hangs_up(site: Site, chance: random.Random) -> None:
    site.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'platereel%'"
    )


def database_crowded(site: Site, chance: random.Random) -> None:
    """Every connection it allows is taken by somebody else, and ours are ended."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                connection = psycopg.connect(
                    site.urls["database"], connect_timeout=3, autocommit=True
                )
                stack.enter_context(connection)
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'platereel%'"
                )
        site.sleep(4)


def http(fault: str, seconds: float, share: float = 1.0) -> Inject:
    def inject(site: Site, chance: random.Random) -> None:
        site.http.share, site.http.fault = share, fault
        try:
            if fault in {"500", "503"} and share == 1:
                with api_answers(site, needs_storage=True):
                    site.sleep(seconds)
            else:
                site.sleep(seconds)
        finally:
            site.http.fault = "none"

    return inject


def storage_stopped(site: Site, chance: random.Random) -> None:
    """Longer than a writer may take over an upload: parts wait, encoded, and nothing is lost."""
    with site.frozen("storage"), api_answers(site, needs_storage=True):
        site.sleep(12)


def clip_lost(site: Site, chance: random.Random) -> None:
    """The store forgets a clip that it acknowledged, while its parts are still there."""

    def young() -> Any:
        return site.query(
            """
            SELECT s.file_path FROM video_segments s WHERE status = 'ready'
               AND EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id)
               AND updated_at > now() - interval '2 s'
            """
        )

    found = site.wait("a clip that is just READY", young, 60)
    objects, key = Objects(site.urls["storage"]), found[0]["file_path"]
    objects.remove(key)
    site.wait("the clip to be made again", lambda: objects.get(key), 60)
