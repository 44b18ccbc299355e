"""Settings: shapes people write, and mistakes named with their key and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from platereel.cli.configure import TEMPLATE, check
from shared.runtime.configuration import ConfigurationError, load


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "platereel.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_contracts_example(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
defaults:  {buffer_seconds: 5, post_event_seconds: 15, fps: 15, codec: h264, min_confidence: 0.5}
retention: {days: 30, bytes: 500GB}
api:       {host: 127.0.0.1, port: 8080}
cameras:
  gate-1:  {source: "rtsp://user:{PLATEREEL_GATE_PASSWORD}@10.0.0.4/stream1", detect: true}
  gate-2:  {source: "http://10.0.0.5/video.mjpg", detect: false, post_event_seconds: 30s, retention: {days: 90}}
""",
    )
    settings = load(path, {"PLATEREEL_GATE_PASSWORD": "p4ss"})
    assert settings.source("gate-1") == "rtsp://user:p4ss@10.0.0.4/stream1"
    assert "p4ss" not in repr(settings)
    assert settings.policy("gate-2").post_event_seconds == 30
    assert settings.policy("gate-1").buffer_ms == 5000
    policy = settings.retention_policy()
    assert (policy.overall.days, policy.overall.max_bytes) == (30, 500 * 10**9)
    assert policy.days_of("gate-2") == 90


def test_reads_are_kept_as_long_as_clips_unless_told_and_nothing_beyond_max_days(
    tmp_path: Path,
) -> None:
    text = """
retention: {days: 30, access_log_days: 900, max_days: 60}
cameras:
  plain:  {source: "push:"}
  longer: {source: "push:", retention: {days: 90}}
  own:    {source: "push:", retention: {days: 10, reads_days: 45}}
"""
    policy = load(write(tmp_path, text), {}).retention_policy()
    cameras = ("plain", "longer", "own", "gone")
    assert [policy.days_of(camera) for camera in cameras] == [30, 60, 10, 30]
    assert [policy.reads.days_of(camera) for camera in cameras] == [30, 60, 45, 30]
    assert policy.access_log_days == 900, "who looked is asked for later than what was there"
    general = text.replace("days: 30,", "days: 30, reads_days: 365,")
    policy = load(write(tmp_path, general), {}).retention_policy()
    assert [policy.reads.days_of(camera) for camera in cameras] == [60, 60, 45, 60]
    assert policy.requested(365).days_of("plain") == 60
    for_ever = load(write(tmp_path, "retention: {days: null}\n"), {}).retention_policy()
    assert for_ever.reads.days_of("any") is None


def test_the_template_is_valid(tmp_path: Path) -> None:
    assert list(load(write(tmp_path, TEMPLATE), {}).cameras) == ["demo-1"]


def test_every_example_of_the_template_is_valid(tmp_path: Path) -> None:
    """A newcomer takes the # away."""
    examples = re.sub(r"^(  +)# ", r"\1", TEMPLATE, flags=re.MULTILINE)
    given = {"PLATEREEL_GATE_PASSWORD": "p"}
    settings = load(write(tmp_path, examples), given)
    assert list(settings.cameras) == ["demo-1", "gate-1", "gate-2", "mine"]
    assert settings.retention.classes[0].name == "watchlist"


def test_defaults_are_the_seeds() -> None:
    policy = load(None, {}).policy("any")
    assert (
        policy.buffer_seconds,
        policy.post_event_seconds,
        policy.fps,
        policy.min_confidence,
    ) == (5, 15, 15, 0.5)
    assert load(None, {}).retention.days == 30


def test_the_environment_wins_and_secrets_come_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://u:p@h/d\n")
    path = write(tmp_path, "api: {port: 1}\n")
    settings = load(path, {"PLATEREEL_DATABASE_URL_FILE": str(secret)})
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:p@h/d"
    secret.write_text("\n")
    assert load(path, {"PLATEREEL_SIGNING_KEY_FILE": str(secret)}).signing_key is None


def test_nested_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATEREEL_API__PORT", "9999")
    assert load(None).api.port == 9999


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("defaults: {fsp: 15}\n", ":1: defaults.fsp: unknown key; did you mean fps?"),
        ("api:\n  port: 99999\n", ":2: api.port"),
        ("cameras:\n  a: {source: 'gopher://x'}\n", ":2: cameras.a.source"),
        ("cameras:\n  a: {detect: true}\n", ":2: cameras.a.source: Field required"),
        ("cameras:\n  'a b': {source: 'push:'}\n", "'a b'"),
        ("cameras:\n  a: {source: 'push:', scale: huge}\n", ":2: cameras.a.scale"),
        (
            "defaults: {post_event_seconds: 30 parsecs}\n",
            ":1: defaults.post_event_seconds: not understood",
        ),
        ("defaults: {fps: 15}\ndefaults: {fps: 10}\n", ":2: defaults: given twice"),
        ("defaults: {fps: [1\n", "not YAML"),
        ("retention: {days: -1}\n", ":1: retention.days"),
        ("retention: {history_days: 90}\n", "reads_days"),
        (
            "cameras:\n  a: {source: 'push:', max_segment_seconds: 10}\n",
            "exceed max_segment_seconds",
        ),
        ("- a\n- b\n", "expected keys"),
        ("log_files: 1\n", ":1: log_files"),
        ("log_bytes: 1kB\n", ":1: log_bytes"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, text), {})
    assert named in str(caught.value)


def test_an_unknown_variable_is_a_typing_mistake() -> None:
    with pytest.raises(
        ConfigurationError, match=r"PLATEREEL_DATABSE_URL.*did you mean PLATEREEL_DATABASE_URL"
    ):
        load(None, {"PLATEREEL_DATABSE_URL": "x"})


def test_a_missing_placeholder_is_named_not_guessed(tmp_path: Path) -> None:
    path = write(tmp_path, "cameras: {a: {source: 'rtsp://u:{PLATEREEL_NOPE}@h/'}}\n")
    with pytest.raises(ConfigurationError, match="PLATEREEL_NOPE"):
        load(path, {})


@pytest.mark.parametrize(
    ("camera", "most"),
    [
        ("source: 'push:', codec: mjpeg, max_segment_seconds: 3600", "at most 11"),
        (
            "source: 'push:', codec: h264, bitrate: 40000000, max_segment_seconds: 3600",
            "at most 1000",
        ),
        (
            "source: 'rtsp://127.0.0.1/s', codec: copy, fps: 120, max_segment_seconds: 3600",
            "at most 1",
        ),
    ],
)
def test_clips_that_no_store_would_take_are_refused_before_they_are_recorded(
    tmp_path: Path, camera: str, most: str
) -> None:
    path = write(tmp_path, f"cameras:\n  a: {{{camera}}}\n")
    with pytest.raises(
        ConfigurationError, match=r"cameras\.a: max_segment_seconds 3600.*GB"
    ) as caught:
        check(path)
    assert most in str(caught.value)
    check(write(tmp_path, f"cameras:\n  a: {{{camera.replace('3600', '60')}}}\n"))
