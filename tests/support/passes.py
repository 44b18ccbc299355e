"""Reads of plates as one dispatcher takes them."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.media import Detection
from shared.domain.policy import RecordingPolicy
from shared.domain.ports import Accepted, CameraBatch
from tests.support.world import World

POLICY = RecordingPolicy()


def read(world: World, at_s: float, plate: str) -> Detection:
    return replace(world.detection("cam1", at_s, f"{plate}-{at_s}"), plate=plate)


def accept(world: World, *reads: tuple[float, str]) -> list[Accepted]:
    detections = [read(world, *each) for each in reads]
    batch = CameraBatch(
        camera_id="cam1",
        detections=detections,
        policy=POLICY,
        oldest_ms=0,
        newest_ms=max(each.captured_ms for each in detections),
    )
    return world.detections.accept_all([batch])["cam1"]
