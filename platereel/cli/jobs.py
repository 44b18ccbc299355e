"""cleanup and check: a run of retention, and of the consistency check, now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
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
)
from shared.domain.errors import BadInput
from shared.domain.retention import MAX_DAYS

SHOWN = 5
MEANINGS = {
    "orphan": "object that no row expects",
    "stale_upload": "upload that never ended",
    "missing": "clip without its object",
    "wrong_size": "clip whose object has another size",
    "damaged": "clip that is not what was recorded",
    "lost_strip": "clip without its strip",
    "unfinished": "recording that nobody goes on with",
    "failed": "failed segment that has footage",
    "leftover_parts": "finished segment with parts left",
    "half_deleted": "deletion that was not finished",
    "miscounted": "counter of the statistics that is wrong",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Maintenance")(cleanup)
    app.command(rich_help_panel="Maintenance")(check)


def cleanup(
    days: Annotated[
        float | None, typer.Option(help="Archive clips older than this; else as configured.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be archived.")
    ] = False,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Archive far more than usual, too.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Apply retention now."""
    from workers.process.job_turn import STEP_SECONDS, in_steps
    from workers.retention.cleanup import cleanup
    from workers.wiring import build, check_schema

    if days is not None and not 0 <= days <= MAX_DAYS:
        raise BadInput("--days", f"from 0 to {MAX_DAYS}")
    params: dict[str, Any] = {"dry_run": dry_run, "confirm": confirm} | (
        {} if days is None else {"retention_days": days}
    )
    settings = deployment(config, data)
    check_schema(settings)
    world = build(settings)
    try:
        with _bars() as bars:
            tasks = {
                name: bars.add_task(name, total=None, visible=False)
                for name in ("marking", "deleting")
            }
            tell = _teller(bars, tasks)
            result = in_steps(
                lambda cursor: cleanup(
                    ports=world.cleanup,
                    params=params,
                    progress=tell,
                    cursor=cursor,
                    longest_s=STEP_SECONDS,
                )
            )
    finally:
        world.close()
    if json:
        print_json(result)
    else:
        _print_cleanup(result, dry_run=dry_run)
    if "stopped" in result:
        raise typer.Exit(1)


def _print_cleanup(result: dict[str, Any], *, dry_run: bool) -> None:
    if "stopped" in result:
        console.print(f"stopped: {result['stopped']} (--confirm)")
    would = "would archive" if dry_run else "archived"
    console.print(
        f"{would} {result['archived']} clips, {human_bytes(result['bytes'])} {result['reasons'] or ''}"
    )
    if result["cameras"]:
        columns = (Column("clips", justify="right"), Column("size", justify="right"))
        table = Table("camera", *columns, box=None, padding=(0, 1, 0, 0))
        for camera_id, each in result["cameras"].items():
            table.add_row(camera_id, str(each["archived"]), human_bytes(each["bytes"]))
        console.print(table)
    if not dry_run:
        console.print(
            f"deleted the files of {result['deleted']} clips archived earlier, {result['failed']} resist"
        )


def check(
    repair: Annotated[
        bool, typer.Option("--repair", help="Finish what a crash left, remove orphans.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every clip back: hash it, decode every frame.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Compare rows with objects, both ways.

    Exit status 0 when nothing was found (or everything was repaired). A dry run unless told to
    repair. Objects younger than check_age_floor_seconds are not judged.
    """
    from workers.consistency.check import check
    from workers.process.job_turn import in_steps
    from workers.wiring import build, check_schema

    settings = deployment(config, data)
    check_schema(settings)
    world = build(settings)
    try:
        with _bars() as bars:
            names = ("objects", "clips", "read back")
            tell = _teller(
                bars, {name: bars.add_task(name, total=None, visible=False) for name in names}
            )
            params = {"repair": repair, "deep": deep}
            result = in_steps(lambda cursor: check(world.check, params, tell, cursor))
    finally:
        world.close()
    if json:
        print_json(result)
    else:
        print_report(result)
    if result["open"]:
        raise typer.Exit(1)


def _teller(bars: Progress, tasks: dict[str, TaskID]) -> Callable[[str, int, int], None]:
    return lambda name, done, total: bars.update(
        tasks[name], completed=done, total=total or None, visible=True
    )


def _bars() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )


def print_report(result: dict[str, Any]) -> None:
    """Print what a check found."""
    console.print(
        f"{result['objects']} objects, {result['clips']} clips{', read back' if result['deep'] else ''}"
    )
    for reason in result["stopped"]:
        console.print(f"stopped: {reason}")
    if result["clean"]:
        console.print("nothing to mend")
        return
    table = Table(
        "finding",
        Column("found", justify="right"),
        Column("mended", justify="right"),
        "what",
        box=None,
    )
    for kind, each in result["findings"].items():
        shown = "\n".join(each["examples"][:SHOWN])
        more = each["found"] - SHOWN
        table.add_row(
            MEANINGS[kind],
            str(each["found"]),
            str(each["repaired"]),
            shown + (f"\n... and {more} more" if more > 0 else ""),
        )
    console.print(table)
    if result["open"] and not result["repair"]:
        console.print("a dry run: --repair mends what can be mended")
