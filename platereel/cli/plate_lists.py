"""lists: keep lists of known, watched and ignored plates."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.table import Column, Table

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    check_purpose,
    console,
    deployment,
    print_json,
    who,
)
from platereel.cli.plate_list_files import (
    Name,
    Plate,
    ToleranceOption,
    checked,
    export,
    import_file,
    preview,
    tell_overlaps,
)
from shared.domain.plate_lists import IgnoredReads, ListEntry, ListKind, ListSettings, PlateList
from shared.wire import api as schemas
from shared.wire.plate_list_csv import settings_of

CameraOption = Annotated[
    list[str] | None, typer.Option(help="Only for this camera; may be given again.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Keep lists of known, watched and ignored plates.", no_args_is_help=True
    )
    group.command()(show)
    group.command()(create)
    group.command()(delete)
    group.command()(add)
    group.command()(remove)
    group.command("import")(import_file)
    group.command()(export)
    group.command()(preview)
    app.add_typer(group, name="lists", rich_help_panel="Clips")


def show(
    name: Annotated[str | None, typer.Argument(help="A list; without it, all of them.")] = None,
    plate: Annotated[str | None, typer.Option(help="Only such plates; * and ? work.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 100,
    cursor: Annotated[str | None, typer.Option(help="Continue after an earlier answer.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show all lists, or a list's entries by plate."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        if name is None:
            lists = world.lists.all()
        else:
            page = world.lists.entries(name, limit, cursor, plate)
    if name is None:
        _show_lists(lists, json=json)
    elif json:
        print_json(schemas.EntryPage.model_validate(page).model_dump(mode="json"))
    else:
        console.print(_entries_table(page.items))
        more = f" (--cursor {page.next_cursor})" if page.next_cursor else ""
        console.print(f"{len(page.items)} of {page.total}{more}", soft_wrap=True)


def _show_lists(lists: Sequence[PlateList], *, json: bool) -> None:
    if json:
        shown = schemas.PlateLists.model_validate({"items": lists, "total": len(lists)})
        print_json(shown.model_dump(mode="json"))
        return
    table = Table("list", "kind", "entries", "cameras", "reads", box=None, padding=(0, 1, 0, 0))
    for each in lists:
        table.add_row(
            each.name,
            str(each.kind),
            str(each.entries),
            ", ".join(each.cameras or ["all"]),
            str(each.reads) if each.kind is ListKind.IGNORE else "",
        )
    console.print(table)


def _entries_table(entries: Iterable[ListEntry]) -> Table:
    columns = (Column("plate", no_wrap=True), "tolerance", "name", "reason", "cameras", "counts")
    table = Table(*columns, box=None, padding=(0, 1, 0, 0))
    for each in entries:
        table.add_row(
            each.plate,
            f"{each.tolerance:g}",
            each.name or "",
            each.reason or "",
            ", ".join(each.cameras or ["all"]),
            " ".join(filter(None, (_span(each), each.hours))) or "always",
        )
    return table


def _span(entry: ListEntry) -> str:
    begin = "" if entry.valid_from is None else f"from {entry.valid_from:%Y-%m-%d %H:%M}"
    end = "" if entry.valid_until is None else f"until {entry.valid_until:%Y-%m-%d %H:%M}"
    return " ".join(filter(None, (begin, end)))


def create(
    name: Name,
    kind: Annotated[ListKind, typer.Option(help="What its plates mean.")],
    reads: Annotated[
        IgnoredReads, typer.Option(help="Of the kind ignore: whether detections are stored.")
    ] = IgnoredReads.KEPT,
    hit_days: Annotated[float | None, typer.Option(help="How long hits are kept.")] = None,
    quiet_hours: Annotated[
        str | None, typer.Option(help="When hits alert nobody: daily 22:00-06:00.")
    ] = None,
    cool_down: Annotated[float, typer.Option(help="Seconds from an alert to a plate's next.")] = 0,
    camera: CameraOption = None,
    time_zone: Annotated[str, typer.Option(help="Of its hours, as Europe/Berlin.")] = "UTC",
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Make a list."""
    from platereel.wiring import desk

    given = {
        "name": name, "kind": kind, "reads": reads, "hit_days": hit_days, "quiet_hours": quiet_hours,
        "cool_down_seconds": cool_down, "cameras": camera or None, "time_zone": time_zone,
    }  # fmt: skip
    settings = ListSettings(**dict(checked(schemas.ListRequest, given)))
    with desk(deployment(config, data)) as world:
        check_purpose(required=world.purpose_required)
        made = world.lists.create(settings, who())
    if json:
        print_json(schemas.PlateList.model_validate(made).model_dump(mode="json"))
    else:
        console.print(f"{name} is made ({kind})")


def delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a list with all its entries."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        check_purpose(required=world.purpose_required)
        found = world.lists.get(name)
        if found.entries and sys.stdin.isatty() and not (yes or json):
            typer.confirm(f"Delete {name} with its {found.entries} entries?", abort=True, err=True)
        world.lists.delete(name, who())
    if json:
        print_json({"name": name, "deleted": True, "entries": found.entries})
    else:
        console.print(f"{name} is deleted, with {found.entries} entries")


def add(
    list_: Annotated[str, typer.Argument(metavar="NAME", help="The list's name.")],
    plate: Plate,
    tolerance: ToleranceOption = 0.0,
    name: Annotated[str | None, typer.Option(help="Whose it is.")] = None,
    note: Annotated[str | None, typer.Option(help="Anything to remember.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why it is watched.")] = None,
    priority: Annotated[int | None, typer.Option(help="1 (most urgent) to 5.")] = None,
    instructions: Annotated[str | None, typer.Option(help="What to do at a hit.")] = None,
    camera: CameraOption = None,
    from_: Annotated[str | None, typer.Option("--from", help="Counts from this time on.")] = None,
    until: Annotated[str | None, typer.Option(help="Counts until this time.")] = None,
    hours: Annotated[
        str | None, typer.Option(help="Counts in these: mon-fri 08:00-18:00, sat 10:00-12:00.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Add a plate to a list."""
    from platereel.wiring import desk

    given = {
        "plate": plate, "tolerance": tolerance, "name": name, "note": note, "reason": reason, "priority": priority,
        "instructions": instructions, "cameras": camera or None, "valid_from": from_, "valid_until": until,
        "hours": hours,
    }  # fmt: skip
    entry = settings_of(checked(schemas.EntryRequest, given))
    with desk(deployment(config, data)) as world:
        check_purpose(required=world.purpose_required)
        others = [each for each in world.lists.holding(plate) if each.name != list_]
        made = world.lists.add(list_, entry, who())
    if json:
        shown = schemas.ListEntry.model_validate(made).model_dump(mode="json")
        print_json({**shown, "overlaps": [each.name for each in others]})
    else:
        console.print(f"{made.plate} is on {list_}")
        tell_overlaps(others)


def remove(
    list_: Annotated[str, typer.Argument(metavar="NAME", help="The list's name.")],
    plate: Plate,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Take a plate off a list."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        check_purpose(required=world.purpose_required)
        entry = world.lists.entry_of(list_, plate)
        world.lists.remove(list_, entry.entry_id, who())
    if json:
        print_json({"list": list_, "plate": entry.plate, "removed": True})
    else:
        console.print(f"{entry.plate} is off {list_}")
