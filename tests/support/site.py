"""A deployment that somebody looks at: two cameras that record, and one that cannot be reached."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from tests.support.deployment import Deployment

CONFIG = """
defaults: {buffer_seconds: 2, post_event_seconds: 3, fps: 10}
cameras:
  gate-1: {source: "synthetic:street?size=640x360&seed=1&first=1&interval=9", detect: true}
  gate-2: {source: "synthetic:street?size=640x360&seed=2&first=1&interval=9", detect: true}
  roof: {source: "rtsp://user:secret@127.0.0.1:9/none"}
"""
WANTED = "WA17NTD"


def both(site: Deployment) -> bool:
    """Whether each camera has a clip that is ready and has a pass with a plate."""
    return all(clips(site, camera) for camera in ("gate-1", "gate-2"))


def clips(site: Deployment, camera: str) -> list[Any]:
    """Return ready clips with a plate, newest first."""
    found = site.get(f"/v2/video/segments?camera_id={camera}&status=ready&limit=50")["items"]
    return [each for each in found if each["plates"]]


def read(site: Deployment, camera: str = "gate-1", plate: str = WANTED) -> Any:
    """Send a detection of now, as a detector of somebody else's would."""
    status, answer, _ = site.ask(
        "POST",
        "/v2/video/detections",
        {
            "detection_id": str(uuid4()),
            "camera_id": camera,
            "captured_at": datetime.now(UTC).isoformat(),
            "confidence": 0.9,
            "plate": plate,
            "bbox": [250, 200, 100, 30],
        },
    )
    assert status == 202, answer
    return answer


def recorded_pass(site: Deployment) -> Any:
    """Return a pass whose best read is in a clip that is ready, and has a box."""
    ready = {each["id"] for camera in ("gate-1", "gate-2") for each in clips(site, camera)}
    for each in site.get("/v2/video/passes?plate=*&recorded=true&limit=50")["items"]:
        whole = site.get(f"/v2/video/passes/{each['id']}")
        best = next(
            (
                one
                for one in whole["detections"]
                if one["detection_id"] == whole["best_detection_id"]
            ),
            None,
        )
        if best and best["bbox"] and {one["segment_id"] for one in whole["segments"]} <= ready:
            return whole
    raise AssertionError("no pass is recorded")


def _clip(site: Deployment) -> str:
    return str(clips(site, "gate-1")[0]["id"])


def _moment(site: Deployment) -> int:
    at = datetime.fromisoformat(clips(site, "gate-1")[0]["trigger_time"])
    return int(at.timestamp() * 1000)


def _pass(site: Deployment) -> str:
    return str(site.get("/v2/video/passes?plate=*&recorded=true")["items"][0]["id"])


# Every view, and the way to one with something in it.
VIEWS: dict[str, Callable[[Deployment], str]] = {
    "live": lambda _: "#/live",
    "camera": lambda _: "#/live?camera=gate-1",
    "passes": lambda _: "#/passes",
    "pass": lambda site: f"#/passes?pass={_pass(site)}",
    "hits": lambda _: "#/lists",
    "list": lambda _: "#/lists/wanted",
    "timeline": lambda site: f"#/timeline?at={_moment(site)}",
    "clip": lambda site: f"#/clip/{_clip(site)}",
    "incident": lambda site: f"#/incident?at={_moment(site)}",
    "health": lambda _: "#/health",
    "keys": lambda _: "#/settings",
    "configuration": lambda _: "#/settings?tab=configuration",
    "signing": lambda _: "#/settings?tab=signing",
    "access": lambda _: "#/settings?tab=access",
}
