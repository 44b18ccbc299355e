"""segments: find, show, fetch, export, protect and delete clips from a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.table import Column, Table

from platereel.cli.clip_export import check_output, export, segment_id, target_of
from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    console,
    deployment,
    errors,
    human_bytes,
    look,
    plain,
    print_json,
    who,
    write_whole,
)
from shared.domain.errors import Conflict
from shared.domain.lifecycle import SegmentStatus
from shared.domain.ports import Order, SegmentFilter
from shared.domain.segment import DetailedSegment, Segment
from shared.wire import api as schemas
from shared.wire.clip_names import clip_name

Identifier = Annotated[str, typer.Argument(help="The segment's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Find, show, fetch, export, protect and delete clips.", no_args_is_help=True
    )
    group.command("list")(list_segments)
    group.command()(show)
    group.command()(get)
    group.command()(export)
    group.command()(protect)
    group.command()(delete)
    app.add_typer(group, name="segments", rich_help_panel="Clips")


def list_segments(
    camera: Annotated[str | None, typer.Option(help="Only this camera.")] = None,
    status: Annotated[SegmentStatus | None, typer.Option(help="Only this status.")] = None,
    plate: Annotated[str | None, typer.Option(help="Plate; * and ? are wildcards.")] = None,
    fuzzy: Annotated[
        bool, typer.Option("--fuzzy", help="Nearly equal plates too, the closest first.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List clips, newest first."""
    from platereel.wiring import desk

    where = SegmentFilter(camera_id=camera, status=status, plate=plate, fuzzy=fuzzy)
    with desk(deployment(config, data)) as world:
        if plate is not None:
            look(world, "list", {"what": "segments", "plate": plate})
        page = world.segments.search(
            where=where,
            limit=limit,
            offset=0,
            cursor=None,
            order=Order.NEAREST if fuzzy else Order.NEWEST,
        )
    if json:
        shown = schemas.SegmentPage(
            items=[schemas.ListedSegment.model_validate(item) for item in page.items],
            total=page.total,
            next_cursor=page.next_cursor,
        )
        print_json(shown.model_dump(mode="json", by_alias=True))
        return
    start = Column("start (UTC)", no_wrap=True)
    columns = (
        Column("id", no_wrap=True),
        "camera",
        Column("plates", no_wrap=True),
        start,
        "seconds",
        "lost",
        "size",
        "status",
    )
    table = Table(*columns, box=None, padding=(0, 1, 0, 0))
    for row in page.items:
        table.add_row(
            str(row.id),
            row.camera_id,
            " ".join(row.plates[:3]),
            f"{row.start_time:%m-%d %H:%M:%S}",
            f"{row.duration_seconds or 0:.1f}",
            str(row.frames_lost or 0),
            human_bytes(row.file_size_bytes),
            _status(row),
        )
    console.print(table)
    console.print(f"{len(page.items)} of {page.total}")


def _status(segment: Segment) -> str:
    return (
        str(segment.status)
        + (" (protected)" if segment.protected else "")
        + (f": {segment.error}" if segment.error else "")
    )


def _as_json(segment: DetailedSegment) -> dict[str, Any]:
    """Returns a segment as the API answers it."""
    return schemas.SegmentDetail.model_validate(segment).model_dump(mode="json", by_alias=True)


def show(
    segment: Identifier,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show everything known of a clip."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        row = world.segments.get(segment_id(segment))
        look(world, "view", {"what": "segment"}, row.id)
    if json:
        print_json(_as_json(row))
        return
    for name, value in _as_json(row).items():
        if name != "detections" and value not in (None, [], ""):
            console.print(plain(f"{name:28} {value}", keep=""), highlight=False)
    for detection in row.detections:
        at, plate, confidence = (
            detection.offset_ms / 1000,
            detection.plate or "?",
            detection.confidence,
        )
        line = f"detection at {at:+.2f} s      {plate} ({confidence:.2f}) {detection.detection_id}"
        console.print(line, highlight=False)


def get(
    segment: Identifier,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, folder to write into, or - (standard output); else ID.mp4.",
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Fetch a clip's MP4."""
    from platereel.wiring import desk

    check_output(output, "a clip", json=json)
    with desk(deployment(config, data)) as world:
        row = world.segments.get(segment_id(segment))
        if row.status != SegmentStatus.READY:
            raise Conflict(f"segment {segment} is {_status(row)}; only a ready one has a clip")
        look(world, "download", {"bytes": "all", "by": "command"}, row.id)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
        )
        with Progress(
            *columns, console=errors, transient=True, disable=not errors.is_terminal
        ) as progress:
            bar = progress.add_task(str(row.id), total=row.file_size_bytes)
            pieces = _told(
                world.store.stream(row.file_path), lambda done: progress.advance(bar, done)
            )
            if str(output) == "-":
                sys.stdout.buffer.writelines(pieces)
                return
            name = clip_name(row.camera_id, row.start_time, row.plates)
            target = target_of(output or Path(f"{row.id}.mp4"), f"{name}.mp4")
            write_whole(target, pieces)
    if json:
        print_json(
            {
                "id": row.id,
                "path": str(target),
                "size_bytes": row.file_size_bytes,
                "sha256": row.sha256,
            }
        )
    else:
        console.print(f"{target} ({human_bytes(row.file_size_bytes)})", highlight=False)


def _told(pieces: Iterator[bytes], tell: Callable[[int], None]) -> Iterator[bytes]:
    for piece in pieces:
        yield piece
        tell(len(piece))


def protect(
    segment: Identifier,
    off: Annotated[bool, typer.Option("--off", help="Lift the protection.")] = False,
    note: Annotated[str | None, typer.Option(help="Why.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Protect a clip from retention and deletion."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        row = world.segments.protect(segment_id(segment), protected=not off, who=who(), note=note)
    if json:
        print_json(_as_json(row))
    else:
        console.print(f"{row.id} is {'protected' if row.protected else 'no longer protected'}")


def delete(
    segment: Identifier,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a clip; its file goes after the grace period."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        world.segments.archive(segment_id(segment), who())
    if json:
        print_json({"id": segment, "deleted": True})
    else:
        console.print(f"{segment} is deleted")
