"""What the store has of each camera and day, for a chart."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fastapi.testclient import TestClient

from platereel import ApiClient
from shared.adapters.postgres.access import PostgresAccessRows
from shared.domain.access import Role
from shared.domain.timing import from_ms
from tests.support.rows import ready
from tests.support.world import World

HOUR_S, DAY_S = 3600, 86_400


def made(world: World) -> list[tuple[str, datetime]]:
    """Clips of two cameras, one every seven hours; and what is no clip."""
    found = []
    for number in range(24):
        camera, at_s = f"cam{number % 2 + 1}", -number * 7 * HOUR_S
        ready(world, camera, at_s, size=100)
        found.append((camera, from_ms(world.base_ms + at_s * 1000)))
    ready(world, "cam1", -50, status="failed")
    return found


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Pacific/Kiritimati"])
def test_every_clip_is_of_its_day(world: World, api: TestClient, zone: str) -> None:
    clips = made(world)
    here = ZoneInfo(zone)
    wanted = Counter((str(at.astimezone(here).date()), camera) for camera, at in clips)
    answer = api.get("/v2/video/stats", params={"days": 30, "tz": zone}).json()
    days: list[dict[str, Any]] = answer["camera_days"]
    assert {(each["day"], each["camera_id"]): each["segments"] for each in days} == wanted
    assert [each["bytes"] for each in days] == [100 * each["segments"] for each in days]
    assert [each["duration_seconds"] for each in days] == [10 * each["segments"] for each in days]
    assert [each["day"] for each in days] == sorted(each["day"] for each in days)
    world.counters.fold(1000)
    again = api.get("/v2/video/stats", params={"days": 30, "tz": zone}).json()
    assert again["camera_days"] == days


def test_only_the_last_days_and_own_cameras(world: World, api: TestClient) -> None:
    ready(world, "cam1", -40 * DAY_S)
    ready(world, "cam1", 0)
    ready(world, "cam2", 0)
    for zone in ("UTC", "Asia/Tokyo"):
        answer = api.get("/v2/video/stats", params={"days": 400, "tz": zone}).json()
        assert sorted(each["camera_id"] for each in answer["camera_days"]) == ["cam1", "cam2"]
    assert api.get("/v2/video/stats", params={"tz": "Mars"}).status_code == 422
    _, secret = PostgresAccessRows(world.database).create_key(
        name="guard", role=Role.VIEWER, cameras=["cam2"], expires_at=None, who="test"
    )
    for zone in ("UTC", "Asia/Tokyo"):
        headers = {"Authorization": f"Bearer {secret}"}
        answer = api.get("/v2/video/stats", params={"tz": zone}, headers=headers).json()
        assert [each["camera_id"] for each in answer["camera_days"]] == ["cam2"]


def test_the_client_reads_them(world: World, address: str) -> None:
    ready(world, "cam1", 0)
    with ApiClient(address) as client:
        (found,) = client.stats(time_zone="Europe/Berlin").camera_days
    began = from_ms(world.base_ms).astimezone(ZoneInfo("Europe/Berlin")).date()
    assert (found.camera_id, found.bytes, found.day - began) == ("cam1", 1000, timedelta(0))
