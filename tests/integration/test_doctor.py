"""What `platereel doctor` finds wrong, and what capture refuses to start with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pydantic import SecretStr

from platereel.diagnosis import Finding, Health, examine
from services.capture.wiring import check_frames_redis
from shared.adapters.redis.cameras import RedisCameras
from shared.adapters.redis.servers import OneServer
from shared.domain.codec import Codec
from shared.domain.errors import Permanent
from shared.domain.job import JobKind
from shared.runtime.sections import CameraSettings, RecordingSettings
from shared.runtime.settings import Settings
from shared.wire.keys import Keys
from tests.support.world import World
from workers.consistency.sentinel import claim_store


def asked(world: World, **cameras: str) -> Settings:
    """The world's deployment with these cameras alone; camera=encoder."""
    given = {
        name: CameraSettings.model_validate({"source": "push:", "encoder": encoder})
        for name, encoder in cameras.items()
    }
    return world.settings.model_copy(update={"cameras": given})


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(settings)}


@contextmanager
def configured(world: World, **values: object) -> Iterator[None]:
    """The frames Redis with other settings for a while."""
    before = {name: str(world.redis.config_get(name)[name]) for name in values}
    try:
        for name, value in values.items():
            world.redis.config_set(name, str(value))
        yield
    finally:
        for name, value in before.items():
            world.redis.config_set(name, value)


def named(found: dict[str, Finding], beginning: str) -> Finding:
    (finding,) = [f for what, f in found.items() if what.startswith(beginning)]
    return finding


def test_a_sound_deployment(world: World) -> None:
    claim_store(world.store, world.consistency)
    world.film("cam", 0, 1)
    states = RedisCameras(OneServer(world.redis), Keys(world.settings.redis_prefix))
    states.report(
        "cam",
        {
            "state": "connected",
            "width": 320,
            "height": 180,
            "fps": 10,
            "jpeg_bytes": 4000,
            "dropped": 0,
            "updated_ms": world.clock.now_ms(),
        },
    )
    found = findings(asked(world, cam="auto"))
    assert {f.health for f in found.values()} <= {Health.OK, Health.WARNING}
    assert found["database"].health is Health.OK
    assert found["storage"].health is Health.OK
    assert found["clocks"].health is Health.OK
    assert found["camera cam"] == Finding(
        "camera cam",
        Health.OK,
        "connected, 320x180, 10 frames/s, 4 kB each (1 MB of maxmemory), 0 dropped",
    )
    assert "libx264" in found["codec h264"].detail
    assert "h264_nvenc: " in found["codec h264"].detail
    assert {f"codec {name}" for name in ("h264", "hevc", "av1", "mp4v", "mjpeg")} <= found.keys()


def test_what_is_wrong_is_named(world: World) -> None:
    """A store of nobody, a Redis that evicts, a camera nobody captures, an encoder this host has
    not.
    """
    with configured(world, **{"maxmemory-policy": "allkeys-lru"}):
        found = findings(asked(world, cam="nvenc"))
    assert named(found, "frames Redis ").health is Health.BROKEN
    assert "allkeys-lru" in named(found, "frames Redis ").detail
    assert found["storage"].health is Health.BROKEN
    assert found["camera cam"].detail == "no client pushes its frames"
    assert (
        found["encoder of cam"].detail
        == "nvenc does not work on this host: libx264 takes its place"
    )


def test_servers_that_are_away_are_findings(world: World) -> None:
    away = {"frames_url": SecretStr("redis://:secretword@127.0.0.1:1/0")}
    found = findings(asked(world).model_copy(update=away))
    assert found["frames Redis"].health is Health.BROKEN
    assert found["clocks"].health is Health.BROKEN
    assert found["database"].health is Health.OK
    assert "secretword" not in str(found)


def test_capture_refuses_a_redis_that_evicts_or_is_too_small(world: World) -> None:
    """Before it takes a camera: what does not fit would be lost later, at the worst time."""
    settings = asked(world, cam="auto").model_copy(
        update={"defaults": RecordingSettings(buffer_seconds=60, trigger_slack_seconds=60, fps=120)}
    )
    assert check_frames_redis(settings)
    world.film("cam", 0, 0.2)
    assert check_frames_redis(settings)
    with (
        configured(world, **{"maxmemory-policy": "volatile-lru"}),
        pytest.raises(Permanent, match="volatile-lru: it would remove whole buffers"),
    ):
        check_frames_redis(settings)
    with (
        configured(world, maxmemory=50_000_000),
        pytest.raises(Permanent, match=r"1 cameras need \d+ MB: give it more"),
    ):
        check_frames_redis(settings)


@pytest.mark.parametrize(("gop_ms", "health"), [(2000, Health.OK), (20_000, Health.BROKEN)])
def test_a_group_of_pictures_that_is_longer_than_the_buffer(
    world: World, gop_ms: int, health: Health
) -> None:
    """A copied camera's clip begins at a keyframe: one that comes too rarely is not there when it
    is needed.
    """
    camera = CameraSettings(source=SecretStr("rtsp://10.0.0.4/stream"), codec=Codec.COPY)
    settings = world.settings.model_copy(update={"cameras": {"cam": camera}})
    states = RedisCameras(OneServer(world.redis), Keys(world.settings.redis_prefix))
    states.report(
        "cam", {"state": "connected", "gop_ms": gop_ms, "updated_ms": world.clock.now_ms()}
    )
    finding = findings(settings)["camera cam"]
    assert finding.health is health
    assert f"a keyframe every {gop_ms / 1000:.1f} s" in finding.detail
    assert ("cannot be copied" in finding.detail) is (health is Health.BROKEN)


def test_a_limit_of_space_that_the_store_cannot_tell(world: World) -> None:
    claim_store(world.store, world.consistency)
    settings = asked(world, cam="auto")
    assert "retention" not in findings(settings)
    retention = settings.retention.model_copy(update={"free_bytes": 20_000_000_000})
    found = findings(settings.model_copy(update={"retention": retention}))
    assert (found["retention"].health, "free_bytes" in found["retention"].detail) == (
        Health.WARNING,
        True,
    )


def test_a_camera_whose_longest_clip_no_store_takes_is_broken(world: World) -> None:
    """Judged by what it really sends: 15 pictures of a megabyte a second, for an hour."""
    states = RedisCameras(OneServer(world.redis), Keys(world.settings.redis_prefix))
    states.report(
        "cam",
        {
            "state": "connected",
            "width": 3840,
            "height": 2160,
            "fps": 15,
            "jpeg_bytes": 1_000_000,
            "dropped": 0,
            "updated_ms": world.clock.now_ms(),
        },
    )
    given = CameraSettings(
        source=SecretStr("push:"), codec=Codec.MJPEG, fps=15, max_segment_seconds=3600
    )
    found = findings(world.settings.model_copy(update={"cameras": {"cam": given}}))
    assert named(found, "clips of cam").health is Health.BROKEN
    assert "54.0 GB" in named(found, "clips of cam").detail


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("impaired", "47 of the last 50 pictures were refused: frame: a truncated JPEG"),
        ("clock_behind", "the clock of this host is 600 s behind the newest frame in the buffer"),
        ("clock_ahead", "the clock of this host is 3600 s ahead of the frames Redis"),
        ("misconfigured", "the camera sends recovery points (intra refresh) and no keyframes"),
        ("stalled", ""),
    ],
)
def test_a_camera_that_is_connected_and_not_well(world: World, state: str, error: str) -> None:
    camera = CameraSettings(source=SecretStr("rtsp://10.0.0.4/stream"))
    settings = world.settings.model_copy(update={"cameras": {"cam": camera}})
    told: dict[str, str | int | float] = {"state": state, "error": error, "bad_frames": 93}
    RedisCameras(OneServer(world.redis), Keys(world.settings.redis_prefix)).report(
        "cam", told | {"updated_ms": world.clock.now_ms()}
    )
    finding = findings(settings)["camera cam"]
    assert finding.health is Health.BROKEN
    assert finding.detail.startswith(state)
    assert finding.detail.endswith(f"93 refused, {error}" if error else "93 refused")


def test_upkeep_that_nobody_takes_is_told(world: World) -> None:
    assert named(findings(asked(world)), "jobs").health is Health.OK
    world.jobs.request(JobKind.CLEANUP, {}, "me")
    world.database.execute("UPDATE jobs SET requested_at = now() - interval '1 h'")
    found = named(findings(asked(world)), "jobs")
    assert (found.health, "--queues retention,consistency" in found.mend) == (
        Health.WARNING,
        True,
    )
