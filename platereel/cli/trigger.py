"""trigger: publish a detection from the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    console,
    deployment,
    errors,
    print_json,
)
from shared.domain.errors import Permanent
from shared.domain.lifecycle import ARCHIVED, DetectionOutcome, SegmentStatus
from shared.domain.segment import Segment
from shared.wire.detections import parse_detection

if TYPE_CHECKING:
    from platereel.wiring import Desk

POLL_SECONDS = 0.1
DONE = {SegmentStatus.READY, SegmentStatus.FAILED, *ARCHIVED}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Clips")(trigger)


def trigger(
    camera: Annotated[str, typer.Argument(help="The camera.")],
    plate: Annotated[str | None, typer.Option(help="The plate that was read.")] = None,
    confidence: Annotated[float, typer.Option(min=0, max=1)] = 1.0,
    at: Annotated[
        str | None, typer.Option(help="When: RFC 3339 or epoch seconds; else now.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until the clip is ready.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait at most.")] = 600,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Publish a detection. With --wait, wait until its clip is READY (exit status 0) or failed
    (1).
    """
    from platereel.wiring import desk

    settings = deployment(config, data)
    with desk(settings) as world:
        if settings.cameras and camera not in settings.cameras:
            raise Permanent(f"no camera {camera}; there are {', '.join(settings.cameras)}")
        body = {
            "camera_id": camera, "plate": plate, "confidence": confidence, "captured_at": at,
            "detection_id": f"cli-{uuid4()}",
        }  # fmt: skip
        body = {key: value for key, value in body.items() if value is not None}
        detection = parse_detection(body, arrival_ms=world.clock.now_ms(), entry_id=str(uuid4()))
        world.detections.publish(detection)
        world.stream.hint(camera, detection.detection_id)
        answer: dict[str, Any] = {"detection_id": detection.detection_id, "camera_id": camera}
        if wait:
            answer |= _await(world, camera, detection.detection_id, timeout)
    if json:
        print_json(answer)
    else:
        console.print(_sentence(answer))
    if wait and not answer["ok"]:
        raise typer.Exit(1)


def _await(world: Desk, camera_id: str, detection_id: str, timeout: float) -> dict[str, Any]:
    until, said = world.clock.monotonic() + timeout, False
    while world.clock.monotonic() < until:
        row = world.detections.get(camera_id, detection_id)
        outcome = None if row is None else row.outcome
        segments = world.segments.by_detection(camera_id, detection_id)
        settled = outcome not in {None, DetectionOutcome.PENDING} and all(
            s.status in DONE for s in segments
        )
        if segments and not settled and not said:
            said = True
            until_time = max(segment.deadline for segment in segments)
            errors.print(f"recording until {until_time:%H:%M:%S} UTC at the earliest")
        if settled:
            ready = bool(segments) and all(s.status is SegmentStatus.READY for s in segments)
            reason = next((s.error for s in segments if s.error), None)
            return {
                "ok": ready,
                "outcome": outcome,
                "reason": reason,
                "segments": [_brief(s) for s in segments],
            }
        world.clock.sleep(POLL_SECONDS)
    raise Permanent(f"no clip after {timeout:g} s; `platereel segments list` shows how it stands")


def _brief(segment: Segment) -> dict[str, Any]:
    names = (
        "id",
        "camera_id",
        "status",
        "start_time",
        "duration_seconds",
        "frame_count",
        "file_path",
        "error",
    )
    return {name: getattr(segment, name) for name in names}


def _sentence(answer: dict[str, Any]) -> str:
    if "outcome" not in answer:
        return f"published {answer['detection_id']}"
    if not answer["segments"]:
        return f"{answer['detection_id']}: {answer['outcome']}, no clip"
    return "\n".join(
        f"{s['id']} {s['status']} {s['duration_seconds'] or 0:.2f} s, {s['frame_count'] or 0} frames {s['error'] or ''}"
        for s in answer["segments"]
    )
