"""What `platereel doctor` checks: every server, every codec, every camera, each with its
finding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TypeVar

from platereel.wiring import Desk, desk
from shared.adapters.postgres.consistency import PostgresConsistencyRows
from shared.adapters.postgres.schema import SCHEMA_VERSION, current_schema, expanded, mismatch
from shared.adapters.postgres.server_settings import wrong_settings as wrong_in_postgres
from shared.adapters.redis.memory_check import NodeFacts, check_room, facts_of
from shared.adapters.redis.memory_check import wrong_settings as wrong_in_redis
from shared.adapters.video.codecs import MAKING
from shared.adapters.video.encoders import Encoders
from shared.deployment import Deployment
from shared.domain.backup import LATE_SECONDS
from shared.domain.camera import CameraState, Recorded
from shared.domain.capacity import buffered_bytes, maxmemory_for, too_large
from shared.domain.codec import CODECS
from shared.domain.errors import Conflict, NotFound, PlatereelError, told
from shared.domain.health import Severity, WrongSetting
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Clock
from shared.domain.timing import to_ms
from shared.runtime.live_cameras import take_made
from shared.runtime.settings import Settings
from shared.wire.keys import SENTINEL
from shared.wire.urls import masked
from workers.consistency.sentinel import check_store

SKEW_MS, STALE_MS = 2_000, 5_000
Answer = TypeVar("Answer")


class Health(StrEnum):
    """How a finding is."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. mend: the line that mends what is wrong, where there is one."""

    what: str
    health: Health
    detail: str
    mend: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Yields one finding after another; a server that cannot be reached is a finding too."""
    with Deployment(settings, "platereel-doctor") as deployment:
        of_database = list(_guarded("database", lambda: _database(deployment)))
        yield from of_database
        works = of_database[0].health is Health.OK
        yield from _guarded("frames Redis", lambda: _frames(deployment))
        yield from _guarded("broker Redis", lambda: _broker(deployment))
        if not settings.cameras:
            yield Finding("cameras", Health.WARNING, "the configuration has none")
        yield from _guarded("addresses", lambda: _together(deployment, database_works=works))


def _together(deployment: Deployment, *, database_works: bool) -> Iterator[Finding]:
    """What needs several servers at once; nothing more is asked of a database that does not
    work.
    """
    settings = deployment.settings
    with desk(settings, any_schema=True) as world:
        if database_works:
            take_made(settings, world.made.all())
        yield from _guarded(
            "storage", lambda: _storage(world, settings, database_works=database_works)
        )
        if database_works:
            yield from _guarded("jobs", lambda: _jobs(world))
            yield from _guarded("backup", lambda: _backup(world, settings))
            yield from _guarded("clocks", lambda: _clocks(world, deployment))
        yield from codecs(settings)
        for camera_id in settings.cameras:
            look = partial(_camera, world, settings, camera_id)
            yield from _guarded(f"camera {camera_id}", look)


def _guarded(what: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from look()
    except PlatereelError as error:
        yield Finding(what, Health.BROKEN, masked(told(error)))


def _timed(ask: Callable[[], Answer], clock: Clock) -> tuple[Answer, str]:
    """Returns an answer, and how long it took in words."""
    began = clock.monotonic()
    answer = ask()
    return answer, f"answered in {(clock.monotonic() - began) * 1000:.0f} ms"


def _judged(what: str, detail: str, wrong: Sequence[WrongSetting]) -> Finding:
    """Returns a server's finding, with what is set wrong in it and the lines that mend it."""
    worst = {each.severity for each in wrong}
    health = (
        Health.BROKEN
        if Severity.ERROR in worst
        else Health.WARNING
        if Severity.WARNING in worst
        else Health.OK
    )
    told = "".join(f"; {each.setting} is {each.found}" for each in wrong)
    return Finding(what, health, detail + told, "; ".join(each.mend for each in wrong))


def _database(deployment: Deployment) -> Iterator[Finding]:
    schema = current_schema(deployment.urls.database)
    wrong = mismatch(schema)
    if wrong is not None or schema is None:
        yield Finding("database", Health.BROKEN, wrong or "", "platereel migrate")
        return
    told = f"schema {schema.version}"
    if expanded(schema):
        told += f", newer than this version's {SCHEMA_VERSION}, which can use it"
    yield Finding("database", Health.OK, told)
    of_server, took = _timed(deployment.database.version, deployment.clock)
    yield _judged(
        "database server", f"PostgreSQL {of_server}, {took}", wrong_in_postgres(deployment.database)
    )


def _frames(deployment: Deployment) -> Iterator[Finding]:
    keys, servers = deployment.keys, deployment.frame_servers
    for node in servers.nodes():
        yield _redis(partial(facts_of, node), "frames", deployment.clock, durable=False)
    check_room(
        servers,
        {},
        {camera_id: keys.frames(camera_id) for camera_id in deployment.settings.cameras},
    )


def _broker(deployment: Deployment) -> Iterator[Finding]:
    look = partial(facts_of, deployment.broker, "broker")
    yield _redis(look, "broker", deployment.clock, durable=True)


def _redis(look: Callable[[], NodeFacts], role: str, clock: Clock, *, durable: bool) -> Finding:
    facts, took = _timed(look, clock)
    wrong = wrong_in_redis(facts, durable=durable)
    return _judged(f"{role} Redis {facts.name}", f"{_describe(facts)}, {took}", wrong)


def _describe(facts: NodeFacts) -> str:
    limit = (
        "no maxmemory" if facts.maxmemory_bytes == 0 else f"of {facts.maxmemory_bytes / 1e6:.0f} MB"
    )
    file = "with" if facts.append_only else "without"
    return f"version {facts.version}, {facts.used_bytes / 1e6:.0f} MB {limit}, {facts.policy}, {file} append-only file"


def _storage(world: Desk, settings: Settings, *, database_works: bool) -> Iterator[Finding]:
    try:
        _, took = _timed(lambda: world.store.head(SENTINEL), world.clock)
        if not database_works:
            yield Finding(
                "storage", Health.WARNING, "reachable; whose it is only the database can tell"
            )
            return
        check_store(world.store, PostgresConsistencyRows(world.database))
    except NotFound:
        yield Finding("storage", Health.BROKEN, "reachable, but nobody's", "platereel migrate")
        return
    except Conflict as error:
        yield Finding("storage", Health.BROKEN, error.message)
        return
    yield Finding("storage", Health.OK, f"this deployment's sentinel is there, {took}")
    if settings.retention.free_bytes is not None and world.store.room() is None:
        told = "S3 does not say how full it is: retention.free_bytes has no effect"
        yield Finding("retention", Health.WARNING, told, "set retention.bytes")


def _jobs(world: Desk) -> Iterator[Finding]:
    """Check that a worker takes retention and checks: without one nothing is ever deleted."""
    row = world.database.fetch_one(
        """
        SELECT count(*) FILTER (WHERE state = 'requested' AND requested_at < now() - interval '5 min') AS waiting,
               max(finished_at) FILTER (WHERE kind = 'cleanup' AND state = 'done') AS last FROM jobs
        """
    )
    if row is None or row["waiting"]:
        mend = "platereel worker --queues retention,consistency,backup"
        yield Finding("jobs", Health.WARNING, "no worker takes retention and checks", mend)
    else:
        last = (
            "no cleanup has run yet"
            if row["last"] is None
            else f"the last cleanup ended {row['last']:%F %T} UTC"
        )
        yield Finding("jobs", Health.OK, last)


def _backup(world: Desk, settings: Settings) -> Iterator[Finding]:
    """Tell when the database was backed up, where that is wanted."""
    if settings.backup.keep == 0:
        yield Finding("backup", Health.OK, "none are made (backup.keep is 0)")
        return
    row = world.database.fetch_one(
        """
        SELECT backed_up_at, extract(epoch FROM now() - coalesce(backed_up_at, created_at))::float8 AS age
          FROM deployment
        """
    )
    last = None if row is None else row["backed_up_at"]
    told = "none has been made yet" if last is None else f"the newest was made {last:%F %T} UTC"
    late = row is not None and row["age"] > LATE_SECONDS
    yield Finding("backup", Health.WARNING if late else Health.OK, told)


def _clocks(world: Desk, deployment: Deployment) -> Iterator[Finding]:
    """Compare clocks.

    Leases and ages use the servers' own, but frames, detections and objects carry times of several
    hosts. The database's clock decides what is old, the broker's when a detection without a time
    arrived.
    """
    row = world.database.fetch_one("SELECT now() AS now")
    skews = {"database": 0 if row is None else to_ms(row["now"]) - world.clock.now_ms()}
    for node in deployment.frame_servers.nodes():
        facts = facts_of(node)
        skews[f"frames Redis {facts.name}"] = facts.now_ms - world.clock.now_ms()
    skews["broker Redis"] = facts_of(deployment.broker, "broker").now_ms - world.clock.now_ms()
    worst = max(skews.values(), key=abs)
    told = ", ".join(f"{name} {skew:+d} ms" for name, skew in skews.items())
    yield Finding(
        "clocks",
        Health.OK if abs(worst) <= SKEW_MS else Health.WARNING,
        f"against this host: {told}",
    )


def codecs(settings: Settings) -> Iterator[Finding]:
    """Yields each codec with the encoders that work on this host, and what each camera's setting
    results in.
    """
    encoders = Encoders()
    for codec, row in CODECS.items():
        if row.keeps_source:
            yield Finding(f"codec {codec}", Health.OK, "the camera's own data is copied")
            continue
        policy, making = RecordingPolicy(codec=codec), MAKING[codec]
        refused = {each: encoders.refusal(each, policy) for each in making.encoders("auto")}
        works = [each for each, reason in refused.items() if reason is None]
        others = "; ".join(
            f"{each}: {reason}" for each, reason in refused.items() if reason is not None
        )
        health = Health.OK if making.software in works else Health.BROKEN
        yield Finding(
            f"codec {codec}",
            health,
            f"{', '.join(works)} ({others})" if others else ", ".join(works),
        )
    for camera_id in settings.cameras:
        policy = settings.policy(camera_id)
        if policy.encoder in {"auto", "software"} or CODECS[policy.codec].keeps_source:
            continue
        chosen = encoders.choose(policy)
        if not chosen.endswith(policy.encoder):
            detail = f"{policy.encoder} does not work on this host: {chosen} takes its place"
            yield Finding(f"encoder of {camera_id}", Health.WARNING, detail)


def _recorded_with(
    settings: Settings, camera_id: str, state: Mapping[str, str]
) -> tuple[RecordingPolicy, bool]:
    """Returns how a camera is recorded now, and whether it is copied."""
    recorded = Recorded.of_state(state) if settings.may_be_copied(camera_id) else None
    if recorded is not None and recorded.copied:
        return settings.copied_policy(camera_id), True
    policy = settings.policy(camera_id)
    return policy, policy.copied


def _decision(settings: Settings, camera_id: str, state: Mapping[str, str]) -> str:
    """Returns what codec auto made of a camera, as the end of a sentence; empty for every other."""
    if not settings.is_auto(camera_id):
        return ""
    against, recorded = settings.against_copying(camera_id), Recorded.of_state(state)
    if against is None and recorded is None:
        return ", not decided yet"
    if against is None and recorded is not None and recorded.copied:
        return ", copied"
    why = against or masked(recorded.why if recorded is not None else "")
    return f", encoded: {why}" if why else ", encoded"


def _camera(world: Desk, settings: Settings, camera_id: str) -> Iterator[Finding]:
    state = world.cameras.state(camera_id)
    what = f"camera {camera_id}"
    pushed = settings.source(camera_id).startswith("push:")
    if not state:
        reason = "no client pushes its frames" if pushed else "no capture process reports it"
        yield Finding(what, Health.WARNING if pushed else Health.BROKEN, reason)
        return
    age_ms = world.clock.now_ms() - int(state.get("updated_ms", 0))
    name = state.get("state", CameraState.UNKNOWN)
    policy, copied = _recorded_with(settings, camera_id, state)
    size = float(state.get("packet_bytes" if copied else "jpeg_bytes", 0))
    keep_s = settings.limits(camera_id).keep_ms / 1000
    need = maxmemory_for(buffered_bytes(policy.capture_fps, size, keep_s))
    detail = (
        f"{name}, {state.get('width', '?')}x{state.get('height', '?')}, {state.get('fps', '?')} frames/s, "
        f"{size / 1000:.0f} kB each ({need / 1e6:.0f} MB of maxmemory), {state.get('dropped', 0)} dropped"
        f"{_decision(settings, camera_id, state)}"
    )
    if int(state.get("bad_frames", 0)):
        detail += f", {state['bad_frames']} refused"
    if state.get("error"):
        detail += f", {masked(state['error'])}"
    healthy = name == CameraState.CONNECTED and age_ms < STALE_MS
    gop_ms = int(state.get("gop_ms", 0))
    if copied and gop_ms:
        detail += f", a keyframe every {gop_ms / 1000:.1f} s"
        if gop_ms > keep_s * 1000:
            detail += (
                f": longer than buffer and slack ({keep_s:g} s), so it cannot be copied; "
                "set it lower in the camera"
            )
            healthy = False
    large = too_large(
        policy, (int(state.get("width", 0)), int(state.get("height", 0))), size or None
    )
    if large is not None:
        yield Finding(f"clips of {camera_id}", Health.BROKEN, large)
    # Whether a client pushes at all is its own affair.
    yield Finding(
        what, Health.OK if healthy else Health.WARNING if pushed else Health.BROKEN, detail
    )
