"""keys: who may use the API."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import timedelta
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
from platereel.cli.invitations import KeyCameras, KeyLists, checked_rights, invite
from shared.domain.access import StoredKey
from shared.domain.errors import BadInput
from shared.domain.names import KEY_NAME
from shared.domain.retention import MAX_DAYS
from shared.domain.timing import from_ms

FIRST = (
    "this is the first key: from now on every request to the API needs one, those of detectors on this machine too. "
    "Give each its own: `platereel keys create NAME --role operator --camera CAMERA`, sent as `Authorization: Bearer "
    "KEY` (Plate Recognizer: webhook_header). Streams, Pub/Sub and the Python doorway need none."
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True)
    group.command()(create)
    group.command("list")(list_keys)
    group.command()(invite)
    group.command()(revoke)
    app.add_typer(group, name="keys", rich_help_panel="Maintenance")


def create(
    name: Annotated[str, typer.Argument(help="The key's name in lists and in the access log.")],
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "viewer",
    camera: KeyCameras = None,
    lists: KeyLists = False,
    days: Annotated[
        float | None, typer.Option(help="Expires after so many days; else never.")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Do not ask before the first key is made.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Make a key and print its secret, which cannot be shown again.

    Before the first key this machine needs none: from then on, detectors that post without a key
    are refused.
    """
    from platereel.wiring import desk

    wanted = checked_rights(role, camera, lists=lists).role
    if days is not None and not 0 < days <= MAX_DAYS:
        raise BadInput("--days", f"more than 0, at most {MAX_DAYS}")
    if not KEY_NAME.fullmatch(name):
        raise BadInput(
            "name",
            f"{name!r}: use 1-64 of letters, digits, dot, underscore, @ and dash, and not . or ..",
        )
    settings = deployment(config, data)
    with desk(settings) as world:
        if settings.api_keys is None and settings.api.jwt is None and not world.access.list_keys():
            _warn_of_the_first(ask=not (json or yes))
        expires_at = None if days is None else from_ms(world.clock.now_ms()) + timedelta(days=days)
        key, secret = world.access.create_key(
            name=name, role=wanted, cameras=camera, expires_at=expires_at, who=who(), lists=lists
        )
    if json:
        print_json({**_shape(key), "secret": secret})
        return
    console.print(secret, highlight=False, soft_wrap=True)
    errors.print(f"the secret of {name} ({wanted}); it is not shown again")


def _warn_of_the_first(*, ask: bool) -> None:
    errors.print(FIRST, highlight=False, soft_wrap=True)
    if ask and sys.stdin.isatty() and errors.is_terminal:
        typer.confirm("Make it?", abort=True, err=True)


def list_keys(
    config: ConfigOption = None, data: DataOption = None, json: JsonOption = False
) -> None:
    """List the keys of the database. Secrets are not stored."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        keys, now = world.access.list_keys(), from_ms(world.clock.now_ms())
    if json:
        print_json({"items": [_shape(key) for key in keys], "total": len(keys)})
        return
    table = Table(
        "name",
        "role",
        "lists",
        "cameras",
        "made",
        "last used",
        "expires",
        box=None,
        padding=(0, 1, 0, 0),
    )
    for key in keys:
        ends = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M}"
        table.add_row(
            key.caller.name,
            str(key.caller.role),
            "yes" if key.caller.keeps_lists else "no",
            ", ".join(key.caller.scope or ["all"]),
            f"{key.created_at:%Y-%m-%d}",
            "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H}h",
            "revoked" if key.revoked_at else ends if key.usable(now) else f"{ends} (over)",
        )
    console.print(table)


def revoke(
    name: Annotated[str, typer.Argument(help="The key's name.")],
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """End a key and the sessions it opened, at once."""
    from platereel.wiring import desk

    with desk(deployment(config, data)) as world:
        world.access.revoke_key(name, who())
    if json:
        print_json({"name": name, "revoked": True})
    else:
        console.print(f"{name} is revoked")


def _shape(key: StoredKey) -> dict[str, object]:
    rest = {name: value for name, value in asdict(key).items() if name != "caller"}
    return {
        "name": key.caller.name,
        "role": str(key.caller.role),
        "lists": key.caller.keeps_lists,
        "cameras": key.caller.scope,
        **rest,
    }
