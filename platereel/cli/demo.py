"""demo: see it work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from platereel.cli.context import console, errors, human_bytes, print_json
from shared.domain.lifecycle import SegmentStatus
from shared.runtime.configuration import load
from shared.runtime.logs import configure
from shared.runtime.signals import stop_event

if TYPE_CHECKING:
    from platereel.embedded.demo import Rehearsal

DEMO_DATA = Path("data/demo")
POLL_SECONDS = 0.2
SAY_EVERY = 25


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="On one machine")(demo)


def demo(
    cameras: Annotated[int, typer.Option(min=1, max=64, help="Synthetic cameras.")] = 2,
    duration: Annotated[float, typer.Option(min=1, help="Seconds of traffic.")] = 30,
    leave: Annotated[bool, typer.Option("--exit", help="Stop when the clips are made.")] = False,
    json: Annotated[
        Path | None, typer.Option("--json", help="Write the clips to this file too.")
    ] = None,
    data: Annotated[Path, typer.Option("--data", help="Where everything is kept.")] = DEMO_DATA,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, help="The API's port; 0 finds one.")
    ] = 0,
    storage: Annotated[str, typer.Option("--storage", help="s3 or file.")] = "s3",
) -> None:
    """Start everything with synthetic cameras, record the vehicles that pass, and show the
    clips.
    """
    from platereel.embedded.demo import Demo, configuration
    from platereel.embedded.servers import write_private
    from platereel.embedded.stack import Stack, StackPlan, claim, running
    from platereel.wiring import desk, with_addresses

    data = data.resolve()
    claim(data)
    config = data / "platereel.yaml"
    write_private(config, configuration(cameras))
    settings = load(config)

    def at_once() -> None:
        stack.kill()

    stopping = stop_event(at_once)
    configure("demo", "warning", "console")
    errors.print("starting PostgreSQL, two Valkeys, an S3 server, and every Platereel process ...")
    stack = Stack(
        StackPlan(
            settings=settings,
            config=config,
            data=data,
            port=port,
            file_storage=storage == "file",
            stopping=stopping.is_set,
        )
    )
    with running(stack):
        if stack.addresses is None:
            raise typer.Exit(1)
        here = with_addresses(settings, stack.addresses)
        with desk(here) as world:
            with _showing() as show:
                rehearsal = Demo(stack, here, world, show)
                rehearsal.run(duration, stopping.is_set)
            clips = rehearsal.clips(data / "clips")
        ok = bool(clips) and all(clip["status"] == "ready" and clip["decodes"] for clip in clips)
        result = {"ok": ok, "api_url": stack.api_url, "clips": clips}
        stays = console.is_terminal and not leave and not stopping.is_set()
        _tell(result, json, stays=stays)
        if stays:
            console.print("still running; Ctrl-C stops it", style="dim")
            while not stopping.wait(POLL_SECONDS):
                stack.poll()
    if not ok:
        raise typer.Exit(1)


def _tell(result: dict[str, Any], target: Path | None, *, stays: bool) -> None:
    from platereel.embedded.servers import write_private

    if target is not None:
        if str(target) == "-":
            print_json(result)
        else:
            write_private(target, _as_json(result))
    table = Table(
        "camera",
        "plate",
        "start (UTC)",
        "seconds",
        "pre-roll",
        "frames",
        "size",
        "status",
        box=None,
    )
    for clip in result["clips"]:
        table.add_row(
            clip["camera_id"],
            clip["plate"] or "?",
            clip["start_time"][11:19],
            f"{clip['duration_seconds'] or 0:.2f}",
            f"{clip['pre_roll_delivered_seconds'] or 0:.2f}",
            str(clip["frame_count"] or "-"),
            human_bytes(clip["file_size_bytes"]),
            _state(clip),
        )
    errors.print(table)
    for clip in result["clips"]:
        if clip["local_path"]:
            errors.print(f"  {_short(clip['local_path'])}", highlight=False, soft_wrap=True)
    where = f"; watch them at {result['api_url']}" if stays else ""
    errors.print(f"{len(result['clips'])} clips{where}", highlight=False)


def _state(clip: dict[str, Any]) -> str:
    return str(clip["status"]) if clip["decodes"] else f"{clip['status']}, not decoded"


def _as_json(result: dict[str, Any]) -> str:
    import json

    return json.dumps(result, indent=2) + "\n"


def _short(path: str) -> str:
    """Returns a path relative to the working directory, if it lies below it."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


@contextmanager
def _showing() -> Iterator[Callable[[Rehearsal], None]]:
    """Yields a live view on a terminal; elsewhere a line every few seconds."""
    if errors.is_terminal:
        with Live(console=errors, auto_refresh=False, transient=True) as live:
            yield lambda state: live.update(_view(state), refresh=True)
        return
    count = 0

    def say(state: Rehearsal) -> None:
        nonlocal count
        if count % SAY_EVERY == 0 or state.phase == "done":
            ready = sum(s.status is SegmentStatus.READY for s in state.segments)
            frames = sum(camera.frames for camera in state.cameras)
            errors.print(
                f"{state.phase}: {frames} frames, {state.detections} detections, "
                f"{len(state.segments)} recordings, {ready} ready"
            )
        count += 1

    yield say


def _view(state: Rehearsal) -> Group:
    cameras = Table("camera", "state", "fps", "frames", "dropped", box=None)
    for camera in state.cameras:
        cameras.add_row(
            camera.camera_id,
            camera.state,
            f"{camera.fps:.1f}",
            str(camera.frames),
            str(camera.dropped),
        )
    segments = Table("recording", "camera", "status", "from", "to", box=None)
    for row in state.segments[-8:]:
        segments.add_row(
            str(row.id)[:8],
            row.camera_id,
            row.status,
            f"{row.start_time:%H:%M:%S}",
            f"{row.deadline:%H:%M:%S}",
        )
    again = f", {state.restarts} processes started again" if state.restarts else ""
    return Group(
        Text(f"{state.phase}: {state.detections} detections{again}", style="bold"),
        cameras,
        segments,
    )
