"""Which settings count, where they come from, and that no secret is among them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shared.runtime.configuration import load
from shared.runtime.effective import EffectiveSetting, Origin, effective
from shared.runtime.settings import Settings
from tests.support import inventory

FILE = """
defaults: {fps: 12, codec: auto}
retention: {bytes: 5GB, classes: [{name: guests, plates: ["AB*"]}]}
api:
  jwt: {jwks_url: "https://user:hidden-1@id.example/jwks", issuer: i, audience: a}
cameras:
  gate-1: {source: "rtsp://user:hidden-2@10.0.0.4/one?token=hidden-3", fps: 5, retention: {days: 3}}
  gate-2: {source: "push:"}
webhooks:
  - {name: ops, url: "https://user:hidden-4@ops.example/in/hidden-5", secret: "hidden-6-and-10-more"}
mqtt: {url: "mqtt://user:hidden-7@broker.example"}
"""
ENVIRONMENT = {
    "PLATEREEL_API__PORT": "9000",
    "PLATEREEL_ACCESS": '{"purpose": "required"}',
    "PLATEREEL_API_KEYS": "boss:admin:hidden-8-and-10-more",
    "PLATEREEL_DATABASE_URL": "postgresql://user:hidden-9@db.example:5433/platereel",
    "PLATEREEL_STORAGE_URL": "s3://key:hidden-10@store.example/bucket",
}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, EffectiveSetting]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    secret = tmp_path / "frames"
    secret.write_text("redis://:hidden-11@frames.example:6380/0")
    monkeypatch.setenv("PLATEREEL_FRAMES_URL_FILE", str(secret))
    path = tmp_path / "platereel.yaml"
    path.write_text(FILE)
    environ = {**ENVIRONMENT, "PLATEREEL_FRAMES_URL_FILE": str(secret)}
    return {each.name: each for each in effective(load(path), environ)}


@pytest.mark.parametrize(
    ("name", "value", "origin"),
    [
        ("log_level", "info", Origin.DEFAULT),
        ("api.port", 9000, Origin.ENVIRONMENT),
        ("api.host", "127.0.0.1", Origin.DEFAULT),
        ("access.purpose", "required", Origin.ENVIRONMENT),
        ("api.jwt.jwks_url", "https://id.example", Origin.FILE),
        ("api_keys", "set", Origin.ENVIRONMENT),
        ("signing_key", "not set", Origin.DEFAULT),
        ("database_url", "postgresql://db.example:5433", Origin.ENVIRONMENT),
        ("frames_url", "redis://frames.example:6380", Origin.ENVIRONMENT),
        ("broker_url", "not set", Origin.DEFAULT),
        ("storage_url", "s3://store.example", Origin.ENVIRONMENT),
        ("defaults.fps", 12, Origin.FILE),
        ("defaults.codec", "auto", Origin.FILE),
        ("defaults.capture_fps", 12, Origin.DEFAULT),
        ("defaults.buffer_seconds", 5, Origin.DEFAULT),
        ("defaults.record", "all", Origin.DEFAULT),
        ("defaults.jpeg_quality", 85, Origin.DEFAULT),
        ("defaults.max_buffer_bytes", 256_000_000, Origin.DEFAULT),
        ("cameras.gate-1.source", "rtsp://10.0.0.4", Origin.FILE),
        ("cameras.gate-1.fps", 5, Origin.FILE),
        ("cameras.gate-1.retention.days", 3, Origin.FILE),
        ("cameras.gate-2.detect", True, Origin.DEFAULT),
        ("retention.bytes", 5_000_000_000, Origin.FILE),
        ("retention.classes.guests.plates", ["AB*"], Origin.FILE),
        ("webhooks.ops.url", "https://ops.example", Origin.FILE),
        ("webhooks.ops.secret", "set", Origin.FILE),
        ("mqtt.url", "mqtt://broker.example", Origin.FILE),
    ],
)
def test_value_and_origin(
    found: dict[str, EffectiveSetting], name: str, value: Any, origin: Origin
) -> None:
    assert (found[name].value, found[name].origin) == (value, origin)
    assert found[name].section == (name.partition(".")[0] if "." in name else "general")


def test_no_secret_is_shown(found: dict[str, EffectiveSetting]) -> None:
    text = json.dumps([str(each) for each in found.values()])
    assert "hidden" not in text
    assert "token" not in text


def test_a_camera_has_only_what_is_its_own(found: dict[str, EffectiveSetting]) -> None:
    assert "cameras.gate-2.fps" not in found
    assert "cameras.gate-1.codec" not in found


def test_every_setting_of_an_empty_configuration_is_a_default() -> None:
    found = effective(Settings(), {})
    assert {each.origin for each in found} == {Origin.DEFAULT}
    names = {each.name for each in found}
    inside = {"cameras", "webhooks", "mqtt", "api.jwt", "retention.classes"}
    wanted = {
        name
        for name, holds_others in inventory.settings()
        if not holds_others and not any(name.startswith(f"{each}.") for each in inside)
    }
    assert wanted <= names
    assert {each.name: each.value for each in found}["retention.days"] == 30


def test_a_section_from_the_environment_counts_only_for_what_it_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for value in ('{"purpose": "required"}', "no json", "7", '{"else": 1}'):
        environ = {"PLATEREEL_ACCESS": value}
        settings = Settings.model_validate({"access": {"purpose": "required"}})
        (purpose,) = [
            each for each in effective(settings, environ) if each.name == "access.purpose"
        ]
        assert (purpose.origin is Origin.ENVIRONMENT) == ("purpose" in value)
    listed = {"PLATEREEL_WEBHOOKS": json.dumps([{"name": "ops"}])}
    hook = {"name": "ops", "url": "https://ops.example", "secret": "0123456789abcdef"}
    found = effective(Settings.model_validate({"webhooks": [hook]}), listed)
    (url,) = [each for each in found if each.name == "webhooks.ops.url"]
    assert url.origin is Origin.ENVIRONMENT
