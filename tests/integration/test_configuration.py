"""GET configuration: an admin of all cameras is told what counts, and no secret."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from platereel import ApiClient
from tests.support.world import World


def test_an_admin_is_told_what_counts(
    world: World, api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Roles are tried in test_access."""
    monkeypatch.setenv("PLATEREEL_REDIS_PREFIX", world.settings.redis_prefix)
    answer = api.get("/v2/video/configuration")
    found = {each["name"]: each for each in answer.json()["items"]}
    assert answer.json()["total"] == len(found)
    assert found["redis_prefix"] == {
        "section": "general",
        "name": "redis_prefix",
        "value": world.settings.redis_prefix,
        "origin": "environment",
    }
    assert (found["delete_grace_seconds"]["value"], found["log_level"]["origin"]) == (0, "default")
    urls = (world.settings.database_url, world.settings.storage_url)
    assert [url is not None and url.get_secret_value() in answer.text for url in urls] == [
        False,
        False,
    ]


def test_the_client_reads_it(address: str) -> None:
    with ApiClient(address) as client:
        found = client.configuration()
    assert "defaults.fps" in {each.name for each in found.items}
