"""up: the whole deployment on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platereel.cli.beginnings import follow
from platereel.cli.context import DEFAULT_DATA, ConfigOption, config_path, console, errors
from platereel.cli.invitations import first_link
from shared.domain.errors import PlatereelError, told
from shared.runtime.addresses import check_given
from shared.runtime.configuration import ConfigurationError, load
from shared.runtime.settings import Settings
from shared.runtime.signals import stop_event

if TYPE_CHECKING:
    from platereel.embedded.stack import Stack

POLL_SECONDS = 0.2


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="On one machine")(up)


def up(
    config: ConfigOption = None,
    data: Annotated[Path, typer.Option("--data", help="Where everything is kept.")] = DEFAULT_DATA,
    port: Annotated[
        int | None, typer.Option("--port", min=0, max=65_535, help="The API's port; 0 finds one.")
    ] = None,
    storage: Annotated[
        str, typer.Option("--storage", help="s3 (a real S3 server) or file (a folder).")
    ] = "s3",
) -> None:
    """Run everything for your cameras until interrupted: servers, capture, detector, dispatch,
    workers, beat, API.
    """
    from platereel.embedded.notify import READY, STOPPING, ServiceManager
    from platereel.embedded.stack import Stack, StackPlan, running

    manager = ServiceManager()
    path = config_path(config)
    if path is None:
        raise ConfigurationError(
            ["there is no platereel.yaml here: `platereel init` writes one, or give --config FILE"]
        )
    settings = load(path)
    _check(settings, path, storage)

    def at_once() -> None:
        stack.kill()

    stopping = stop_event(at_once)
    follow("up", settings)
    chosen = settings.api.port if port is None else port
    stack = Stack(
        StackPlan(
            settings=settings,
            config=path,
            data=data.resolve(),
            port=chosen,
            file_storage=storage == "file",
            stopping=stopping.is_set,
        )
    )
    with running(stack):
        console.print(
            f"platereel is up: {stack.api_url}  ({len(settings.cameras)} cameras, data in {data})"
        )
        manager.tell(READY)
        if not manager.there:  # a link is as good as a key, and a journal keeps what it gets
            _welcome(stack)
        while not stopping.wait(POLL_SECONDS):
            stack.poll()
        manager.tell(STOPPING)
        console.print("stopping: closing recordings, then everything else; again: at once")


def _welcome(stack: Stack) -> None:
    """Print a link that makes the first key, where there is none."""
    from platereel.wiring import with_addresses

    if stack.addresses is None:
        return
    try:
        link = first_link(with_addresses(stack.plan.settings, stack.addresses), stack.api_url)
    except PlatereelError as error:  # what is up stays up
        errors.print(f"no link for the first key: {told(error)}", soft_wrap=True)
        return
    if link is not None:
        line = (
            f"no key yet; this link makes the first one in a browser, once, within an hour: {link}"
        )
        console.print(line, highlight=False, soft_wrap=True)


def _check(settings: Settings, path: Path, storage: str) -> None:
    if not settings.cameras:
        raise ConfigurationError(
            [f"{path}: cameras: none is configured; `platereel init` shows how"]
        )
    if storage not in {"s3", "file"}:
        raise ConfigurationError(["--storage: s3 or file"])
    check_given(settings)
