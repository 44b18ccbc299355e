"""The faults that a site is given while it records, by the names of docs/reliability.md. Each injects, holds, heals."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import psycopg

from tests.chaos.checker import Objects
from tests.chaos.site import Site

WRITERS = ("parts-1", "parts-2")
Inject = Callable[[Site, random.Random], None]


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    durable_only: only detections by HTTP are promised to outlive it. takes_frames: it takes frames that are nowhere
    else, so clips may lack some (and say so). most_recovery_s: how soon the whole way works again.
    """

    key: str
    name: str
    inject: Inject
    durable_only: bool = False
    takes_frames: bool = False
    quick: bool = False
    most_recovery_s: float = 30.0


def _running_part(site: Site) -> Any:
    found = site.query("SELECT id FROM segment_parts WHERE state = 'running' LIMIT 1")
    return found[0]["id"] if found else None


def writer_child_killed(site: Site, chance: random.Random) -> None:
    """The pool child, in the middle of a part where one is caught."""
    site.wait("a running part", lambda: _running_part(site), 20)
    for name in WRITERS:
        for pid in site.members[name].tree[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def worker_tree_killed(site: Site, chance: random.Random) -> None:
    site.kill_tree(chance.choice([*WRITERS, "finalise-1"]))
    site.sleep(chance.uniform(0.5, 2.5))


def rolling_restart(site: Site, chance: random.Random) -> None:
    """A deploy: every process once, by SIGTERM, SIGQUIT or two SIGTERM; each is gone within 15 s."""
    for name in site.roles:
        how = chance.choice(["term", "quit", "twice"]) if "worker" in site.roles[name] else "term"
        old = site.members[name].process
        began = time.monotonic()
        site.kill(name, signal.SIGQUIT if how == "quit" else signal.SIGTERM)
        if how == "twice":
            site.sleep(0.3)
            site.kill(name, signal.SIGTERM)
        while old.poll() is None:
            assert time.monotonic() - began < 15, f"{name} did not stop within 15 s after {how}"
            time.sleep(0.05)
        site.sleep(1.0)


def zombie_writer(site: Site, chance: random.Random) -> None:
    """Frozen for three leases, then it goes on as if nothing had happened."""
    with site.frozen(chance.choice(WRITERS)):
        site.sleep(18.5)


def dispatcher_killed(site: Site, chance: random.Random) -> None:
    site.kill(chance.choice(["dispatch-1", "dispatch-2"]))
    site.sleep(chance.uniform(0.2, 1.0))


def capture_killed(site: Site, chance: random.Random) -> None:
    site.kill(chance.choice(["capture-1", "capture-2"]))
    site.sleep(chance.uniform(0.2, 1.0))


def capture_frozen(site: Site, chance: random.Random) -> None:
    """Longer than its lease: it wakes up and finds its cameras with somebody else."""
    with site.frozen(chance.choice(["capture-1", "capture-2"])):
        site.sleep(6)


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
def api_answers(site: Site, *, needs_frames: bool = False, needs_storage: bool = False) -> Iterator[None]:
    """Reads are answered, and 503 for what needs the server that is away, within two seconds each."""
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
    site.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'platereel%'")


def database_crowded(site: Site, chance: random.Random) -> None:
    """Every connection it allows is taken by somebody else, and ours are ended."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                connection = psycopg.connect(site.urls["database"], connect_timeout=3, autocommit=True)
                stack.enter_context(connection)
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'platereel%'"
                )
        site.sleep(4)


def _http(fault: str, seconds: float, share: float = 1.0) -> Inject:
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


def storm(site: Site, chance: random.Random) -> None:
    """A thousand detections a second for three seconds, a third of them twice, in any order."""
    cameras = [name for name in site.cameras if name != "probe"]
    with site.redis("broker") as client:
        for second in range(3):
            began = time.monotonic()
            now = time.time()
            batch = []
            for n in range(1000):
                number = n if n % 3 else n - n % 9
                batch.append(
                    {
                        "detection_id": f"storm-{int(now)}-{second}-{number}",
                        "camera_id": cameras[number % len(cameras)],
                        "captured_at": round(now - (number * 7919 % 3000) / 1000, 3),
                        "confidence": 0.8,
                    }
                )
            chance.shuffle(batch)
            pipe = client.pipeline(transaction=False)
            for body in batch:
                pipe.xadd("detections", {"json": json.dumps(body)})
            pipe.execute()
            site.sleep(max(0.0, 1 - (time.monotonic() - began)))


def writers_slow(site: Site, chance: random.Random) -> None:
    """A fifth of the time they need: parts queue, frames are held, nothing is lost."""
    until = time.monotonic() + 12
    while time.monotonic() < until:
        with site.frozen(*WRITERS):
            site.sleep(0.8)
        site.sleep(0.2)


def beats_killed(site: Site, chance: random.Random) -> None:
    with site.down("beat-1"):
        site.sleep(14)


MATRIX = (
    Fault("F1", "writer child killed in a part", writer_child_killed, most_recovery_s=10, quick=True),
    Fault("F2", "worker tree killed under load", worker_tree_killed, quick=True),
    Fault("F3", "rolling restart: TERM, QUIT, twice", rolling_restart, takes_frames=True),
    Fault("F5", "writer frozen for three leases", zombie_writer),
    Fault("F1", "dispatcher killed", dispatcher_killed, most_recovery_s=8, quick=True),
    Fault("F1", "capture process killed", capture_killed, takes_frames=True, most_recovery_s=10),
    Fault("F5", "capture process frozen past its lease", capture_frozen, takes_frames=True),
    Fault("F6", "broker killed, restarted with its file", broker_killed, quick=True),
    Fault("F7", "broker killed and wiped", broker_wiped, durable_only=True, most_recovery_s=40),
    Fault("F8", "frames Redis killed, restarted empty", frames_killed, takes_frames=True, quick=True),
    Fault("F9", "a Redis stopped (SIGSTOP)", redis_stopped, takes_frames=True),
    Fault("F10", "connections reset", network_reset),
    Fault("F10", "connections refused", network_refused, takes_frames=True),
    Fault("F10", "network dead, then back", network_dead, takes_frames=True),
    Fault("F10", "old connections dead for good", connections_forgotten, takes_frames=True, most_recovery_s=40),
    Fault("F10", "network slow", network_slow),
    Fault("F10", "replies cut in half", replies_cut),
    Fault("F11", "frames Redis at maxmemory", frames_full, takes_frames=True),
    Fault("F12", "broker at maxmemory", broker_full),
    Fault("F13", "Postgres killed", database_killed, quick=True),
    Fault("F13", "Postgres stopped (SIGSTOP)", database_stopped),
    Fault("F13", "Postgres ends all connections", database_hangs_up),
    Fault("F13", "Postgres out of connections", database_crowded),
    Fault("F14", "S3 answers 500", _http("500", 8)),
    Fault("F14", "S3 answers 503 half of the time", _http("503", 8, 0.5)),
    Fault("F14", "S3 hangs", _http("hang", 10)),
    Fault("F14", "S3 cuts what it sends", _http("truncate", 8)),
    Fault("F14", "S3 stopped (SIGSTOP)", storage_stopped, quick=True),
    Fault("F14", "S3 loses an acknowledged clip", clip_lost, quick=True),
    Fault("F19", "no beat", beats_killed),
    Fault("F21", "1,000 detections a second, twice, unordered", storm),
    Fault("F22", "writers slower than real time", writers_slow),
)
