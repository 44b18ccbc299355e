"""up: the whole deployment on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from platereel.cli.beginnings import follow
from platereel.cli.context import DEFAULT_DATA, ConfigOption, config_path, console
from shared.runtime.addresses import check_given
from shared.runtime.configuration import ConfigurationError, load
from shared.runtime.settings import Settings
from shared.runtime.signals import stop_event

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
    from platereel.embedded.stack import Stack, StackPlan, running

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
        while not stopping.wait(POLL_SECONDS):
            stack.poll()
        console.print("stopping: closing recordings, then everything else; again: at once")


def _check(settings: Settings, path: Path, storage: str) -> None:
    if not settings.cameras:
        raise ConfigurationError(
            [f"{path}: cameras: none is configured; `platereel init` shows how"]
        )
    if storage not in {"s3", "file"}:
        raise ConfigurationError(["--storage: s3 or file"])
    check_given(settings)
