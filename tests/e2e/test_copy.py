"""A real RTSP camera in copy mode, in a whole deployment: its own H.264 becomes the clip."""

from __future__ import annotations

import os
import signal
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.support.chaos import FULL
from tests.support.deployment import Deployment
from tests.support.filming import Film, filming
from tests.support.h264 import FPS
from tests.support.numbers import numbers_of_clip
from tests.support.waiting import wait_until

BUFFER_S, POST_S = 2, 4


def test_an_rtsp_camera_is_copied(tmp_path: Path) -> None:
    """The pre-roll begins in the middle of a GOP; the clip begins there all the same, and lacks
    nothing untold.

    Every worker is killed while it is made. make chaos has capture killed, too, and the camera
    send another format.
    """
    with filming() as (url, film):
        config = (
            f"defaults: {{buffer_seconds: {BUFFER_S}, post_event_seconds: {POST_S}, part_seconds: 2}}\n"
            f'cameras:\n  gate: {{source: "{url}", codec: auto, detect: false}}\n'
        )
        deployment = Deployment(tmp_path / "site", config)
        try:
            deployment.start()
            packets = "platereel:packets:{gate}"
            with deployment.frames() as client:
                wait_until("packets", lambda: client.xlen(packets) > FPS * (BUFFER_S + 3))
            at = time.time()
            deployment.detect("gate", round(at * 1000), "seen", plate="AB123CD")
            time.sleep(2)
            for pid in deployment.refresh()["pids"]["worker"]:
                os.kill(pid, signal.SIGKILL)
            (segment,) = deployment.clips_of("seen")
            assert segment["status"] == "ready", segment
            path = deployment.download(segment)
            numbers, times = numbers_of_clip(path)
            read = [number for number in numbers if number is not None]
            assert len(read) == len(numbers) == segment["frame_count"]
            missing = sum(b - a - 1 for a, b in pairwise(read))
            assert all(b > a for a, b in pairwise(read))
            # Under load frames may be late at the end too: told, and not between two others.
            assert missing <= segment["frames_lost"]
            first = next(number for when, number in film.sent if when >= at - BUFFER_S)
            assert abs(read[0] - first) <= 3
            whole = abs(len(read) + segment["frames_lost"] - (BUFFER_S + POST_S) * FPS) <= 3
            assert whole or "camera_silent" in (segment["truncated_reason"] or ""), (
                "shorter, and nothing says why"
            )
            assert times[0] == 0
            assert segment["codec"] == "copy"
            status, picture, _ = deployment.ask(
                "GET", f"/v2/video/segments/{segment['id']}/thumbnail"
            )
            assert (status, picture[:2]) == (200, b"\xff\xd8")
            status, picture, _ = deployment.ask("GET", "/v2/video/cameras/gate/snapshot.jpg")
            assert (status, picture[:2]) == (200, b"\xff\xd8")
            camera = _camera(deployment)
            assert (camera["recorded_as"], camera["not_copied"]) == ("copy", None)
            if FULL:
                _with_capture_killed(deployment)
                _with_another_format(deployment, film)
        finally:
            deployment.stop()


def _with_capture_killed(deployment: Deployment) -> None:
    """Another event, in the middle of which capture dies: what it missed is told, and the rest is
    one clip.
    """
    deployment.detect("gate", round(time.time() * 1000), "again")
    time.sleep(1)
    (pid,) = deployment.refresh()["pids"]["capture"]
    os.kill(pid, signal.SIGKILL)
    segments = deployment.clips_of("again")
    made = [segment for segment in segments if segment["status"] == "ready"]
    assert made
    for segment in made:
        numbers = numbers_of_clip(deployment.download(segment))[0]
        read = [number for number in numbers if number is not None]
        assert len(read) == len(numbers) == segment["frame_count"]
        assert all(b > a for a, b in pairwise(read))
    lacking = sum(segment["frames_lost"] or 0 for segment in segments)
    assert lacking > 0 or any(segment["truncated_reason"] for segment in segments)


def _with_another_format(deployment: Deployment, film: Film) -> None:
    """The camera comes back with what no browser plays: the recording goes on in a second segment,
    which is encoded, and nothing but the time of its absence is missing.
    """
    packets = "platereel:packets:{gate}"
    with deployment.frames() as client:  # capture is back, and the buffer full anew
        before = client.xinfo_stream(packets)["entries-added"]
        wait_until(
            "packets",
            lambda: client.xinfo_stream(packets)["entries-added"] > before + FPS * (BUFFER_S + 3),
        )
    at = time.time()
    deployment.detect("gate", round(at * 1000), "changed")
    time.sleep(1.5)
    film.pix_fmt = "yuv422p"
    wait_until("the change", lambda: _camera(deployment)["recorded_as"] == "h264")
    assert "yuv422p" in _camera(deployment)["not_copied"]
    later = time.time()
    deployment.detect("gate", round(later * 1000), "changed-again")
    segments = {
        segment["id"]: segment
        for detection in ("changed", "changed-again")
        for segment in deployment.clips_of(detection)
    }
    copied, encoded = sorted(segments.values(), key=lambda each: each["start_time"])
    assert [copied["codec"], encoded["codec"]] == ["copy", "h264"]
    assert copied["status"] == encoded["status"] == "ready"
    read: list[int] = []
    for segment in (copied, encoded):
        numbers = numbers_of_clip(deployment.download(segment))[0]
        read += [number for number in numbers if number is not None]
        assert len(numbers) == segment["frame_count"]
    assert all(b > a for a, b in pairwise(read))
    # On a busy host the camera may be away for so long that its recording ends
    ended = "camera_silent" in (copied["truncated_reason"] or "")
    assert ended or encoded["continues"] == copied["id"]
    missing = sum(b - a - 1 for a, b in pairwise(read))
    assert ended or missing <= copied["frames_lost"] + encoded["frames_lost"] + 2
    first = next(number for when, number in film.sent if when >= at - BUFFER_S)
    last = max(number for when, number in film.sent if when <= later + POST_S)
    assert abs(read[0] - first) <= 3
    assert abs(read[-1] - last) <= 3


def _camera(deployment: Deployment) -> dict[str, Any]:
    (camera,) = deployment.get("/v2/video/cameras")["items"]
    return dict(camera)
