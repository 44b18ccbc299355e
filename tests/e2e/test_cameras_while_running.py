"""Cameras come, change and go while others are recorded."""

from __future__ import annotations

from typing import Any

from tests.support.deployment import Deployment
from tests.support.waiting import wait_until

GATE = "/v2/video/cameras/late-gate"


def camera(deployment: Deployment) -> Any:
    items = deployment.get("/v2/video/cameras")["items"]
    return next((each for each in items if each["camera_id"] == "late-gate"), {})


def put(deployment: Deployment, size: str) -> int:
    body: dict[str, Any] = {
        "source": f"synthetic:numbered?fps=10&size={size}",
        "post_event_seconds": 1,
    }
    body["buffer_seconds"] = 0.5
    return deployment.ask("PUT", GATE, body)[0]


def clip(deployment: Deployment, name: str) -> Any:
    captured_ms, _ = deployment.newest("late-gate")
    deployment.detect("late-gate", captured_ms, name)
    return deployment.clips_of(name)[0]


def test_a_camera_comes_changes_and_goes_beside_one_that_is_recorded(
    deployment: Deployment,
) -> None:
    deployment.wait_buffered("plain", 3)
    captured_ms, _ = deployment.newest("plain")
    deployment.detect("plain", captured_ms, "goes-on")
    assert put(deployment, "320x180") == 201
    wait_until("the new camera", lambda: camera(deployment).get("state") == "connected")
    deployment.wait_buffered("late-gate", 1)
    assert clip(deployment, "came-late")["resolution"] == "320x180"
    assert put(deployment, "160x90") == 200
    wait_until("its new size", lambda: camera(deployment).get("width") == 160)
    seen_ms, _ = deployment.newest("late-gate")
    wait_until("a second of it", lambda: deployment.newest("late-gate")[0] > seen_ms + 1000)
    assert clip(deployment, "is-small-now")["resolution"] == "160x90"
    beside = deployment.clips_of("goes-on")[0]
    assert (beside["status"], beside["frames_lost"], beside["gaps"]) == ("ready", 0, [])
    status, body, _ = deployment.ask("DELETE", f"{GATE}?clips=delete")
    assert status == 200, body
    assert camera(deployment) == {}
    assert deployment.ask("GET", "/v2/video/segments?camera_id=late-gate&archived=false")[0] == 200
    left = deployment.get("/v2/video/segments?camera_id=late-gate&status=ready")["items"]
    assert left == []
