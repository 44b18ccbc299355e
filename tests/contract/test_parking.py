"""Where encoded parts wait while storage refuses, in memory and on a real Redis server."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from shared.adapters.redis.client import redis_client
from shared.adapters.redis.parking import RedisParking
from shared.adapters.redis.servers import OneServer
from shared.domain.ports import Parking
from shared.wire.keys import Keys
from tests.support.servers import Servers
from tests.support.twins import MemoryParking

_names = count(1)


@pytest.fixture(params=["memory", "valkey"])
def parking(request: pytest.FixtureRequest) -> Iterator[Parking]:
    if request.param == "memory":
        yield MemoryParking()
        return
    servers: Servers = request.getfixturevalue("servers")
    with redis_client(servers.redis_url) as client:
        yield RedisParking(OneServer(client), Keys(f"park{next(_names)}"))


def test_what_is_parked_comes_back_until_it_is_taken(parking: Parking) -> None:
    assert parking.parked("cam", "p1") is None
    assert parking.park("cam", "p1", b"\x00\xff packets", 100)
    assert parking.park("cam", "p2", b"", 100)
    assert parking.parked("cam", "p1") == b"\x00\xff packets"
    assert sorted(parking.parked_parts("cam")) == ["p1", "p2"]
    assert parking.parked_parts("other") == []
    parking.unpark("cam", ["p1", "unknown"])
    parking.unpark("cam", [])
    assert parking.parked_parts("cam") == ["p2"]


def test_a_camera_has_a_budget_of_its_own(parking: Parking) -> None:
    assert parking.park("cam", "p1", bytes(60), 100)
    assert not parking.park("cam", "p2", bytes(41), 100)
    assert parking.park("cam", "p2", bytes(40), 100)
    assert parking.park("other", "p3", bytes(100), 100)
    assert parking.parked("cam", "p2") == bytes(40)


def test_parking_again_replaces_and_counts_once(parking: Parking) -> None:
    assert parking.park("cam", "p1", bytes(60), 100)
    assert parking.park("cam", "p1", bytes(90), 100)
    assert parking.parked("cam", "p1") == bytes(90)
