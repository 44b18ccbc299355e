"""What forgets old rows finds them by an index, however many there are that stay."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from shared.domain.retention import ReadsKept
from tests.support.rows import ready
from tests.support.world import World

MANY = 20_000


@pytest.fixture
def plans(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The plan of every statement that deletes, among many rows that stay."""
    world.database.execute(
        """
        INSERT INTO detections (detection_id, camera_id, captured_at, confidence, outcome, created_at)
        SELECT 'd' || n, 'cam', now(), 0.9, CASE WHEN n %% 1000 = 0 THEN 'rejected' ELSE 'recorded' END,
               now() - interval '2 years' FROM generate_series(1, %s) n
        """,
        MANY,
    )
    world.database.execute(
        """
        INSERT INTO outbox (name, body, relayed_at)
        SELECT 'segment.ready', '{}', CASE WHEN n %% 2 = 0 THEN now() END FROM generate_series(1, %s) n
        """,
        MANY,
    )
    world.database.execute(
        """
        INSERT INTO webhook_deliveries (webhook, event_id, name, body, next_at, attempts)
        SELECT 'a', gen_random_uuid(), 'segment.ready', '{}', CASE WHEN n %% 2 = 0 THEN now() END, n %% 2
          FROM generate_series(1, %s) n
        """,
        MANY,
    )
    for n in range(20):
        ready(world, "cam", n * 20)
    world.database.execute("ANALYZE")
    found: list[str] = []
    execute = psycopg.Connection.execute

    def spy(self: Any, query: Any, *args: Any, **more: Any) -> Any:
        if "DELETE" in str(query) or "FOR UPDATE" in str(query):
            rows = execute(self, f"EXPLAIN {query}", *args).fetchall()
            found.append("\n".join(row["QUERY PLAN"] for row in rows))
        return execute(self, query, *args, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", spy)
    return found


def test_history_is_purged_by_indexes(world: World, plans: list[str]) -> None:
    assert world.retention.purge_reads(ReadsKept(365), 1_000) == MANY // 1000
    assert world.retention.purge_access_log(365, 1_000) == 0
    assert len(plans) == 4
    for plan in plans:
        assert "Seq Scan on detections" not in plan, plan
        assert "Seq Scan on video_segments" not in plan or "rows=20 " in plan, plan
    assert any("detections_unrecorded" in plan for plan in plans)


def test_events_and_deliveries_are_purged_by_indexes(world: World, plans: list[str]) -> None:
    world.jobs.purge_outbox(86_400.0)
    assert len(plans) == 2
    for plan in plans:
        assert "Seq Scan" not in plan, plan


def test_events_that_a_webhook_never_took_are_told_when_they_go(world: World) -> None:
    for webhook, attempts in (("away", 0), ("away", 0), ("refuses", 3)):
        world.database.execute(
            """
            INSERT INTO webhook_deliveries (webhook, event_id, name, body, attempts, created_at)
            VALUES (%s, gen_random_uuid(), 'segment.ready', '{}', %s, now() - interval '8 days')
            """,
            webhook,
            attempts,
        )
    assert world.jobs.purge_outbox(7 * 86_400.0) == {"away": 2}
    assert world.jobs.purge_outbox(7 * 86_400.0) == {}


def test_a_detection_goes_with_the_last_segment_that_shows_it(world: World) -> None:
    first, second = ready(world, "cam", 0), ready(world, "cam", 20)
    shared = f"{first}-0"
    world.database.execute(
        "INSERT INTO segment_detections VALUES (%s, %s, 'cam', 0)", second, shared
    )
    for segment_id, left in ((first, True), (second, False)):
        world.database.execute(
            "UPDATE video_segments SET status = 'expiring' WHERE id = %s", segment_id
        )
        world.database.execute(
            "UPDATE video_segments SET status = 'expired', expired_at = now() - interval '2 days' WHERE id = %s",
            segment_id,
        )
        world.retention.purge_reads(ReadsKept(0), 1_000)
        assert (world.detections.get("cam", shared) is not None) == left
    assert world.database.fetch("SELECT FROM detections") == []


def test_holds_of_a_camera_that_is_gone_expire(world: World) -> None:
    """Nobody looks after them any more; those of a camera that is recorded are set again all the
    time.
    """
    world.frames.hold("removed", {"d1": 5})
    (key,) = world.redis.scan_iter("*holds:{removed}*")
    left_ms: Any = world.redis.pttl(key)
    assert 0 < left_ms <= 86_400_000
