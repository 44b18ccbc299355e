"""What dispatch reports of the whole deployment, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import inf, isnan
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from services.dispatch.survey import EVERY_SECONDS, RedisMemory, Survey, SurveyPorts
from services.dispatch.wiring import build
from shared.domain.errors import Retryable
from shared.domain.growth import Capacity
from shared.domain.health import Dependency
from shared.domain.survey import Surveyed
from tests.support.rows import ready
from tests.support.twins import SimulatedClock
from tests.support.world import World


def told(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(f"platereel_{name}", labels)
    assert found is not None, (name, labels)
    return found


@pytest.fixture
def survey(world: World, tmp_path: Path) -> Iterator[Survey]:
    """Dispatch's own, as it is built where somebody can read it."""
    dispatch = build(world.settings.model_copy(update={"metrics_dir": tmp_path}))
    assert dispatch.survey is not None
    yield dispatch.survey
    dispatch.close()


def test_nobody_looks_where_nobody_can_read(world: World) -> None:
    dispatch = build(world.settings)
    assert dispatch.survey is None
    dispatch.close()


def test_a_deployment_is_told_in_numbers(world: World, survey: Survey) -> None:
    ready(world, "cam1", 0, size=5000)
    ready(world, "cam2", 0, status="recording")
    survey.look()
    for name in ("database", "frames", "broker", "storage"):
        assert told("dependency_up", dependency=name) == 1
        assert 0 <= told("dependency_latency_seconds", dependency=name) < 5
    assert told("recordings", status="recording") == 1
    assert told("queue_length", queue="parts") == 0
    assert told("queue_oldest_seconds", queue="detections") == 0
    assert isnan(told("queue_length", queue="detections"))
    assert told("storage_used_bytes") == 5000
    assert told("storage_days_left") == inf
    assert told("job_timestamp_seconds", kind="cleanup") == 0
    assert told("job_period_seconds", kind="cleanup") == world.settings.cleanup_seconds


class Away:
    """Rows of a database that answers, and then does not."""

    def __init__(self) -> None:
        self.away = False

    def survey(self) -> Surveyed:
        if self.away:
            raise Retryable("it does not answer")
        return Surveyed(recordings={"recording": 3}, parts={"due": 2}, stuck=1)


def test_what_cannot_be_found_out_is_no_number() -> None:
    """A stale number would hold an alert down, or up."""
    rows, clock = Away(), SimulatedClock()
    nodes = [RedisMemory("frames", "one", 0.5), RedisMemory("frames", "two", 0.6)]
    survey = Survey(
        SurveyPorts(
            rows=rows,
            dependencies=lambda: [
                Dependency(name="database", up=not rows.away, latency_ms=None if rows.away else 2)
            ],
            memory=lambda: nodes,
            unread_s=lambda: 4.0,
            capacity=lambda: Capacity(used_bytes=7, limit_bytes=10, days_left=2.5),
            clock=clock,
            receivers=("ops",),
        )
    )
    survey.look()
    assert (told("recordings", status="recording"), told("recordings_stuck")) == (3, 1)
    assert told("deliveries_waiting", webhook="ops") == 0
    assert told("queue_oldest_seconds", queue="detections") == 4
    assert (told("storage_free_bytes"), told("storage_days_left")) == (3, 2.5)
    rows.away = True
    del nodes[1]
    clock.sleep(EVERY_SECONDS)
    survey.look()
    assert told("dependency_up", dependency="database") == 0
    assert isnan(told("dependency_latency_seconds", dependency="database"))
    assert isnan(told("recordings", status="recording"))
    assert isnan(told("deliveries_waiting", webhook="ops"))
    assert told("redis_memory_ratio", role="frames", node="one") == 0.5
    assert isnan(told("redis_memory_ratio", role="frames", node="two"))
    assert told("queue_oldest_seconds", queue="detections") == 4
    survey.ports = replace(survey.ports, rows=Away())
    survey.look()
    assert told("recordings", status="recording") == 3
