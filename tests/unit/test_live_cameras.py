"""A process follows what changes of the cameras, and takes nothing that is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.domain.errors import Retryable
from shared.domain.made_cameras import MadeCamera
from shared.runtime.configuration import ConfigurationError, load, made_camera
from shared.runtime.live_cameras import CameraChange, LiveCameras, take_made

GATE = 'cameras: {gate: {source: "rtsp://u:pw-secret@10.0.0.4/1"}'
Write = Callable[[str], None]


def made(camera_id: str, **settings: Any) -> MadeCamera:
    return MadeCamera(
        camera_id=camera_id, settings=settings, changed_by="alice", changed_at=datetime.now(UTC)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "platereel.yaml"
    path.write_text(GATE + "}\n", encoding="utf-8")
    return path


def test_the_file_is_followed(path: Path) -> None:
    settings = load(path)
    live = LiveCameras(settings)
    assert live.look() is None
    path.write_text(GATE + ', yard: {source: "push:"}}\n', encoding="utf-8")
    assert live.look() == CameraChange(added=("yard",), changed=(), removed=())
    assert settings.policy("yard").post_event_seconds == 15
    path.write_text('cameras: {yard: {source: "push:", post_event_seconds: 30s}}\n')
    assert live.look() is None  # it lacks a camera: is all of it written?
    with capture_logs() as logs:
        assert live.look() == CameraChange(added=(), changed=("yard",), removed=("gate",))
    assert list(settings.cameras) == ["yard"]
    assert settings.policy("yard").post_event_seconds == 30
    assert logs[0]["by"] == {"yard": "platereel.yaml"}
    assert live.look() is None


def test_a_file_that_keeps_its_time_and_size_is_followed(path: Path) -> None:
    settings, before = load(path), path.stat()
    live = LiveCameras(settings)
    path.write_text(path.read_text().replace("10.0.0.4", "10.0.0.5"), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert live.look() == CameraChange(added=(), changed=("gate",), removed=())


def test_a_file_that_is_being_written_removes_no_camera(path: Path) -> None:
    whole = GATE + ', yard: {source: "push:"}}\n'
    path.write_text(whole, encoding="utf-8")
    settings = load(path)
    live = LiveCameras(settings)
    for half in ("", "cameras:", GATE + "}", whole[:-12]):
        path.write_text(half, encoding="utf-8")
        with capture_logs() as logs:
            assert live.look() is None
        assert list(settings.cameras) == ["gate", "yard"]
        assert logs == []
        path.write_text(whole + "\n", encoding="utf-8")
        assert live.look() is None


def test_a_file_that_is_wrong_changes_nothing_and_is_told_once(path: Path) -> None:
    settings = load(path)
    live = LiveCameras(settings)
    path.write_text("cameras: {gate: {sorce: 1}}\n")
    with capture_logs() as logs:
        assert (live.look(), live.look()) == (None, None)
    assert [each["event"] for each in logs] == ["configuration_not_taken"]
    assert "sorce" in str(logs[0]["problems"])
    path.unlink()
    assert live.look() is None
    assert list(settings.cameras) == ["gate"]


def test_other_settings_are_not_taken_and_that_is_told(path: Path) -> None:
    settings = load(path)
    live = LiveCameras(settings)
    path.write_text(GATE + ', yard: {source: "push:"}}\nretention: {days: 3}\n')
    with capture_logs() as logs:
        assert live.look() is not None
    assert settings.retention.days == 30
    assert logs[0]["event"] == "settings_need_a_restart"
    assert logs[0]["settings"] == ["retention"]


def test_cameras_of_the_api_come_beside_those_of_the_file(path: Path) -> None:
    settings = load(path)
    there = {"yard": made("yard", source="push:"), "gate": made("gate", source="push:")}
    live = LiveCameras(settings, lambda: there)
    with capture_logs() as logs:
        assert live.look() == CameraChange(added=("yard",), changed=(), removed=())
    assert logs[0]["by"] == {"yard": "alice"}
    assert settings.source("gate").startswith("rtsp:")  # the file's
    assert (live.in_file("gate"), live.in_file("yard")) == (True, False)
    assert live.origin("gate") is None
    assert live.origin("yard") == there["yard"]
    del there["yard"]
    change = live.look()
    assert change is not None
    assert change.removed == ("yard",)


def test_one_that_cannot_be_used_is_told_once_and_harms_no_other(path: Path) -> None:
    there = {
        "a": made("a", source="push:"),
        "b": made("b", source="nowhere:pw-secret"),
        "c": made("c", source="push:", fps=10, sorce=1),
    }
    live = LiveCameras(load(path), lambda: there)
    with capture_logs() as logs:
        change = live.look()
        live.look()
    assert change is not None
    assert change.added == ("a",)
    assert [each["camera_id"] for each in logs if each["event"] == "camera_not_taken"] == ["b", "c"]
    assert "pw-secret" not in str(logs)
    settings = load(path)
    take_made(settings, there)
    assert set(settings.cameras) == {"gate", "a"}


def test_a_database_that_is_away_does_not_hold_up_the_file(path: Path) -> None:
    def away() -> None:
        raise Retryable("it does not answer")

    settings = load(path)
    live = LiveCameras(settings, away)
    path.write_text(GATE + ', yard: {source: "push:"}}\n', encoding="utf-8")
    with pytest.raises(Retryable):
        live.look()
    assert "yard" in settings.cameras
    live.made = lambda: None  # nobody can say
    assert live.look() is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"source": "file:/etc/passwd"}, "platereel.yaml alone"),
        ({"source": "/dev/video0"}, "platereel.yaml alone"),
        ({"source": "http://h/{PLATEREEL_DATABASE_URL}"}, "platereel.yaml alone"),
        ({}, "source"),
        ({"source": "push:", "post_event_secnds": 3}, "did you mean post_event_seconds"),
        ({"source": "push:", "codec": "copy"}, "codec copy needs a source"),
        ({"source": "push:", "buffer_seconds": 60, "max_segment_seconds": 5}, "max_segment"),
    ],
)
def test_what_is_wrong_with_a_camera_is_named(path: Path, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        made_camera(load(path), "new", given)
