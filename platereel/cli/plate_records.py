"""plates: export and erase everything that is kept of one plate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    check_purpose,
    console,
    deployment,
    errors,
    look,
    print_json,
    who,
    write_whole,
)
from shared.domain.errors import BadInput
from shared.domain.plate_erasure import erase as erase_records
from shared.domain.plate_lists import is_wildcard
from shared.domain.plates import plate_key
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from shared.wire.api.plate_records import erasure_answer
from shared.wire.bounded_json import unstorable
from shared.wire.plate_export import export_lines

MOST_CHARACTERS = 64
Plate = Annotated[str, typer.Argument(help="The plate; case, spaces and dashes do not matter.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Export and erase what is kept of a plate.", no_args_is_help=True)
    group.command()(export)
    group.command()(erase)
    app.add_typer(group, name="plates", rich_help_panel="Plates")


def _plate(text: str) -> str:
    """Returns one plate that was given; no wildcard."""
    key = plate_key(text)
    if not key or len(text) > MOST_CHARACTERS or unstorable(text) is not None:
        raise BadInput("plate", f"write letters and digits, at most {MOST_CHARACTERS}")
    if is_wildcard(key):
        raise BadInput("plate", "is one plate, without * and ?")
    return text


def export(
    plate: Plate,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else standard output.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Write everything that is kept of a plate, as lines of JSON."""
    from platereel.wiring import desk

    asked = _plate(plate)
    if output is None and json:
        raise BadInput("--json", "standard output has the file, and nothing else")
    with desk(deployment(config, data)) as world:
        look(world, "export", {"what": "plate", "plate": asked})
        now = from_ms(world.clock.now_ms())
        lines = export_lines(asked, world.records, world.passes, now)
        if output is None:
            sys.stdout.writelines(line.decode() for line in lines)
            return
        write_whole(output, lines)
    if json:
        print_json({"plate": asked, "path": str(output)})
    else:
        console.print(f"{output}", highlight=False)


def erase(
    plate: Plate,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Erase what is kept of a plate: passes, reads, pictures, and clips that show no other."""
    from platereel.wiring import desk

    asked = _plate(plate)
    if sys.stdin.isatty() and not (dry_run or yes or json):
        typer.confirm(f"Erase everything that is kept of {asked}?", abort=True, err=True)
    with desk(deployment(config, data)) as world:
        check_purpose(required=world.purpose_required)
        if dry_run:
            look(world, "list", {"what": "erasure", "plate": asked})
        found = erase_records(asked, world.records, world.store, who(), dry_run=dry_run)
    told = erasure_answer(found, dry_run=dry_run)
    if json:
        print_json(told.model_dump(mode="json"))
    else:
        _print(told)


def _print(told: schemas.PlateErasure) -> None:
    would = "would be " if told.dry_run else ""
    gone = f"passes {told.passes}, reads {told.reads}, passes with pictures {told.pictures}, clips {told.clips}"
    corrected = f"reads of other vehicles {told.misreads}, lines of the access log {told.log_lines}"
    console.print(f"{would}erased: {gone}", highlight=False)
    console.print(f"{would}corrected: {corrected}", highlight=False)
    if told.clips_kept:
        kept = ", ".join(map(str, told.kept))
        console.print(f"kept, as they show other plates: {told.clips_kept} clips: {kept}")
    if told.lists:
        console.print(f"still on the lists: {', '.join(told.lists)}")
    for each in told.refused:
        errors.print(f"refused by clip {each.segment_id}: {each.reason}", soft_wrap=True)
