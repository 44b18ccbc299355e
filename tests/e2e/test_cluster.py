"""A whole deployment whose frames are on a Redis Cluster, and an event during which one of its
three nodes dies.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.support.chaos import FULL
from tests.support.cluster import running_cluster
from tests.support.deployment import Deployment
from tests.support.filming import filming
from tests.support.numbers import numbers_of_clip
from tests.support.waiting import wait_until


@pytest.mark.skipif(not FULL, reason="three quarters of a minute: make chaos runs it")
def test_an_event_while_a_node_is_lost(tmp_path: Path) -> None:
    """Cameras of the other nodes are recorded without a hole, one of them by copying; the lost one
    is again once it is back, its loss told.
    """
    with running_cluster(tmp_path / "cluster") as cluster, filming() as (url, _):
        cameras = cluster.cameras(1)
        sources = ["synthetic:numbered?size=320x180", "synthetic:numbered?size=320x180", url]
        config = (
            "defaults: {buffer_seconds: 2, post_event_seconds: 6, part_seconds: 2, codec: auto}\n"
        )
        config += "cameras:\n" + "".join(
            f'  {camera}: {{source: "{source}", detect: false}}\n'
            for camera, source in zip(cameras, sources, strict=True)
        )
        deployment = Deployment(tmp_path / "site", config, {"PLATEREEL_FRAMES_URL": cluster.url})
        try:
            deployment.start()
            wait_until("cameras", lambda: _connected(deployment) == set(cameras))
            time.sleep(3)
            for camera in cameras:
                deployment.detect(camera, round(time.time() * 1000), f"{camera}-event")
            time.sleep(2)
            cluster.kill(1)
            for camera in (cameras[0], cameras[2]):
                (segment,) = deployment.clips_of(f"{camera}-event")
                assert segment["status"] == "ready"
                assert segment["frames_lost"] == 0
                assert segment["codec"] == ("copy" if camera == cameras[2] else "h264")
                numbers = numbers_of_clip(deployment.download(segment))[0]
                first = numbers[0]
                assert first is not None
                assert numbers == list(range(first, first + len(numbers)))
                assert abs(len(numbers) - 8 * 15) <= 2
            cluster.start(1)
            wait_until("the lost camera", lambda: cameras[1] in _connected(deployment))
            time.sleep(3)
            deployment.detect(cameras[1], round(time.time() * 1000), "after")
            clips = deployment.clips_of("after")
            assert clips[-1]["status"] == "ready"
            for segment in deployment.clips_of(f"{cameras[1]}-event"):
                assert (
                    segment["status"] == "failed" or segment["frames_lost"] > 0 or segment["gaps"]
                )
        finally:
            deployment.stop()


def _connected(deployment: Deployment) -> set[str]:
    items = deployment.get("/v2/video/cameras")["items"]
    return {
        item["camera_id"]
        for item in items
        if item["state"] == "connected" and item["last_frame_at"]
    }
