"""segments export: an archive of evidence, made here instead of by the API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal
from uuid import UUID

import typer

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    check_purpose,
    console,
    deployment,
    errors,
    human_bytes,
    plain,
    print_json,
    who,
    write_whole,
)
from shared.domain.access import Caller, Role
from shared.domain.errors import BadInput, Conflict
from shared.domain.purpose import PurposeRule
from shared.wire.evidence import fingerprint

if TYPE_CHECKING:
    from services.api.media.exporting import Export


def segment_id(text: str) -> UUID:
    """Returns the id; raises BadInput where it is none."""
    try:
        return UUID(text)
    except ValueError:
        raise BadInput("segment id", f"{text!r} is not a UUID") from None


def check_output(output: Path | None, what: str, *, json: bool) -> None:
    """Refuse an output that cannot be written, before anything is fetched."""
    if str(output) == "-" and json:
        raise BadInput("--json", f"standard output has {what}, and nothing else")
    if str(output) == "-" and sys.stdout.isatty():
        raise BadInput(
            "--output", f"{what} is no text for a terminal: send it to a file or a program"
        )
    if output is not None and not output.parent.is_dir():
        raise BadInput("--output", f"there is no folder {output.parent}")


def target_of(output: Path, name: str) -> Path:
    """Returns the file to write: in a folder, one of that name."""
    return output / name if output.is_dir() else output


def export(
    segment: Annotated[str, typer.Argument(help="The segment's id.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="File to write, folder to write into, or - (standard output); else its own name.",
        ),
    ] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="With a copy that has times and plates drawn in.")
    ] = False,
    redact: Annotated[
        Literal["others"] | None,
        typer.Option(help="With a copy in which all plates but --plate are blurred."),
    ] = None,
    plate: Annotated[str | None, typer.Option(help="The plate that stays visible.")] = None,
    time_zone: Annotated[
        str, typer.Option("--tz", help="Zone of the times in overlay.mp4.")
    ] = "UTC",
    without: Annotated[
        bool, typer.Option("--no-original", help="Without the clip as it was recorded.")
    ] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Make evidence of a clip: a signed archive that explains itself."""
    from platereel.wiring import evidence_desk
    from services.api.media.copies import Copying
    from services.api.media.exporting import export as make_export
    from services.api.media.redaction import Wanted
    from services.api.parameters import zone_named

    check_output(output, "an archive", json=json)
    identifier = segment_id(segment)
    wanted = Wanted(
        overlay=overlay,
        redact=redact is not None,
        plate=plate,
        zone=zone_named(time_zone),
        original=not without,
    )
    with evidence_desk(deployment(config, data)) as world:
        check_purpose(required=world.settings.access.purpose is PurposeRule.REQUIRED)
        clip = world.segments.row(identifier).clip
        if clip is None:
            raise Conflict(f"segment {segment} has no clip: only a ready one has")
        if wanted.copies:
            errors.print("encoding copies of the clip; that takes up to some minutes")
        made = make_export(
            ports=world,
            copying=Copying(),
            who=Caller(who(), Role.ADMIN),
            segment_id=identifier,
            clip=clip,
            wanted=wanted,
        )
        if str(output) == "-":
            sys.stdout.buffer.writelines(made.pieces)
            return
        target = target_of(output or Path(f"{made.name}.zip"), f"{made.name}.zip")
        write_whole(target, made.pieces)
        _tell(identifier, target, made, fingerprint(world.signer.public_key), json=json)


def _tell(identifier: UUID, target: Path, made: Export, key: str, *, json: bool) -> None:
    redaction = made.redaction
    if json:
        print_json(
            {
                "id": identifier,
                "path": str(target),
                "fingerprint": key,
                "not_blurred": None
                if redaction is None
                else len(redaction.not_blurred) + redaction.reads_not_blurred,
                "reads_not_kept": None if redaction is None else redaction.reads_not_kept,
            }
        )
        return
    console.print(
        plain(f"{target} ({_size(target)}), signed with the key {key}", keep=""), highlight=False
    )
    if redaction is not None and not redaction.complete:
        errors.print("not every plate could be blurred: `platereel verify` says which")


def _size(target: Path) -> str:
    return human_bytes(target.stat().st_size) if target.is_file() else "sent"
