"""What counts as a problem, and in which order problems are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.camera import UP, CameraState
from shared.domain.health import (
    CameraHealth,
    Dependency,
    EndedJob,
    FailingDeliveries,
    Health,
    QueueHealth,
    RowsHealth,
    Severity,
    StoreHealth,
    StuckRecording,
    problems,
)

AT = datetime(2026, 11, 25, 18, tzinfo=UTC)
SERVERS = [
    Dependency(name=name, up=True, latency_ms=1)
    for name in ("database", "frames", "broker", "storage")
]
FINE = Health(
    dependencies=SERVERS,
    cameras=[CameraHealth(camera_id="gate", state=CameraState.CONNECTED)],
    rows=RowsHealth(),
    store=StoreHealth(total_bytes=100, free_bytes=50, days_left=30),
)


def test_nothing_is_wrong_where_all_is_well() -> None:
    assert problems(FINE) == []
    assert problems(Health(dependencies=[], cameras=[])) == []
    full = StoreHealth(days_left=None)
    assert problems(replace(FINE, store=full)) == []


@pytest.mark.parametrize("state", CameraState)
def test_every_state_but_connected_is_told_with_what_to_do(state: CameraState) -> None:
    camera = CameraHealth(camera_id="gate", state=state, down_since=AT)
    found = problems(replace(FINE, cameras=[camera]))
    if state is CameraState.CONNECTED:
        assert found == []
        return
    (problem,) = found
    assert (problem.camera, problem.since) == ("gate", AT)
    assert "gate" in problem.what
    assert problem.what_to_do
    soft = state in UP or state is CameraState.CONNECTING
    assert problem.severity is (Severity.WARNING if soft else Severity.ERROR)


def test_a_camera_says_why() -> None:
    lost = CameraHealth(camera_id="gate", state=CameraState.DISCONNECTED, error="no route to host")
    late = CameraHealth(camera_id="gate", state=CameraState.CONNECTED, late_seconds=12.4)
    silent = CameraHealth(camera_id="gate", state=CameraState.UNKNOWN, pushed=True)
    told = [problems(replace(FINE, cameras=[each]))[0] for each in (lost, late, silent)]
    assert ["no route to host" in told[0].what, "12 s" in told[1].what] == [True, True]
    assert (told[2].severity, "client" in told[2].what) == (Severity.WARNING, True)


def test_a_server_that_is_down_hides_what_only_it_could_tell() -> None:
    cameras = [CameraHealth(camera_id=f"c{n}", state=CameraState.UNKNOWN) for n in range(9)]
    down = Dependency(name="frames", up=False, latency_ms=None, error="it does not answer")
    found = problems(replace(FINE, cameras=cameras, dependencies=[*SERVERS[:1], down]))
    assert [(each.severity, "it does not answer" in each.what) for each in found] == [
        (Severity.ERROR, True)
    ]


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        (RowsHealth(unpaced_seconds=31), "opens and closes"),
        (RowsHealth(unpaced_seconds=None), "opens and closes"),
        (RowsHealth(dead_runs=2), "leases of 2"),
        (RowsHealth(stuck=[StuckRecording(camera_id="gate", count=3, since=AT)]), "stuck: 3"),
        (RowsHealth(ended=[EndedJob(kind="cleanup", at=AT, why="far more")]), "far more"),
        (RowsHealth(queues=[QueueHealth(name="parts", length=9, oldest_seconds=61)]), "9 wait"),
        (RowsHealth(queues=[QueueHealth(name="jobs", length=1, oldest_seconds=301)]), "jobs"),
        (
            RowsHealth(failing=[FailingDeliveries(webhook="ops", count=4, since=AT, error="500")]),
            "4 wait (500)",
        ),
    ],
)
def test_what_the_rows_tell(rows: RowsHealth, word: str) -> None:
    (problem,) = problems(replace(FINE, rows=rows))
    assert word in problem.what


def test_a_queue_that_keeps_up_is_no_problem() -> None:
    queues = [
        QueueHealth(name="parts", length=900, oldest_seconds=59),
        QueueHealth(name="jobs", length=1, oldest_seconds=299),
        QueueHealth(name="clips", length=0, oldest_seconds=None),
    ]
    assert problems(replace(FINE, rows=RowsHealth(queues=queues))) == []
    late = [QueueHealth(name="detections", length=None, oldest_seconds=11)]
    (problem,) = problems(replace(FINE, queues=late))
    assert "the oldest for 11 s" in problem.what


@pytest.mark.parametrize(
    ("store", "severity"),
    [
        (StoreHealth(total_bytes=1000, free_bytes=9), Severity.ERROR),
        (StoreHealth(total_bytes=1000, free_bytes=49, days_left=1), Severity.WARNING),
        (StoreHealth(total_bytes=1000, free_bytes=500, days_left=6.9), Severity.WARNING),
        (StoreHealth(total_bytes=1000, free_bytes=50, days_left=7), None),
    ],
)
def test_a_store_that_will_be_full(store: StoreHealth, severity: Severity | None) -> None:
    found = problems(replace(FINE, store=store))
    assert [each.severity for each in found] == ([] if severity is None else [severity])


@given(st.lists(st.sampled_from(CameraState)), st.booleans())
def test_errors_come_first(states: list[CameraState], down: bool) -> None:
    cameras = [
        CameraHealth(camera_id=f"c{number}", state=state) for number, state in enumerate(states)
    ]
    found = problems(
        replace(
            FINE,
            cameras=cameras,
            store=StoreHealth(days_left=1),
            dependencies=[replace(SERVERS[0], up=not down, error="x")],
        )
    )
    severities = [each.severity for each in found]
    assert severities == sorted(severities, key=[Severity.ERROR, Severity.WARNING].index)
    assert sum(Health(dependencies=[], cameras=cameras).camera_states.values()) == len(states)
