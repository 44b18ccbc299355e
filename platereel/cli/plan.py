"""plan: how large a site must be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from math import isnan
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    console,
    deployment,
    errors,
    human_bytes,
    print_json,
    settings_of,
)
from shared.domain.capacity import CameraLoad, Figures, Plan
from shared.domain.capacity import plan as plan_site
from shared.domain.codec import Codec
from shared.domain.errors import BadInput
from shared.domain.policy import RecordingPolicy
from shared.domain.retention import MAX_DAYS
from shared.runtime.logs import configure
from shared.runtime.settings import Settings
from shared.wire.urls import RTSP

FULL_HD = "1920x1080"
MOST_REMARKS = 20
_SIDE = re.compile(r"[1-9][0-9]{0,4}")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Configuration")(plan)


def plan(
    cameras: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000_000, help="How many equal cameras; else those of the configuration."
        ),
    ] = None,
    size: Annotated[
        str, typer.Option(help="Picture size, where no running deployment knows it.")
    ] = FULL_HD,
    fps: Annotated[float | None, typer.Option(min=0.1, max=120, help="Frames a second.")] = None,
    codec: Annotated[str | None, typer.Option(help=f"One of {', '.join(Codec)}.")] = None,
    events: Annotated[
        float, typer.Option(min=0, max=1_000_000, help="Events per camera and day.")
    ] = 200,
    event_seconds: Annotated[
        float, typer.Option(min=0, max=86_400, help="From an event's first detection to its last.")
    ] = 4,
    days: Annotated[
        float | None, typer.Option(min=0, max=MAX_DAYS, help="How long clips are kept.")
    ] = None,
    jpeg_kb: Annotated[
        float | None,
        typer.Option(min=1, max=1_000_000, help="Size of a camera's JPEG, where you know it."),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure", help="Measure on this host with the cameras of the running deployment."
        ),
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """How much memory, network, CPU and storage a site needs."""
    given = {
        "size": _size(size), "fps": fps, "codec": _codec(codec), "events": events, "event_seconds": event_seconds,
        "days": days, "jpeg_bytes": None if jpeg_kb is None else jpeg_kb * 1000,
    }  # fmt: skip
    for name, value in given.items():
        if isinstance(value, float) and isnan(value):  # which lies within all limits
            raise BadInput(f"--{name.replace('_', '-')}", "is no number")
    figures, settings = Figures(), settings_of(config)
    loads = _loads(settings, cameras, given)
    if measure:
        from platereel.measuring import measured

        configure("plan", "warning", settings.log_format)
        with errors.status("encoding frames of the running cameras"):
            figures, loads = measured(deployment(config, data), loads)
    needs = plan_site([load for _, load in loads], figures)
    if json:
        print_json(
            {
                "ok": True,
                "plan": asdict(needs),
                "cameras": {name: asdict(load) for name, load in loads},
            }
        )
        return
    _print(needs, loads, measured=measure)
    for remark in islice(_remarks(settings, loads, figures), MOST_REMARKS):
        console.print(remark, style="dim", highlight=False)


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    if not (_SIDE.fullmatch(width) and _SIDE.fullmatch(height)):
        raise BadInput("--size", "written as 1920x1080")
    return int(width), int(height)


def _codec(name: str | None) -> Codec | None:
    if name is not None and name not in set(Codec):
        raise BadInput("--codec", f"one of {', '.join(Codec)}")
    return None if name is None else Codec(name)


def _loads(
    settings: Settings, cameras: int | None, given: dict[str, Any]
) -> list[tuple[str, CameraLoad]]:
    """Returns a load for each camera of the configuration, or one for so many equal cameras."""
    if cameras is None:
        if not settings.cameras:
            raise BadInput("--cameras", "the configuration has no cameras: say how many")
        return [(camera_id, _load(settings, camera_id, 1, given)) for camera_id in settings.cameras]
    return [(f"{cameras} cameras", _load(settings, "", cameras, given))]


def _load(settings: Settings, camera_id: str, count: int, given: dict[str, Any]) -> CameraLoad:
    policy, known = settings.policy(camera_id), camera_id in settings.cameras
    width, height = given["size"]
    fps = given["fps"] or policy.fps
    return CameraLoad(
        width,
        height,
        count,
        capture_fps=given["fps"] or policy.capture_fps,
        fps=fps,
        buffer_seconds=policy.buffer_seconds,
        post_event_seconds=policy.post_event_seconds,
        slack_seconds=policy.trigger_slack_seconds,
        codec=given["codec"] or _codec_of(settings, camera_id),
        scaled=scaled_share(policy, width, height),
        events_per_day=given["events"],
        event_seconds=given["event_seconds"],
        retention_days=given["days"]
        if given["days"] is not None
        else settings.kept_days(camera_id),
        jpeg_bytes=given["jpeg_bytes"],
        rtsp=known and settings.source(camera_id).startswith(RTSP),
        detect_fps=settings.detect_fps if known and settings.cameras[camera_id].detect else 0.0,
    )


def _codec_of(settings: Settings, camera_id: str) -> Codec:
    """Returns a camera's codec; with `auto` what is hoped for."""
    if camera_id in settings.cameras and settings.may_be_copied(camera_id):
        return Codec.COPY
    return settings.policy(camera_id).codec


def _remarks(
    settings: Settings, loads: list[tuple[str, CameraLoad]], figures: Figures
) -> Iterator[str]:
    """Yields what each RTSP camera takes if it is copied, and if it is not."""
    for name, load in loads:
        if not load.rtsp:
            continue
        copied, encoded = (
            _cores(plan_site([replace(load, codec=codec)], figures))
            for codec in (Codec.COPY, Codec.H264)
        )
        price = f"copied it takes {copied:.3f} cores, encoded {encoded:.3f}"
        if settings.may_be_copied(name):
            yield f"{name}: {price}; its connection decides, and doctor says what"
        elif settings.is_auto(name):
            yield f"{name}: {price}; it is encoded: {settings.against_copying(name)}"
        elif load.codec != Codec.COPY:
            yield f"{name}: {price}; codec auto copies it where that can be"


def _cores(needs: Plan) -> float:
    return needs.capture_cores + needs.writer_cores


def scaled_share(policy: RecordingPolicy, width: int, height: int) -> float:
    """Returns the pixels of a clip divided by those of its camera."""
    across, down = policy.scaled(width, height)
    return across * down / (width * height)


def _print(needs: Plan, loads: list[tuple[str, CameraLoad]], *, measured: bool) -> None:
    table = Table("", Column("needs", justify="right"), "", box=None)
    storage = "without end" if needs.storage_bytes is None else human_bytes(needs.storage_bytes)
    for name, value, remark in (
        (
            "frames Redis",
            human_bytes(needs.redis_bytes),
            f"maxmemory {human_bytes(needs.redis_maxmemory_bytes)}",
        ),
        ("network, capture to Redis", f"{human_bytes(needs.capture_bytes_per_second)}/s", ""),
        (
            "network, Redis to writers",
            f"{human_bytes(needs.writer_bytes_per_second)}/s",
            "on average",
        ),
        (
            "network, writers to storage",
            f"{human_bytes(needs.storage_bytes_per_second)}/s",
            "on average",
        ),
        ("CPU, capture", f"{needs.capture_cores:.2f} cores", ""),
        ("CPU, frames Redis", f"{needs.redis_cores:.2f} cores", ""),
        (
            "CPU, writers",
            f"{needs.writer_cores:.2f} cores",
            f"{needs.writer_cores_peak:.2f} at a busy time",
        ),
        ("writer processes", str(needs.writers), "at a busy time, 70 % busy"),
        ("clips", f"{needs.clips_per_day:.0f} a day", ""),
        (
            "storage",
            f"{human_bytes(needs.storage_bytes_per_day)} a day",
            f"{storage} for the retention",
        ),
    ):
        table.add_row(name, value, remark)
    console.print(
        f"{needs.cameras} cameras, {'measured on this host' if measured else 'by the reference figures'}"
    )
    console.print(table)
    if not measured:
        console.print("--measure counts with this host and the running cameras", style="dim")
    guessed = [name for name, load in loads if load.jpeg_bytes is None]
    if guessed:
        console.print(
            f"JPEG sizes are estimated from the picture size: {', '.join(guessed[:5])}", style="dim"
        )
