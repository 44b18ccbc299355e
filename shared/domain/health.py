"""What is wrong with a deployment, and what to do about it: one list, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from shared.domain.backup import LATE_SECONDS
from shared.domain.camera import UP, CameraState, cause_of

LONG_SECONDS = {"detections": 10.0, "jobs": 300.0}
USUAL_SECONDS = 60.0  # of every other queue
STUCK_SECONDS = 300.0  # a recording that is still not ready so long after its end
UNPACED_SECONDS = 30.0
LEAST_DAYS, LEAST_SHARE, ALMOST_NONE = 7.0, 0.05, 0.01
WRITERS = "See whether the writers run (`platereel worker`) and keep up; start more of them."
_QUEUES = {
    "detections": "See whether `platereel dispatch` runs.",
    "parts": WRITERS,
    "clips": WRITERS,
    "jobs": "See whether a worker takes them: `platereel worker --queues retention,consistency,backup`.",
    "events": "See whether `platereel dispatch` runs, and whether the broker Redis takes events.",
}
_CAMERAS = {
    CameraState.UNKNOWN: "Start a capture process that has this camera, or look why it ended.",
    CameraState.CONNECTING: "Wait a moment. If it stays so, see whether the camera answers.",
    CameraState.STALLED: "See whether the camera sends pictures to others; restart it.",
    CameraState.DISCONNECTED: "See whether it has power and network, and whether its address and password are right.",
    CameraState.MISCONFIGURED: "Correct the camera's settings in platereel.yaml and restart capture.",
    CameraState.CLOCK_BEHIND: "Set the clock of the capture host by a time server.",
    CameraState.CLOCK_AHEAD: "Set the clock of the capture host by a time server.",
    CameraState.IMPAIRED: "See the camera's stream settings and its network.",
}
_SERVERS = {
    "database": "Nothing is stored until it answers. See whether Postgres runs.",
    "frames": "Nothing is captured until it answers. See whether the frames Redis runs.",
    "broker": "Detections and tasks wait until it answers. See whether the broker Redis runs.",
    "storage": "Clips wait in the frames Redis until it answers. See whether the store runs and has room.",
}


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"  # something is not recorded, not kept or not told now
    WARNING = "warning"  # it will be, unless somebody does something


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthProblem:
    """One thing that is wrong. since: None where nobody knows. camera: the one that it is about."""

    severity: Severity
    what: str
    what_to_do: str
    since: datetime | None = None
    camera: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongSetting:
    """A setting of a server with which footage or rows can be lost. mend: what mends it."""

    setting: str
    found: str
    severity: Severity
    mend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A server. latency_ms: how long its answer took, None without one. error: why it is down.

    wrong: what is set wrong in it, empty where nobody looked.
    """

    name: str
    up: bool
    latency_ms: int | None
    version: str | None = None
    error: str = ""
    wrong: tuple[WrongSetting, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueHealth:
    """What waits for its turn. oldest_seconds: how long the oldest has waited, None for none.

    length: None where only the oldest is known.
    """

    name: str
    length: int | None
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraHealth:
    """How a camera is. late_seconds: by how much its newest picture is older than it may be, 0 for
    one in time. down_since: what was told of it. pushed: a client sends its pictures.
    """

    camera_id: str
    state: CameraState
    error: str = ""
    late_seconds: float = 0.0
    down_since: datetime | None = None
    pushed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckRecording:
    """Recordings of a camera that ended long ago and are not ready. since: the oldest one's end."""

    camera_id: str
    count: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingDeliveries:
    """Events that a webhook, or the MQTT broker, did not take. since: when the oldest was made."""

    webhook: str
    count: int
    since: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    """How the last job of a kind ended, where it did not do what it should. why: its own words."""

    kind: str
    at: datetime
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowsHealth:
    """What the database knows. unpaced_seconds: since the pacer last looked, None if it never did.

    dead_runs: parts and clips whose writer has lost its lease, and that nobody has taken back.
    unbacked_seconds: since the newest backup, or the beginning; 0 where none are made.
    """

    queues: Sequence[QueueHealth] = ()
    stuck: Sequence[StuckRecording] = ()
    failing: Sequence[FailingDeliveries] = ()
    ended: Sequence[EndedJob] = ()
    unpaced_seconds: float | None = 0.0
    dead_runs: int = 0
    frames_lost: int = 0
    unbacked_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreHealth:
    """How full the store's disk is (None: it does not say), and how long its room lasts."""

    total_bytes: int | None = None
    free_bytes: int | None = None
    days_left: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Everything that was looked at. rows, store: None where they could not be."""

    dependencies: Sequence[Dependency]
    cameras: Sequence[CameraHealth]
    queues: Sequence[QueueHealth] = ()
    rows: RowsHealth | None = None
    store: StoreHealth | None = None

    @property
    def all_queues(self) -> list[QueueHealth]:
        """Those of the rows, too."""
        return [*self.queues, *(() if self.rows is None else self.rows.queues)]

    @property
    def camera_states(self) -> Mapping[str, int]:
        """How many cameras are in each state."""
        found: dict[str, int] = {}
        for each in self.cameras:
            found[each.state] = found.get(each.state, 0) + 1
        return found


def problems(health: Health) -> list[HealthProblem]:
    """Returns what is wrong, errors first, each kind in the order in which one looks."""
    found = [
        *_dependencies(health.dependencies),
        *_rows(health.rows),
        *_cameras(health),
        *_queues(health.all_queues),
        *_store(health.store),
    ]
    return sorted(found, key=lambda each: each.severity is not Severity.ERROR)


def _dependencies(dependencies: Sequence[Dependency]) -> Iterator[HealthProblem]:
    for each in dependencies:
        if not each.up:
            yield HealthProblem(
                severity=Severity.ERROR,
                what=f"The {each.name} is down: {each.error}.",
                what_to_do=_SERVERS.get(each.name, "See whether it runs."),
            )
        for wrong in each.wrong:
            yield HealthProblem(
                severity=wrong.severity,
                what=f"The {each.name} is set wrong: {wrong.setting} is {wrong.found}.",
                what_to_do=f"Set it: {wrong.mend}",
            )


def _cameras(health: Health) -> Iterator[HealthProblem]:
    """While the frames Redis is away nothing is known of any camera: that is one problem."""
    if any(each.name == "frames" and not each.up for each in health.dependencies):
        return
    for each in health.cameras:
        found = _camera(each)
        if found is not None:
            yield found


def _camera(camera: CameraHealth) -> HealthProblem | None:
    severity, todo = Severity.WARNING, _CAMERAS.get(camera.state, "")
    if camera.state not in UP:
        what = f"Camera {camera.camera_id} is lost: {cause_of(camera.state, camera.error)}."
        if camera.pushed and camera.state is CameraState.UNKNOWN:
            what = f"Camera {camera.camera_id} is lost: no client pushes its pictures."
            todo = "Start the program that pushes them."
        elif camera.state is not CameraState.CONNECTING:
            severity = Severity.ERROR
    elif camera.late_seconds:
        what = f"Camera {camera.camera_id} is late: its newest picture is {camera.late_seconds:.0f} s too old."
        todo = "See whether its network, the capture host and the frames Redis keep up."
    elif camera.state is CameraState.IMPAIRED:
        why = camera.error or "capture does not say why"
        what = f"Camera {camera.camera_id} delivers, but not as it should: {why}."
    else:
        return None
    return HealthProblem(
        severity=severity,
        what=what,
        what_to_do=todo,
        since=camera.down_since,
        camera=camera.camera_id,
    )


def _queues(queues: Sequence[QueueHealth]) -> Iterator[HealthProblem]:
    for each in queues:
        waited = each.oldest_seconds or 0.0
        if waited > LONG_SECONDS.get(each.name, USUAL_SECONDS) and each.name in _QUEUES:
            many = "" if each.length is None else f"{each.length} wait; "
            yield HealthProblem(
                severity=Severity.WARNING,
                what=f"The queue of {each.name} is behind: {many}the oldest for {waited:.0f} s.",
                what_to_do=_QUEUES[each.name],
            )


def _rows(rows: RowsHealth | None) -> Iterator[HealthProblem]:
    if rows is None:
        return
    if rows.unpaced_seconds is None or rows.unpaced_seconds > UNPACED_SECONDS:
        yield HealthProblem(
            severity=Severity.ERROR,
            what="No process opens and closes recordings.",
            what_to_do="Start `platereel dispatch`, or look why it ended.",
        )
    for each in rows.stuck:
        yield HealthProblem(
            severity=Severity.ERROR,
            what=f"Recordings of camera {each.camera_id} are stuck: {each.count} ended long ago and are not ready.",
            what_to_do=f"{WRITERS} `platereel check` says more.",
            since=each.since,
            camera=each.camera_id,
        )
    if rows.dead_runs:
        yield HealthProblem(
            severity=Severity.WARNING,
            what=f"Writers lost the leases of {rows.dead_runs} parts or clips.",
            what_to_do="They are made again. If it goes on, look at the memory and the logs of the writers.",
        )
    for failing in rows.failing:
        why = f" ({failing.error})" if failing.error else ""
        yield HealthProblem(
            severity=Severity.WARNING,
            what=f"{failing.webhook} does not take its events: {failing.count} wait{why}.",
            what_to_do="See whether the server behind it answers. Each event is tried for about a day.",
            since=failing.since,
        )
    if rows.unbacked_seconds > LATE_SECONDS:
        yield HealthProblem(
            severity=Severity.WARNING,
            what=f"The database has not been backed up for {rows.unbacked_seconds / 86_400:.1f} days.",
            what_to_do="See why the last backup failed, and whether a worker takes the queue `backup`.",
        )
    for job in rows.ended:
        yield HealthProblem(
            severity=Severity.WARNING,
            what=f"The last {job.kind} did not do its work: {job.why}",
            what_to_do="Look at its numbers with a dry run, then run it again.",
            since=job.at,
        )


def _store(store: StoreHealth | None) -> Iterator[HealthProblem]:
    if store is None:
        return
    todo = "Give it more room, keep clips for a shorter time (`retention`), or run a cleanup."
    if store.total_bytes and store.free_bytes is not None:
        share = store.free_bytes / store.total_bytes
        if share < LEAST_SHARE:
            yield HealthProblem(
                severity=Severity.ERROR if share < ALMOST_NONE else Severity.WARNING,
                what=f"The store is nearly full: {share:.1%} of it is free.",
                what_to_do=todo,
            )
            return
    if store.days_left is not None and store.days_left < LEAST_DAYS:
        yield HealthProblem(
            severity=Severity.WARNING,
            what=f"The store will be full in {store.days_left:.1f} days.",
            what_to_do=todo,
        )
