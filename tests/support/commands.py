"""Commands that run in the process of the test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import typer

from platereel.cli import app

# Typer makes the whole tree of commands anew for each call, which takes longer than the call.
COMMAND: Any = typer.main.get_command(app)


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]
