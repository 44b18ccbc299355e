"""passes: find, show and correct passes from a terminal."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from pydantic import ValidationError
from rich.table import Column, Table

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    console,
    deployment,
    look,
    plain,
    print_json,
    who,
)
from shared.domain.errors import BadInput
from shared.domain.found_passes import DetailedPass, FoundPass, PassHit, Review
from shared.domain.ports import PassFilter, PassRows, ReadOrder
from shared.domain.timing import to_ms
from shared.wire import api as schemas

Identifier = Annotated[str, typer.Argument(help="The pass's id.")]
PAGE = 1_000
LINES = frozenset({"detections", "segments", "reviews", "variants", "hits"})


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Find, show and correct passes.", no_args_is_help=True)
    group.command("list")(list_passes)
    group.command()(show)
    group.command()(review)
    app.add_typer(group, name="passes", rich_help_panel="Plates")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise BadInput("pass id", f"{text!r} is not a UUID") from None


def _moment(text: str | None, option: str) -> int | None:
    """Returns the time in ms; without a zone it is this terminal's."""
    if text is None:
        return None
    try:
        return to_ms(datetime.fromisoformat(text).astimezone())
    except (ValueError, OverflowError):
        raise BadInput(option, f"{text!r} is no time; write one as 2026-11-25T18:00") from None


def _attributes(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise BadInput("--attribute", f"{text!r}: write NAME=VALUE")
        found[name] = value
    return found


def list_passes(
    camera: Annotated[str | None, typer.Option(help="Only this camera.")] = None,
    plate: Annotated[str | None, typer.Option(help="Plate; * and ? are wildcards.")] = None,
    fuzzy: Annotated[
        bool, typer.Option("--fuzzy", help="Nearly equal plates too, the closest first.")
    ] = False,
    since: Annotated[str | None, typer.Option("--from", help="Not before this time.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Before this time.")] = None,
    min_dwell: Annotated[
        float | None, typer.Option(help="Seconds from first to last read.")
    ] = None,
    hits: Annotated[bool, typer.Option("--hits", help="Only plates on watch lists.")] = False,
    attribute: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE; may be repeated.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 20,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="All that match, as CSV on standard output.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """List passes, newest first."""
    from platereel.wiring import desk

    where = PassFilter(
        camera_id=camera,
        plate=plate,
        fuzzy=fuzzy,
        from_ms=_moment(since, "--from"),
        to_ms=_moment(until, "--to"),
        min_dwell_s=min_dwell,
        hit=True if hits else None,
        attributes=_attributes(attribute or []),
    )
    order = ReadOrder.NEAREST if fuzzy else ReadOrder.NEWEST
    with desk(deployment(config, data)) as world:
        if where.plate is not None:
            look(world, "list", {"what": "passes", "plate": where.plate})
        if as_csv:
            _write_csv(_every(world.passes, where, order))
            return
        page = world.passes.search(where, limit, None, order)
    if json:
        shown = {"items": page.items, "total": page.total, "more_than_total": page.more_than_total}
        shown["next_cursor"] = page.next_cursor
        print_json(schemas.PassPage.model_validate(shown).model_dump(mode="json"))
        return
    table = Table(
        Column("id", no_wrap=True),
        "camera",
        Column("plate", no_wrap=True),
        Column("from (UTC)", no_wrap=True),
        "seconds",
        "reads",
        "sure",
        "",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for each in page.items:
        table.add_row(
            str(each.id),
            each.camera_id,
            plain(each.plate or "?", keep=""),
            f"{each.first_at:%m-%d %H:%M:%S}",
            f"{each.dwell_seconds:.0f}",
            str(each.reads),
            f"{each.confidence:.2f}",
            _state(each),
        )
    console.print(table)
    more = "more than " if page.more_than_total else ""
    console.print(f"{len(page.items)} of {more}{page.total}")


def _state(found: FoundPass) -> str:
    words = [
        "hit" if found.hit else "",
        "" if found.recorded else "not recorded",
        "quiet" if found.quiet_since is not None and found.ended_at is None else "",
        "" if found.review is None else str(found.review),
    ]
    return ", ".join(word for word in words if word)


def _every(rows: PassRows, where: PassFilter, order: ReadOrder) -> Iterator[FoundPass]:
    page = rows.search(where, PAGE, None, order, plain=True)
    yield from page.items
    while page.next_cursor is not None:
        page = rows.search(where, PAGE, page.next_cursor, order, plain=True)
        yield from page.items


def _write_csv(found: Iterator[FoundPass]) -> None:
    columns = (
        "id",
        "camera_id",
        "first_at",
        "last_at",
        "plate",
        "read_plate",
        "confidence",
        "reads",
    )
    writer = csv.writer(sys.stdout)
    writer.writerow(columns)
    for each in found:
        writer.writerow([getattr(each, column) for column in columns])


def _as_json(found: DetailedPass, hits: Sequence[PassHit]) -> dict[str, Any]:
    """Returns a pass as the API answers it to those who may see the lists."""
    told = vars(found) | {"hits": hits, "dwell_seconds": found.dwell_seconds}
    return schemas.PassDetail.model_validate(told).model_dump(mode="json")


def show(
    pass_id: Identifier,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Show everything known of a pass."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        found = world.passes.get(_id(pass_id))
        hits = world.passes.hits(found.id)
        look(world, "view", {"what": "pass", "pass_id": str(found.id), "plate": found.plate})
    if json:
        print_json(_as_json(found, hits))
    else:
        _print(found, hits)


def _print(found: DetailedPass, hits: Sequence[PassHit]) -> None:
    for name, value in _as_json(found, ()).items():
        if value not in (None, [], "") and name not in LINES:
            console.print(plain(f"{name:18} {value}", keep=""), highlight=False)
    for variant in found.variants:
        line = f"read as            {variant.plate}: {variant.reads} times, at best {variant.confidence:.2f}"
        console.print(plain(line, keep=""), highlight=False)
    for hit in hits:
        line = f"on the list        {hit.list_name} ({hit.kind}): {hit.name or hit.reason or hit.entry}"
        console.print(plain(line, keep=""), highlight=False)
    for segment in found.segments:
        line = f"segment            {segment.segment_id} {segment.status} at {segment.offset_ms / 1000:+.2f} s"
        console.print(line, highlight=False)
    for said in found.reviews:
        line = f"{said.at:%m-%d %H:%M:%S}     {said.review} by {said.who}: {said.plate or ''} {said.note or ''}"
        console.print(plain(line, keep=""), highlight=False)


def review(
    pass_id: Identifier,
    what: Annotated[Review, typer.Argument(help="What to say of it.")],
    plate: Annotated[
        str | None, typer.Option(help="The right plate, where it is corrected.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Why.")] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Confirm, correct or reject a pass, or take that back; what was read stays beside it."""
    from platereel.wiring import desk

    try:
        schemas.PassReview(review=what, plate=plate, note=note)
    except ValidationError as error:
        reason = error.errors()[0]["msg"].removeprefix("Value error, ").removeprefix("plate: ")
        raise BadInput(
            "--plate" if "note" not in error.errors()[0]["loc"] else "--note", reason
        ) from None
    with desk(deployment(config, data)) as world:
        found = world.passes.review(_id(pass_id), what, plate, note, who())
        hits = world.passes.hits(found.id)
    if json:
        print_json(_as_json(found, hits))
    else:
        console.print(plain(f"{found.id} {found.plate or '?'} {_state(found)}", keep=""))
