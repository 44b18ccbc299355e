"""How a process begins, and how it ends when it cannot begin: in the form of its log from the first
line on.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from platereel.cli.context import config_path, plain, settings_of
from shared.runtime.logs import configure, log_everything, logger, logs_everything
from shared.runtime.metrics_room import FOLDER_VARIABLE
from shared.runtime.settings import Settings
from shared.runtime.signals import hold_lifeline

PROCESSES = ("capture", "detect", "dispatch", "api", "worker", "beat", "up", "migrate")
FORMAT_VARIABLE = "PLATEREEL_LOG_FORMAT"
_FORMAT = re.compile(r"^log_format:\s*[\"']?json\b", re.MULTILINE)

_log = logger(__name__)


def before_anything(arguments: Sequence[str]) -> None:
    """Before a command reads arguments and settings: if it is a process with JSON logs, log from
    here on. Only the settings say where to count (`counting`): a variable that the shell has for
    another program would mix our counters with that program's, and hide them from our own port.
    `--json` asks a command for a document, which is no log.
    """
    os.environ.pop(FOLDER_VARIABLE, None)
    if not arguments or arguments[0] not in PROCESSES or "--json" in arguments:
        return
    if _wants_json(_config_of(arguments), os.environ):
        configure(arguments[0], "info", "json")
        log_everything()


def begin(process: str, config: Path | None) -> Settings:
    """Returns the settings of a process, whose logging follows them from now on."""
    settings = settings_of(config)
    hold_lifeline()
    follow(process, settings)
    return settings


def follow(process: str, settings: Settings) -> None:
    """Log as the settings say."""
    configure(process, settings.log_level, settings.log_format)
    if settings.log_format == "json":
        log_everything()


def end(problems: Sequence[str]) -> NoReturn:
    """End with exit status 1.

    Each problem is a log line where a machine reads the log, else a line for people. A problem may
    quote text from outside.
    """
    if not logs_everything():
        sys.exit("\n".join(f"platereel: {plain(problem)}" for problem in problems))
    for problem in problems:
        _log.critical("process_ended", reason=problem)
    sys.exit(1)


def _wants_json(config: Path | None, environ: Mapping[str, str]) -> bool:
    """Returns whether the settings will ask for JSON logs, as far as a missing or broken file can
    tell.
    """
    if FORMAT_VARIABLE in environ:
        return environ[FORMAT_VARIABLE] == "json"
    path = config_path(config)
    try:
        return (
            path is not None
            and _FORMAT.search(path.read_text(encoding="utf-8", errors="replace")) is not None
        )
    except OSError:
        return False


def _config_of(arguments: Sequence[str]) -> Path | None:
    """Returns the file that --config names."""
    for at, word in enumerate(arguments):
        if word in {"--config", "-c"} and at + 1 < len(arguments):
            return Path(arguments[at + 1])
        if word.startswith("--config="):
            return Path(word.removeprefix("--config="))
    return None
