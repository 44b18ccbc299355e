"""That a camera is down reaches whoever listens, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from shared.adapters.postgres.cameras import PostgresCameraNewsRows
from shared.domain.camera import CameraNews, CameraState
from tests.support.world import World


def _news(world: World, number: int, *, down: bool) -> CameraNews:
    return CameraNews(
        camera_id=f"cam{number}",
        down=down,
        state=CameraState.DISCONNECTED if down else CameraState.CONNECTED,
        cause="it was unplugged" if down else "",
        since_ms=world.base_ms,
    )


def test_dispatchers_that_see_it_at_once_tell_it_once(world: World) -> None:
    rows = PostgresCameraNewsRows(world.database)
    news = [_news(world, number, down=True) for number in range(20)]
    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(rows.tell, [news, news[::-1], news, news[::-1]]))
    assert sum(told) == 20
    assert rows.told() == {each.camera_id: each for each in news}
    events = world.database.fetch("SELECT name, body FROM outbox ORDER BY id")
    assert {(row["name"], row["body"]["camera_id"]) for row in events} == {
        ("camera.down", each.camera_id) for each in news
    }
    assert len(events) == 20
    body: Any = events[0]["body"]
    assert (body["state"], body["cause"]) == ("disconnected", "it was unplugged")
    assert rows.tell([replace(news[0], cause="another", state=CameraState.STALLED)]) == 0
    assert rows.tell([_news(world, 0, down=False)]) == 1
    delivered: list[str] = []

    def publish(waiting: Any) -> list[None]:
        delivered.extend(name for name, _ in waiting)
        return [None] * len(waiting)

    assert world.pacing.relay_events(publish, 100, {"ops": ["camera.up"]}) == 21
    assert delivered[-1] == "camera.up"
    (delivery,) = world.database.fetch("SELECT webhook, body FROM webhook_deliveries")
    assert (delivery["webhook"], delivery["body"]["state"]) == ("ops", "connected")
    assert "cause" not in delivery["body"]
