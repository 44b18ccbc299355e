"""cameras: make, change and remove cameras while everything runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    console,
    deployment,
    errors,
    print_json,
    who,
)
from shared.domain.errors import BadInput, Conflict, NotFound
from shared.domain.made_cameras import LeftClips
from shared.domain.names import CAMERA_ID
from shared.runtime.configuration import ConfigurationError, made_camera
from shared.runtime.yaml_text import parse
from shared.wire.bounded_json import unstorable
from shared.wire.urls import shown

AT_ONCE = 500
MOST_CHARACTERS = 64_000
CameraName = Annotated[str, typer.Argument(help="The camera's id.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        help="Make, change and remove cameras while everything runs.", no_args_is_help=True
    )
    group.command("list")(show)
    group.command("set")(put)
    group.command()(remove)
    app.add_typer(group, name="cameras", rich_help_panel="Cameras")


def show(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """List all cameras, and who made those that are in no file."""
    from platereel.wiring import desk

    settings = deployment(config, data)
    in_file = set(settings.cameras)
    with desk(settings) as world:
        made = world.made.all()
    rows = []
    for camera_id in dict.fromkeys((*settings.cameras, *made)):
        camera, own = settings.cameras.get(camera_id), made.get(camera_id)
        if camera_id in in_file:
            own = None
        rows.append(
            {
                "camera_id": camera_id,
                "source": None if camera is None else shown(camera.source.get_secret_value()),
                "detect": camera is not None and camera.detect,
                "in_file": camera_id in in_file,
                "usable": camera is not None,
                "changed_by": None if own is None else own.changed_by,
                "changed_at": None if own is None else own.changed_at,
            }
        )
    if json:
        print_json(rows)
        return
    table = Table("camera", "source", "detect", "from", box=None, padding=(0, 1, 0, 0))
    for row in rows:
        whence = "platereel.yaml" if row["in_file"] else f"{row['changed_by']}"
        table.add_row(
            str(row["camera_id"]),
            str(row["source"]) if row["usable"] else "cannot be used here: `cameras set` says why",
            "yes" if row["detect"] else "no",
            whence,
        )
    console.print(table)


def put(
    camera: CameraName,
    file: Annotated[
        str,
        typer.Argument(
            help="A file with the camera's settings, as its entry in platereel.yaml; - for standard input."
        ),
    ],
    config: ConfigOption = None,
    data: DataOption = None,
) -> None:
    """Make a camera, or replace its settings. They come from a file, because a source has a
    password. It is captured within seconds.
    """
    from platereel.wiring import desk

    settings = deployment(config, data)
    if camera in settings.cameras:
        raise Conflict(f"camera {camera} is in platereel.yaml: change it there")
    if not CAMERA_ID.fullmatch(camera):
        raise BadInput("camera", "1-64 of letters, digits, dot, underscore and dash")
    document = parse(_text(file), file)
    if document.problems:
        raise ConfigurationError(document.problems)
    wrong = unstorable(document.data)
    if wrong is not None:
        raise BadInput(file, wrong)
    made_camera(settings, camera, document.data)
    with desk(settings) as world:
        new = world.made.put(camera, document.data, who())
    console.print(f"{'made' if new else 'changed'} {camera}; it is captured within seconds")


def _text(file: str) -> str:
    try:
        if file == "-":
            return sys.stdin.read(MOST_CHARACTERS)
        with Path(file).open(encoding="utf-8") as opened:
            return opened.read(MOST_CHARACTERS)
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise BadInput(file, f"cannot be read: {reason}") from error


def remove(
    camera: CameraName,
    clips: Annotated[
        LeftClips, typer.Option(help="keep: retention sees to them; delete: unless protected.")
    ],
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Remove a camera, or what is left of one that was taken out of platereel.yaml. --clips says
    what becomes of its clips.
    """
    from platereel.wiring import desk

    settings = deployment(config, data)
    if camera in settings.cameras:
        raise Conflict(f"camera {camera} is in platereel.yaml: take it out there first")
    with desk(settings) as world, errors.status("removing") as status:
        archived, found = 0, world.made.archive_clips(camera, who(), 0)
        if camera not in world.made.all() and found.protected + found.left == 0:
            raise NotFound(f"there is no camera {camera}")
        world.made.remove(camera, who(), clips)
        while clips is LeftClips.DELETE:
            found = world.made.archive_clips(camera, who(), AT_ONCE)
            archived += found.archived
            status.update(f"removing: {archived} clips archived")
            if found.archived < AT_ONCE:
                break
    if json:
        print_json(
            {
                "camera_id": camera,
                "clips": clips,
                "archived": archived,
                "protected": found.protected,
                "left": found.left,
            }
        )
        return
    console.print(
        f"removed {camera}; clips: {archived} archived, {found.protected} protected, {found.left} left"
    )
    if clips is LeftClips.DELETE and found.left:
        console.print("those that are left are not ready yet: ask again when they are")
