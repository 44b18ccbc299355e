"""cleanup and check: retention and consistency, now."""

from __future__ import annotations

from typing import Annotated, Any

import typer

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


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Upkeep")(cleanup)
    app.command(rich_help_panel="Upkeep")(check)


def cleanup(
    days: Annotated[float | None, typer.Option(help="Archive clips older than this; else as configured.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Apply retention now."""
    from workers.retention.sweep import sweep
    from workers.wiring import build

    if days is not None and not 0 <= days <= MAX_DAYS:
        raise BadInput("--days", f"from 0 to {MAX_DAYS}")
    params: dict[str, Any] = {"dry_run": dry_run} | ({} if days is None else {"retention_days": days})
    world = build(deployment(config, data))
    try:
        with errors.status("looking for clips that may go"):
            result = sweep(world.sweep, params)
    finally:
        world.database.close()
    if json:
        print_json(result)
        return
    would = "would archive" if dry_run else "archived"
    console.print(f"{would} {result['archived']} clips, {human_bytes(result['bytes'])} {result['reasons'] or ''}")
    if not dry_run:
        console.print(f"deleted the files of {result['deleted']} clips archived earlier, {result['failed']} resist")


def check(
    repair: Annotated[bool, typer.Option("--repair", help="Finish what a crash left, remove orphans.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Compare rows with objects, both ways; exit status 0 when nothing was found (or all of it was repaired)."""
    from workers.reconcile.audit import audit
    from workers.wiring import build

    world = build(deployment(config, data))
    try:
        with errors.status("comparing rows with objects"):
            result = audit(world.audit, {"repair": repair})
    finally:
        world.database.close()
    if json:
        print_json(result)
    else:
        console.print(
            f"{result['objects']} objects: {result['orphans']} that no row expects, {result['missing']} missing; "
            f"{result['leftover_parts']} finished segments with parts left"
        )
        for kind in ("orphan", "missing"):
            for key in result[f"{kind}_keys"]:
                console.print(f"  {kind}: {key}", markup=False, highlight=False)
        if result["stopped"]:
            console.print(f"stopped: {result['stopped']}")
        elif repair:
            console.print(f"removed {result['removed']} objects")
    repaired = repair and not result["missing"] and not result["stopped"]
    if not (result["clean"] or repaired):
        raise typer.Exit(1)
