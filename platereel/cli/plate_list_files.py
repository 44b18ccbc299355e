"""Files of lists, and what an entry would accept; and what all commands of lists share."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import BaseModel, ValidationError

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
from shared.domain.accepted_plates import accepted_plates
from shared.domain.errors import BadInput
from shared.domain.ports import Overlap
from shared.domain.timing import from_ms
from shared.wire import api as schemas
from shared.wire.plate_list_csv import csv_of, entries_of, reasons_of, refusal, report_of

SHOWN_PASSES = 20
Name = Annotated[str, typer.Argument(help="The list's name.")]
Plate = Annotated[str, typer.Argument(help="A plate; * and ? are wildcards.")]
ToleranceOption = Annotated[
    float, typer.Option(help="0.1 accepts a look-alike character, 1 any edit.")
]
Model = TypeVar("Model", bound=BaseModel)


def checked(model: type[Model], given: dict[str, Any]) -> Model:
    """Returns what was given as the API takes it; what was left out is None here."""
    try:
        return model.model_validate(
            {name: value for name, value in given.items() if value is not None}
        )
    except ValidationError as error:
        field, _, reason = reasons_of(error).partition(": ")
        raise BadInput(field, reason or "is wrong") from None


def tell_overlaps(others: Iterable[Overlap]) -> None:
    for each in others:
        plates = ", ".join(each.plates) + (", …" if each.entries > len(each.plates) else "")
        errors.print(f"{each.name} ({each.kind}) holds {each.entries} of it too: {plates}")


def import_file(
    name: Name,
    file: Annotated[Path, typer.Argument(help="CSV whose first line names the columns.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what it would do.")] = False,
    partial: Annotated[
        bool, typer.Option("--partial", help="Import the good lines where others are wrong.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Add the plates of a CSV file to a list, and change those that it has."""
    from platereel.wiring import desk

    read = entries_of(file.read_bytes())
    if read.problems and not (partial or dry_run):
        raise refusal(read.problems)
    with desk(deployment(config, data)) as world:
        check_purpose(required=world.purpose_required)
        done = world.lists.load(name, read.entries, who(), dry_run=dry_run)
    report = report_of(read, done, dry_run=dry_run)
    if json:
        print_json(report.model_dump(mode="json"))
        return
    for problem in report.problems:
        errors.print(f"line {problem.line}: {problem.message}", soft_wrap=True)
    would = "would be " if dry_run else ""
    console.print(
        f"{would}added {done.added}, changed {done.changed}, unchanged {done.unchanged}, left out {report.skipped}"
    )
    tell_overlaps(done.overlaps)


def export(
    name: Name,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; else standard output.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Write all entries of a list as CSV, as `import` takes it."""
    from platereel.wiring import desk

    if output is None and json:
        raise BadInput("--json", "standard output has the file, and nothing else")
    with desk(deployment(config, data)) as world:
        check_purpose(required=world.purpose_required)
        pieces = csv_of(world.lists.every_entry(name, who()))
        if output is None:
            sys.stdout.writelines(pieces)
            return
        write_whole(output, (piece.encode() for piece in pieces))
    if json:
        print_json({"list": name, "path": str(output)})
    else:
        console.print(f"{output}", highlight=False)


def preview(
    plate: Plate,
    tolerance: ToleranceOption = 0.0,
    days: Annotated[float, typer.Option(help="How far to look back.")] = 30.0,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show what an entry would accept: plates, lists that hold it, and recent passes."""
    from platereel.wiring import desk

    asked = checked(schemas.PreviewRequest, {"plate": plate, "tolerance": tolerance, "days": days})
    with desk(deployment(config, data)) as world:
        look(world, "list", {"what": "preview", "plate": asked.plate})
        since = from_ms(world.clock.now_ms()) - timedelta(days=asked.days)
        seen = world.lists.seen(asked.plate, asked.tolerance, since, SHOWN_PASSES)
        others = world.lists.holding(asked.plate)
    found = schemas.Preview.model_validate(
        {
            "accepted": accepted_plates(asked.plate, asked.tolerance),
            "lists": others,
            "items": seen.items,
            "total": seen.total,
        }
    )
    if json:
        print_json(found.model_dump(mode="json"))
        return
    console.print("accepts " + "  ".join(each.plate for each in found.accepted), highlight=False)
    tell_overlaps(others)
    for each in found.items:
        line = f"{each.first_at:%m-%d %H:%M:%S} {each.camera_id} {each.plate} ({each.distance:g}) {each.pass_id}"
        console.print(line, highlight=False, soft_wrap=True)
    console.print(f"{len(found.items)} of {found.total} passes")
