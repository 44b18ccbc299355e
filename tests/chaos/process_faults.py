"""Faults of our own processes, and of those who send them work."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from typing import Any

from tests.chaos.site import WRITERS, Site

BUSY = 40


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
    """A deploy: every process once, by SIGTERM, SIGQUIT or two SIGTERM; each is gone within 15
    s.
    """
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
            entries = [site.history.begin("detection", "storm", **body) for body in batch]
            pipe.execute()
            for entry in entries:
                site.history.end(entry, "ok")
            site.sleep(max(0.0, 1 - (time.monotonic() - began)))


def writers_slow(site: Site, chance: random.Random) -> None:
    """A fifth of the time they need: parts queue, frames are held, nothing is lost."""
    until = time.monotonic() + 12
    while time.monotonic() < until:
        with site.frozen(*WRITERS):
            site.sleep(0.8)
        site.sleep(0.2)


def host_busy(site: Site, chance: random.Random) -> None:
    """Forty programs that do nothing but compute, beside all of the site, on however few cores
    there are.
    """
    busy = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True)
        for _ in range(BUSY)
    ]
    try:
        site.sleep(25)
    finally:
        for process in busy:
            process.kill()
            process.wait()


def beats_killed(site: Site, chance: random.Random) -> None:
    with site.down("beat-1"):
        site.sleep(14)
