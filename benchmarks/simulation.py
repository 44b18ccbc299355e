"""Simulation: a site of 2,000 cameras on one Postgres and one dispatcher, in accelerated time; then
its writers are away for twelve minutes, and come back.

Dispatch with intake and pacer, the schema, both Redis, Celery and its queues are the product's.
Simulated are the cameras (frames of 200 bytes, one in two seconds) and the writers, which commit
parts and clips without encoding. Time goes faster because frames and detections are stamped faster
than the clock goes: per second of the wall the servers do the work of two seconds of the site.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

import psycopg

from benchmarks.harness import Row, console, machine, report
from benchmarks.lines import Panel, draw_lines
from benchmarks.site import Site, site
from platereel.embedded.processes import Command
from shared.adapters.redis.frames import RedisFrames
from shared.adapters.redis.servers import frame_servers
from shared.domain.media import Frame
from shared.domain.ports import BufferLimits
from shared.wire.keys import Keys

ROOT = Path(__file__).parents[1]
EVENTS_A_DAY = 120  # of each camera; three reads each
READS = (0.0, 1.0, 2.0)
FRAME_EVERY_S = 2.0
STEP_S = 1.0  # of the site: half of the cameras have a frame
HOLD_CAP_S = 600
FIRST_S = 8.0  # until there is a pre-roll
FRESH_S = 15.0  # a part waits for its end, and for late detections
DATA = bytes(200)
WRITERS = ("writers", "--queues", "parts,finalise", "--concurrency", "2")
_COUNTED = """
    SELECT sum(calls)::bigint AS statements, sum(rows)::bigint AS rows, sum(total_exec_time) AS ms
      FROM pg_stat_statements
"""
_QUEUES = """
    SELECT (SELECT extract(epoch FROM min(end_time)) FROM segment_parts
             WHERE state NOT IN ('done', 'gap') AND end_time < to_timestamp(%(now)s)) AS part,
           (SELECT count(*) FROM segment_parts
             WHERE state NOT IN ('done', 'gap') AND end_time < to_timestamp(%(now)s)) AS parts,
           (SELECT extract(epoch FROM min(deadline)) FROM video_segments s WHERE status = 'finalizing'
               AND NOT EXISTS (SELECT FROM segment_parts p WHERE p.segment_id = s.id AND p.state NOT IN ('done', 'gap'))
           ) AS clip,
           (SELECT count(*) FROM video_segments WHERE status IN ('recording', 'finalizing')) AS live
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How many cameras, and for how many seconds of the site: until it is steady, while it is, and
    while the writers are away. away_s may be over the hold cap: footage is lost then, and counted.
    """

    cameras: int
    faster: int  # seconds of the site in a second of the wall
    warm_s: float
    steady_s: float
    away_s: float
    drained_s: float  # at most: until everything has to be done
    events_a_day: float = EVENTS_A_DAY
    recording: str = ""  # settings of recordings that are not the defaults

    @property
    def all_s(self) -> float:
        """The longest that a run may take, in seconds of the site."""
        return self.warm_s + self.steady_s + self.away_s + self.drained_s


FULL = Plan(cameras=2_000, faster=2, warm_s=60, steady_s=180, away_s=720, drained_s=2_400)
QUICK = Plan(
    cameras=20,
    faster=4,
    warm_s=8,
    steady_s=8,
    away_s=8,
    drained_s=120,
    events_a_day=8_640,
    recording=", buffer_seconds: 2, post_event_seconds: 3, part_seconds: 2",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was so at one moment. at_s: seconds of the site since the beginning; ages likewise."""

    at_s: float
    part_age_s: float
    clip_age_s: float
    parts: int
    live: int
    queued: int
    statements: int
    rows: int
    database_cpu_s: float
    dispatch_cpu_s: float
    wall_s: float


@dataclass
class World:
    """The cameras and their detections, and what is seen of the site meanwhile."""

    place: Site
    plan: Plan
    chance: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - traffic
    sent: dict[str, float] = field(default_factory=dict)  # id -> when it was published, epoch
    samples: list[Sample] = field(default_factory=list)
    publishing: bool = True
    _due: list[tuple[float, str]] = field(default_factory=list)
    _counters: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.names = [f"cam{number}" for number in range(self.plan.cameras)]
        self.frames = RedisFrames(frame_servers(self.place.addresses.frames), Keys())
        limits = BufferLimits(keep_ms=15_000, cap_ms=HOLD_CAP_S * 1000, max_bytes=10_000_000)
        self.limits = dict.fromkeys(self.names, limits)
        self.began = time.time()
        # Everything is stamped in the past: at the end of the run it has come up to the clock.
        self.base_ms = round((self.began - self.plan.all_s) * 1000)
        self.at_s = 0.0
        for name in self.names:
            heappush(self._due, (FIRST_S + self._pause_s(), name))

    def _pause_s(self) -> float:
        return self.chance.expovariate(self.plan.events_a_day / 86_400)

    def run(self, seconds: float, rows: psycopg.Connection[dict[str, Any]]) -> None:
        """Let so many seconds of the site pass."""
        until = self.at_s + seconds
        with self.place.broker() as broker:
            self.samples.append(self._look(rows, broker))
            while self.at_s < until:
                self.at_s += STEP_S
                ahead = self.at_s / self.plan.faster - (time.time() - self.began)
                if ahead > 0:
                    time.sleep(ahead)
                self._film()
                self._publish(broker)
                if not self.samples or time.time() - self.samples[-1].wall_s >= 1:
                    self.samples.append(self._look(rows, broker))
                self.place.supervisor.poll()
            self.samples.append(self._look(rows, broker))

    def _film(self) -> None:
        """Half of the cameras have a new frame."""
        phase = round(self.at_s / STEP_S) % 2
        ms = self.base_ms + round(self.at_s * 1000)
        batch = []
        for name in self.names[phase::2]:
            number = self._counters.get(name, 0)
            self._counters[name] = number + 1
            batch.append(
                Frame(camera_id=name, captured_ms=ms, data=DATA, counter=number, run_id="sim")
            )
        self.frames.append(batch, self.limits)

    def _publish(self, broker: Any) -> None:
        """Publish the reads of vehicles that were there since the last step."""
        line = broker.pipeline(transaction=False)
        while self._due[0][0] <= self.at_s:
            at_s, name = heappop(self._due)
            heappush(self._due, (at_s + self._pause_s(), name))
            for offset in READS if self.publishing else ():
                identifier = f"{name}-{at_s:.3f}-{offset:g}"
                body = {
                    "detection_id": identifier,
                    "camera_id": name,
                    "captured_at": self.base_ms / 1000 + at_s + offset - READS[-1],
                    "confidence": 0.9,
                    "plate": f"{round(at_s * 1000) % 10**7:07d}",
                }
                line.xadd("detections", {"json": json.dumps(body)})
                self.sent[identifier] = time.time()
        line.execute()

    def _look(self, rows: psycopg.Connection[dict[str, Any]], broker: Any) -> Sample:
        now = self.base_ms / 1000 + self.at_s
        found = rows.execute(_QUEUES, {"now": now}).fetchone() or {}
        counted = rows.execute(_COUNTED).fetchone() or {}
        return Sample(
            at_s=self.at_s,
            part_age_s=0.0 if found["part"] is None else now - float(found["part"]),
            clip_age_s=0.0 if found["clip"] is None else max(0.0, now - float(found["clip"])),
            parts=found["parts"],
            live=found["live"],
            queued=broker.llen("parts") + broker.llen("finalise"),
            statements=int(counted["statements"] or 0),
            rows=int(counted["rows"] or 0),
            database_cpu_s=self.place.cpu_s("postgres"),
            dispatch_cpu_s=self.place.cpu_s("dispatch"),
            wall_s=time.time(),
        )


def run(*, quick: bool) -> list[Row]:
    """Steady figures, then the outage of the writers: how long until everything is done."""
    plan = QUICK if quick else FULL
    config = f"defaults: {{hold_cap_seconds: {HOLD_CAP_S}, capture_fps: 1, fps: 1{plan.recording}}}\ncameras:\n"
    config += "".join(
        f'  cam{number}: {{source: "push:", detect: false}}\n' for number in range(plan.cameras)
    )
    with site(config, frames_bytes=4_000_000_000) as place, _counting(place) as rows:
        ticks = place.folder / "ticks.txt"
        ticks.unlink(missing_ok=True)
        _start(place, "dispatch", "dispatch", str(ticks))
        _start(place, *WRITERS[:1], *WRITERS)
        world = World(place, plan)
        world.run(plan.warm_s, rows)
        steady = len(world.samples)
        world.run(plan.steady_s, rows)
        away = len(world.samples)
        _kill(place, "writers")
        left = world.at_s
        world.run(plan.away_s, rows)
        back, back_s = len(world.samples), world.at_s
        _start(place, *WRITERS[:1], *WRITERS)
        caught_up_s = _until(world, rows, plan, lambda sample: sample.part_age_s < FRESH_S)
        world.publishing = False
        _until(world, rows, plan, lambda sample: sample.live == 0 and _all_stored(world, rows))
        told = _told(world, rows, ticks, (steady, away, back))
        told += _drained(world, rows, back_s, caught_up_s)
        if not quick:
            console.print(f"written: {_chart(world, ticks, (left, back_s))}")
        return told


def _start(place: Site, name: str, *arguments: str) -> None:
    """Start a process of the simulation as a child."""
    argv = [sys.executable, "-m", "benchmarks.stand_ins", *arguments]
    env = {**place.env, "PYTHONPATH": str(ROOT)}
    log = place.folder / "logs" / f"{name}.log"
    place.supervisor.start(Command(name, argv, log, env, lifeline=True))


def _kill(place: Site, name: str) -> None:
    """End a child and all that it started at once: the site goes on meanwhile."""
    for pid in place.pids(name):
        os.kill(pid, signal.SIGKILL)
    place.stop(name)


@contextmanager
def _counting(place: Site) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """Yields a connection to a Postgres that counts statements, which takes a start of it."""
    with place.database() as rows:
        rows.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
    for pid in place.supervisor.pids()["postgres"]:
        os.kill(pid, signal.SIGINT)
    time.sleep(1)

    def counts() -> bool:
        with suppress(psycopg.OperationalError), place.database() as rows:
            rows.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
            rows.execute("SELECT count(*) FROM pg_stat_statements")
            return True
        return False

    place.wait_for("a Postgres that counts", counts, 60, every_s=0.2)
    with place.database() as rows:
        yield rows


def _until(world: World, rows: Any, plan: Plan, done: Any) -> float:
    """Let the site go on until a sample is as it should be. Returns when, in its seconds."""
    while not done(world.samples[-1]):
        if world.at_s > plan.all_s:
            raise RuntimeError(
                f"not done after {plan.drained_s:g} s of the site: {world.samples[-1]}"
            )
        world.run(2 * plan.faster, rows)
    return world.at_s


def _all_stored(world: World, rows: Any) -> bool:
    found = rows.execute(
        "SELECT count(*) AS n FROM detections WHERE outcome <> 'pending'"
    ).fetchone()
    return bool(found["n"] >= len(world.sent))


def _told(world: World, rows: Any, path: Path, marks: tuple[int, int, int]) -> list[Row]:
    """The rows of the steady site, and of the one without writers."""
    steady, away, back = marks
    names = {"steady": (steady, away - 1), "no writers": (away, back - 1)}
    stored = {
        row["detection_id"]: row["at"]
        for row in rows.execute(
            "SELECT detection_id, extract(epoch FROM created_at)::float8 AS at FROM detections"
        )
    }
    ticks = _ticks(path)
    told = []
    for case, (first, last) in names.items():
        begin, end = world.samples[first], world.samples[last]
        wall = end.wall_s - begin.wall_s
        lags = [
            stored[name] - at
            for name, at in world.sent.items()
            if begin.wall_s <= at < end.wall_s and name in stored
        ]
        within = [tick for tick in ticks if begin.wall_s <= tick[0] < end.wall_s]
        took, used = [ms for _, ms, _ in within], [ms for _, _, ms in within]
        told += [
            report(case, "detections a second", len(lags) / wall),
            report(case, "detection lag p50, ms", _at(lags, 0.5) * 1000),
            report(case, "detection lag p99, ms", _at(lags, 0.99) * 1000),
            report(case, "pacer tick p50, ms", _at(took, 0.5)),
            report(case, "pacer tick p99, ms", _at(took, 0.99)),
            report(case, "pacer tick p99, CPU ms", _at(used, 0.99)),
            report(case, "statements a second", (end.statements - begin.statements) / wall),
            report(case, "rows a second", (end.rows - begin.rows) / wall),
            report(case, "Postgres CPU, cores", (end.database_cpu_s - begin.database_cpu_s) / wall),
            report(case, "dispatch CPU, cores", (end.dispatch_cpu_s - begin.dispatch_cpu_s) / wall),
            report(case, "open segments", end.live),
            report(case, "oldest part at the end, s of the site", end.part_age_s),
            report(case, "seconds of the site in one of the wall", (end.at_s - begin.at_s) / wall),
        ]
    return told


def _drained(world: World, rows: Any, back_s: float, caught_up_s: float) -> list[Row]:
    """How long the site needed, and what was lost."""
    found = rows.execute(
        """
        SELECT (SELECT count(*) FROM detections WHERE outcome = 'recorded' AND detection_id = ANY(%s)) AS recorded,
               (SELECT count(*) FROM video_segments WHERE status = 'ready') AS ready,
               (SELECT count(*) FROM video_segments WHERE status <> 'ready') AS others,
               (SELECT count(*) FROM segment_parts WHERE state = 'done') AS parts,
               (SELECT count(*) FROM segment_parts WHERE start_time > to_timestamp(%s)
                   AND facts->>'first' IS NULL AND facts->>'before' IS NULL) AS empty
        """,
        # before the first frame there was none
        [list(world.sent), world.base_ms / 1000 + world.plan.warm_s],
    ).fetchone()
    return [
        report("writers back", "until the oldest part is fresh, s of the site", caught_up_s - back_s),
        report("writers back", "most parts waiting", max(each.parts for each in world.samples)),
        report("at the end", "detections published", len(world.sent)),
        report("at the end", "detections not recorded", len(world.sent) - found["recorded"], "<= 0"),
        report("at the end", "clips ready", found["ready"]),
        report("at the end", "segments that are not ready", found["others"], "<= 0"),
        report("at the end", "parts", found["parts"]),
        report("at the end", "parts whose frames had left the buffer", found["empty"]),
    ]  # fmt: skip


def _ticks(path: Path) -> list[tuple[float, float, float]]:
    """Returns when each tick began, how long it took (ms), and its CPU time (ms)."""
    lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    return [(float(line[0]), float(line[1]), float(line[2])) for line in lines if len(line) == 3]  # noqa: PLR2004


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def _chart(world: World, path: Path, away: tuple[float, float]) -> Path:
    """Queue ages, what waits, ticks and the database's load over the minutes of the site."""
    samples, found = world.samples, machine()
    ticks: dict[int, list[float]] = {}
    for at, ms, _ in _ticks(path):
        ticks.setdefault(int((at - world.began) * world.plan.faster // 20), []).append(ms)
    steps = list(zip(samples[:-5:5], samples[5::5], strict=False))
    panels = [
        Panel("age of the oldest, seconds of the site", (
            ("part", [(s.at_s / 60, s.part_age_s) for s in samples]),
            ("clip", [(s.at_s / 60, s.clip_age_s) for s in samples]))),
        Panel("waiting", (
            ("parts", [(s.at_s / 60, float(s.parts)) for s in samples]),
            ("open segments", [(s.at_s / 60, float(s.live)) for s in samples]))),
        Panel("pacer tick, ms, p99 of 20 s of the site", (
            ("tick", [(n / 3, _at(each, 0.99)) for n, each in sorted(ticks.items())]),)),
        Panel("statements in a second of the wall", (
            ("statements", [(b.at_s / 60, (b.statements - a.statements) / (b.wall_s - a.wall_s))
                            for a, b in steps]),)),
        Panel("CPU, cores", (
            ("Postgres", [(b.at_s / 60, (b.database_cpu_s - a.database_cpu_s) / (b.wall_s - a.wall_s))
                          for a, b in steps]),
            ("dispatch", [(b.at_s / 60, (b.dispatch_cpu_s - a.dispatch_cpu_s) / (b.wall_s - a.wall_s))
                          for a, b in steps]))),
    ]  # fmt: skip
    name = f"{found['cpu']}, {found['cores']} cores"
    marked = (away[0] / 60, away[1] / 60, "no writers")
    return draw_lines("simulation", name, "minutes of the site", panels, marked)
