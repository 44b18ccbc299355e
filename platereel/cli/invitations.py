"""keys invite: links with which somebody makes a key in a browser."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    console,
    deployment,
    errors,
    print_json,
    running_api,
    who,
)
from shared.domain.access import Role
from shared.domain.errors import BadInput
from shared.domain.invitations import DEFAULT_HOURS, MOST_HOURS, Invitation, welcome_link
from shared.domain.names import CAMERA_ID
from shared.domain.timing import from_ms
from shared.runtime.settings import Settings

KeyCameras = Annotated[
    list[str] | None, typer.Option("--camera", help="Only this camera; may be given again.")
]
KeyLists = Annotated[
    bool, typer.Option("--lists", help="An operator may see and change the lists of plates, too.")
]
HOUR_SECONDS = 3600.0
EVERYWHERE = {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound
STARTED_BY = "up"


def first_link(settings: Settings, api_url: str) -> str | None:
    """Returns a link that makes the first admin's key; None where the deployment has a key, or lets
    people in by another way. The links of earlier starts end.
    """
    from platereel.wiring import invitations

    if settings.api_keys is not None or settings.api.jwt is not None:
        return None
    with invitations(settings) as (rows, _):
        token = rows.invite_first(DEFAULT_HOURS * HOUR_SECONDS, STARTED_BY)
    return None if token is None else welcome_link(api_url, token)


def invite(
    role: Annotated[str, typer.Option(help="viewer, operator or admin.")] = "admin",
    camera: KeyCameras = None,
    lists: KeyLists = False,
    hours: Annotated[
        float, typer.Option(help=f"How long the link works; at most {MOST_HOURS:.0f}.")
    ] = DEFAULT_HOURS,
    url: Annotated[
        str | None,
        typer.Option(
            help="How others reach the API, as https://clips.example; else as it listens."
        ),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Print a link with which somebody makes a key in a browser, once.

    It holds a secret: give it to that person alone.
    """
    from platereel.wiring import invitations

    invitation = checked_rights(role, camera, lists=lists)
    if not 0 < hours <= MOST_HOURS:
        raise BadInput("--hours", f"more than 0, at most {MOST_HOURS:.0f}")
    settings = deployment(config, data)
    address = _address(settings, data) if url is None else _read(url)
    with invitations(settings) as (rows, clock):
        token = rows.invite(invitation, hours * HOUR_SECONDS, who())
        until = from_ms(clock.now_ms()) + timedelta(hours=hours)
    link = welcome_link(address, token)
    if json:
        shape = {"role": role, "lists": lists, "cameras": camera, "expires_at": until, "link": link}
        print_json(shape)
        return
    console.print(link, highlight=False, soft_wrap=True)
    errors.print(f"makes one key ({invitation.role}), once, until {until:%Y-%m-%d %H:%M} UTC")


def checked_rights(role: str, cameras: list[str] | None, *, lists: bool) -> Invitation:
    """Returns what a key may do, as options say it; raises BadInput with the option."""
    try:
        wanted = Role.named(role)
    except ValueError as error:
        raise BadInput("--role", str(error)) from None
    for camera_id in cameras or ():
        if not CAMERA_ID.fullmatch(camera_id):
            raise BadInput("--camera", f"{camera_id!r} is no camera's id")
    if lists and wanted is Role.VIEWER:
        raise BadInput("--lists", "is for an operator; a viewer sees no list")
    return Invitation(role=wanted, lists=lists, cameras=cameras)


def _address(settings: Settings, data: Path | None) -> str:
    """Returns the API's address, of the deployment that runs in a data folder or of the
    settings.
    """
    running = running_api(data)
    if running is not None:
        return running
    api = settings.api
    if api.host in EVERYWHERE or api.port == 0:
        raise BadInput("--url", "say how others reach the API, as https://clips.example")
    scheme = "http" if api.tls_certificate is None else "https"
    host = f"[{api.host}]" if ":" in api.host else api.host
    return f"{scheme}://{host}:{api.port}"


def _read(url: str) -> str:
    """Returns the address of a URL; raises BadInput for one that is none, or says more than that.

    A path is a proxy's own.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or parts.username or parts.query or parts.fragment or not url.isprintable():
        raise BadInput("--url", "write it as https://clips.example, without user, query and #")
    return url
