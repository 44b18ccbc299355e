"""The command `platereel`; a file a group of commands."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from platereel.cli import (
    backups,
    cameras,
    configure,
    demo,
    doctor,
    jobs,
    keys,
    passes,
    plan,
    plate_lists,
    plate_records,
    processes,
    segments,
    service,
    trigger,
    up,
    verify,
)
from platereel.cli.beginnings import before_anything, end
from platereel.embedded.supervisor import Stopped
from shared.domain.errors import BadInput, PlatereelError, told
from shared.domain.purpose import Purpose, checked, state
from shared.runtime.configuration import ConfigurationError
from shared.wire.urls import masked

app = typer.Typer(
    name="platereel",
    help="Keeps the footage around every licence-plate detection.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"platereel {metadata.version('platereel')}")
        raise typer.Exit


@app.callback()
def _always(
    *,
    version: Annotated[  # noqa: ARG001 - its callback has seen to it
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and end."
        ),
    ] = False,
    purpose: Annotated[
        str | None, typer.Option(help="Why, for the access log: what this command does there.")
    ] = None,
    case: Annotated[str | None, typer.Option(help="The number of a case, for the same.")] = None,
) -> None:
    state(Purpose(_stated("--purpose", purpose), _stated("--case", case)))


def _stated(option: str, text: str | None) -> str | None:
    try:
        return None if text is None else checked(text)
    except ValueError as error:
        raise BadInput(option, str(error)) from None


for group in (
    demo, up, service, processes, configure, plan, doctor, trigger, segments, passes, verify, plate_lists,
    plate_records, keys, jobs, backups, cameras,
):  # fmt: skip
    group.register(app)


def main() -> None:
    """Run a command; an error is a line on standard error and exit status 1, never a traceback."""
    before_anything(sys.argv[1:])
    try:
        app()
    except ConfigurationError as error:
        end(error.problems)
    except PlatereelError as error:
        end([masked(told(error))])
    except OSError as error:
        if error.filename is None:  # no file's: something of ours, or of a server's
            raise
        end([f"{error.filename}: {error.strerror}"])
    except Stopped:
        end(["stopped before everything was up"])
    except KeyboardInterrupt:
        sys.exit(130)
