"""Detections over lines of a quarter of a second to the broker and to Postgres."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from services.dispatch.wiring import build as build_dispatch
from shared.wire.keys import GROUP
from tests.support.proxy import Proxy
from tests.support.world import World

LATENCY_SECONDS = 0.25
COUNT = 4
# Over such lines a message is kept each 2 to 3 s. A machine may stand still for some seconds more,
# before the other dispatcher is right to claim it.
CLAIM_IDLE_SECONDS, BATCH_SECONDS = 9, 12.0


@contextmanager
def proxied(secret: SecretStr | None) -> Iterator[tuple[SecretStr, Proxy]]:
    """A server's address through a proxy."""
    assert secret is not None
    url = urlsplit(secret.get_secret_value())
    assert url.hostname is not None
    assert url.port is not None
    proxy = Proxy((url.hostname, url.port))
    netloc = url.netloc.replace(f":{url.port}", f":{proxy.port}")
    try:
        yield SecretStr(url._replace(netloc=netloc).geturl()), proxy
    finally:
        proxy.close()


@pytest.mark.real_time
def test_a_batch_that_takes_long_is_recorded_once_by_one_dispatcher(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another dispatcher looks for messages of dead ones meanwhile, and takes none of it."""
    name = world.settings.detections_name
    monkeypatch.setattr("shared.adapters.redis.detections.CLAIM_IDLE_MS", CLAIM_IDLE_SECONDS * 1000)
    with (
        proxied(world.settings.broker_url) as (broker, to_broker),
        proxied(world.settings.database_url) as (database, to_database),
    ):
        slow = build_dispatch(
            world.settings.model_copy(update={"broker_url": broker, "database_url": database})
        )
        other = build_dispatch(world.settings)
        # between the commit and the moment at which the messages are settled
        slow.intake._recorder = replace(
            slow.intake._recorder, recorded=lambda: world.clock.sleep(BATCH_SECONDS)
        )
        for dispatch in (slow, other):
            dispatch.intake.read_stream(0.01)  # they are connected from here on
        for line in (to_broker, to_database):
            line.slow(latency_s=LATENCY_SECONDS)
        for n in range(COUNT):
            body = {
                "detection_id": f"d{n}", "camera_id": f"cam{n % 2}", "confidence": 0.9,
                "captured_at": world.clock.now_ms() / 1000,
            }  # fmt: skip
            world.redis.xadd(name, {"json": json.dumps(body)})
        done = threading.Event()

        def keep() -> None:
            while not done.wait(0.3):
                slow.intake.in_hand.look()

        keeper = threading.Thread(target=keep)
        keeper.start()
        reader = threading.Thread(target=slow.intake.read_stream, args=(0.01,))
        began_s = world.clock.monotonic()
        reader.start()
        pending: Any = {"pending": 0}
        while not pending["pending"]:
            pending = world.redis.xpending(name, GROUP)
        taken = 0
        while reader.is_alive():
            taken += other.intake.read_stream(0.1)
        took_s = world.clock.monotonic() - began_s
        done.set()
        keeper.join()
        slow.close()
        other.close()
    assert took_s > BATCH_SECONDS, "else nothing was tried"
    assert taken == 0
    rows = world.database.fetch("SELECT outcome FROM detections")
    assert [row["outcome"] for row in rows] == ["recorded"] * COUNT
    pending = world.redis.xpending(name, GROUP)
    assert pending["pending"] == 0
