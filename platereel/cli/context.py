"""What commands have in common with each other: finding settings and a running deployment, and saying things."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from shared.runtime.configuration import CONFIG_VARIABLE, ConfigurationError, load
from shared.runtime.settings import Settings

DEFAULT_CONFIG = Path("platereel.yaml")
DEFAULT_DATA = Path("data")
KILO = 1000

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="Configuration file; else PLATEREEL_CONFIG, else ./platereel.yaml."),
]
DataOption = Annotated[
    Path | None, typer.Option("--data", help="Data folder of a running `up` or `demo`, to talk to that deployment.")
]
PIPED_WIDTH = 200
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_STEERING = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}  # what a terminal obeys, reorders by, or does not show


def plain(text: str, keep: str = "\n") -> str:
    """A text of whatever origin that a terminal shows and never obeys: a backslash and a number in place of some."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        each if each in keep or unicodedata.category(each) not in _STEERING
        else each.encode("unicode_escape").decode() for each in text
    )  # fmt: skip


class PlainConsole(Console):
    """Words are words here: no markup is read out of them, and nothing in them steers the terminal."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render_str(self, text: str, **options: Any) -> Text:
        """See the base."""
        return super().render_str(plain(text), **options)


# What goes to a file or another program is not cut to the width of a terminal that is not there.
console = PlainConsole(width=None if sys.stdout.isatty() else PIPED_WIDTH)
errors = PlainConsole(stderr=True)


def config_path(given: Path | None) -> Path | None:
    """The configuration file to use, None when there is none."""
    if given is not None:
        return given
    named = os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return DEFAULT_CONFIG if DEFAULT_CONFIG.exists() else None


def settings_of(config: Path | None) -> Settings:
    """Settings of the file and the environment."""
    return load(config_path(config))


def deployment(config: Path | None, data: Path | None) -> Settings:
    """Settings with the addresses of a deployment: the running one of a data folder, else the environment's."""
    path = config_path(config)
    folder = data
    if folder is None and "PLATEREEL_DATABASE_URL" not in os.environ and (DEFAULT_DATA / "run.json").exists():
        folder = DEFAULT_DATA
    if folder is None:
        return load(path)
    run_file = folder / "run.json"
    try:
        running = json.loads(run_file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(
            [f"{run_file}: nothing runs in {folder}; start `platereel up --data {folder}`"]
        ) from None
    own = folder / "platereel.yaml"
    settings = load(own if path is None and own.exists() else path)
    for name in ("database_url", "frames_url", "broker_url", "storage_url"):
        setattr(settings, name, SecretStr(running[name]))
    return settings


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    typer.echo(json.dumps(value, indent=2, default=_plain))


def _plain(value: object) -> str:
    isoformat = getattr(value, "isoformat", None)
    return str(isoformat()) if isoformat is not None else str(value)


def human_bytes(size: float | None) -> str:
    """A size for people."""
    if size is None:
        return "-"
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < KILO:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= KILO
    return f"{size:.1f} TB"
