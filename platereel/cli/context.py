"""What commands share: finding settings and a running deployment, and printing."""

from __future__ import annotations

import getpass
import json
import os
import sys
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from shared.domain.errors import BadInput
from shared.domain.purpose import stated
from shared.runtime.configuration import CONFIG_VARIABLE, ConfigurationError, load
from shared.runtime.settings import Settings
from shared.wire.bounded_json import load_json, printable

if TYPE_CHECKING:
    from platereel.wiring import Desk

DEFAULT_CONFIG = Path("platereel.yaml")
DEFAULT_DATA = Path("data")
KILO = 1000

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Configuration file; else PLATEREEL_CONFIG, else ./platereel.yaml."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data", help="Data folder of a running `up` or `demo`, to talk to that deployment."
    ),
]
PIPED_WIDTH = 200
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

# what a terminal obeys, reorders by, or does not show
_STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def plain(text: str, keep: str = "\n") -> str:
    """Returns a text that a terminal shows and never obeys: control characters become a backslash
    and a number.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        each
        if each in keep or unicodedata.category(each) not in _STEERING
        else each.encode("unicode_escape").decode()
        for each in text
    )


class PlainConsole(Console):
    """Prints words as they are: it reads no markup, and nothing in them controls the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """Returns text with nothing in it that steers a terminal. options: rich's."""
        return super().render_str(plain(text), **options)


# What goes to a file or another program is not cut to the width of a terminal that is not there.
console = PlainConsole(width=None if sys.stdout.isatty() else PIPED_WIDTH)
errors = PlainConsole(stderr=True)


def config_path(given: Path | None) -> Path | None:
    """Returns the configuration file to use, None when there is none."""
    if given is not None:
        return given
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def settings_of(config: Path | None) -> Settings:
    """Returns settings of the file and the environment."""
    return load(config_path(config))


def deployment(config: Path | None, data: Path | None) -> Settings:
    """Returns settings with the addresses of a deployment: the one that runs in a data folder, else
    the environment's.
    """
    path = config_path(config)
    folder = _running_in(data)
    if folder is None:
        return load(path)
    running = _running(folder)
    own = folder / "platereel.yaml"
    settings = load(own if path is None and own.exists() else path)
    for name in ("database_url", "frames_url", "broker_url", "storage_url"):
        setattr(settings, name, SecretStr(running[name]))
    return settings


def running_api(data: Path | None) -> str | None:
    """Returns the API's address of the deployment that `deployment` finds in a data folder; None
    where the environment has the addresses.
    """
    folder = _running_in(data)
    return None if folder is None else _running(folder)["api_url"]


def _running_in(data: Path | None) -> Path | None:
    """Returns the data folder to look into: the one that is named, else that of `up` if one runs
    there.
    """
    if (
        data is None
        and "PLATEREEL_DATABASE_URL" not in os.environ
        and (DEFAULT_DATA / "run.json").exists()
    ):
        return DEFAULT_DATA
    return data


def _running(folder: Path) -> dict[str, str]:
    """Returns the addresses of what runs in a data folder, by the names of their settings, and the
    API's.
    """
    run_file = folder / "run.json"
    try:
        told = load_json(run_file.read_bytes())
        return {
            name: str(told[name])
            for name in ("database_url", "frames_url", "broker_url", "storage_url", "api_url")
        }
    except (FileNotFoundError, NotADirectoryError):
        reason = f"nothing runs in {folder}; start `platereel up --data {folder}`"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    except (ValueError, KeyError, TypeError):
        reason = "was not written by platereel"
    raise ConfigurationError([f"{run_file}: {reason}"])


def print_json(value: Any) -> None:
    """Print one JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> str:
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if isoformat is not None else str(value)


def who() -> str:
    """Returns the name in the access log of the person who runs a command.

    In a container a user may have no name.
    """
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return f"cli:{os.getuid()}"


def check_purpose(*, required: bool) -> None:
    """Refuse what needs a purpose and has none. required: whether the deployment asks for one."""
    if required and stated().purpose is None:
        raise BadInput(
            "--purpose",
            "say why: this deployment requires it, as in `platereel --purpose TEXT segments show ID`",
        )


def look(
    world: Desk, action: str, details: Mapping[str, Any], segment_id: UUID | None = None
) -> None:
    """Write into the access log what a command is about to show, and why."""
    check_purpose(required=world.purpose_required)
    told = {
        name: printable(value) if isinstance(value, str) else value
        for name, value in details.items()
    }
    world.access.note(who(), action, segment_id, told)


def write_whole(target: Path, pieces: Iterable[bytes]) -> None:
    """Write a file whole or not at all; a device or a pipe is written to as it is, never
    replaced.
    """
    if target.exists() and not target.is_file():
        with target.open("wb") as out:
            out.writelines(pieces)
        return
    temporary = target.with_name(f".{target.name}.part")
    try:
        with temporary.open("wb") as out:
            out.writelines(pieces)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def human_bytes(size: float | None) -> str:
    """Returns a size for people."""
    if size is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < KILO:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= KILO
    return f"{size:.1f} TB"
