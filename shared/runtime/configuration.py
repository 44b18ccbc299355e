"""Reads platereel.yaml and the environment; every mistake is named with its key and line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from shared.domain.errors import Permanent
from shared.runtime.sections import (
    ApiSettings,
    CameraSettings,
    RecordingSettings,
    StoreRetentionSettings,
)
from shared.runtime.settings import ENV_PREFIX, Settings
from shared.runtime.yaml_text import Document, parse
from shared.wire.urls import encoded, masked

CONFIG_VARIABLE = "PLATEREEL_CONFIG"
MOST_CHARACTERS = 4_000_000
_PLACEHOLDER = re.compile(r"\{(PLATEREEL_[A-Z0-9_]+)\}")
_OF_A_HOST = ("file:", "/dev/")
_SECRETS = (
    "database_url",
    "frames_url",
    "broker_url",
    "storage_url",
    "backup_url",
    "api_keys",
    "signing_key",
)


class ConfigurationError(Permanent):
    """The configuration cannot be used; `problems` has a line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Returns settings from the file at `path` (or none) and the environment."""
    environ = os.environ if environ is None else environ
    text = _read(path)
    document = parse(text, str(path))
    if document.problems:
        raise ConfigurationError(document.problems)
    used = set(_PLACEHOLDER.findall(text))
    _check_environment(environ, used)
    data = _fill(document.data, environ)
    data |= _secret_files(environ)
    try:
        return Settings(**data).read_from(path)
    except ValidationError as error:
        raise ConfigurationError(
            [_problem(e, path, document) for e in error.errors(include_url=False)]
        ) from None


def made_camera(settings: Settings, camera_id: str, given: Mapping[str, Any]) -> CameraSettings:
    """Returns the settings of a camera that is in no file, over a deployment's defaults. Raises
    ConfigurationError where they cannot be used.

    given: as an entry of the file's `cameras`. Files, devices and variables of a host only that
    host's own file may name: they could hold what is not this camera's.
    """
    source = str(given.get("source", ""))
    if source.startswith(_OF_A_HOST) or _PLACEHOLDER.search(source):
        told = "source: files, devices and variables of a host can be named in platereel.yaml alone"
        raise ConfigurationError([f"cameras.{camera_id}: {told}"])
    try:
        camera = CameraSettings(**given)
        wrong = settings.model_copy(update={"cameras": {camera_id: camera}}).unfit(camera_id)
    except ValidationError as error:
        problems = [
            masked(f"cameras.{camera_id}: {'.'.join(map(str, e['loc']))}: {_words(e)}")
            for e in error.errors(include_url=False)
        ]
        raise ConfigurationError(problems) from None
    if wrong is not None:
        raise ConfigurationError([f"cameras.{camera_id}: {wrong}"])
    return camera


def _words(error: Any) -> str:
    if error["type"] == "extra_forbidden":
        return f"unknown key{_suggest(str(error['loc'][-1]), set(CameraSettings.model_fields))}"
    return str(error["msg"]).removeprefix("Value error, ")


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(MOST_CHARACTERS + 1)
    except FileNotFoundError:
        raise ConfigurationError(
            [f"{path}: no such file; `platereel init` writes a commented one"]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError([f"{path}: cannot be read: {reason}"]) from None
    if len(text) > MOST_CHARACTERS:
        raise ConfigurationError(
            [f"{path}: cannot be read: it is longer than {MOST_CHARACTERS} characters"]
        )
    return text


def _fill(value: Any, environ: Mapping[str, str], key: object = None) -> Any:
    """Put values of the environment in their places. `key`: what the value is called in the
    file.
    """
    if isinstance(value, dict):
        return {name: _fill(inner, environ, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, environ) for inner in value]
    if not isinstance(value, str):
        return value

    def filled(found: re.Match[str]) -> str:
        secret = _secret(found[1], environ)
        return (
            encoded(secret, value[: found.start()], value[found.end() :])
            if key == "source"
            else secret
        )

    return _PLACEHOLDER.sub(filled, value)


def _secret(name: str, environ: Mapping[str, str]) -> str:
    if name in environ:
        return environ[name]
    if f"{name}_FILE" in environ:
        return _read_secret(name, environ[f"{name}_FILE"])
    raise ConfigurationError(
        [f"{{{name}}}: neither {name} nor {name}_FILE is set in the environment"]
    )


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
        raise ConfigurationError([f"{name}_FILE: {path}: {reason}"]) from None


def _secret_files(environ: Mapping[str, str]) -> dict[str, str]:
    """Returns settings that files hold. An empty file sets nothing: a container cannot be started
    without a file that it names.
    """
    found = {}
    for field in _SECRETS:
        name = f"{ENV_PREFIX}{field.upper()}"
        if name not in environ and f"{name}_FILE" in environ:
            value = _read_secret(name, environ[f"{name}_FILE"])
            if value:
                found[field] = value
    return found


def _check_environment(environ: Mapping[str, str], used: set[str]) -> None:
    """Refuse unknown PLATEREEL_ variables: each is a typing mistake that somebody would search for
    at night.
    """
    known = {f"{ENV_PREFIX}{field.upper()}" for field in Settings.model_fields}
    known |= {CONFIG_VARIABLE} | {f"{ENV_PREFIX}{field.upper()}_FILE" for field in _SECRETS}
    known |= used | {f"{name}_FILE" for name in used}
    problems = []
    for name in sorted(environ):
        root = name.split("__")[0]
        if name.startswith(ENV_PREFIX) and root not in known:
            problems.append(f"{name}: unknown environment variable{_suggest(root, known)}")
    if problems:
        raise ConfigurationError(problems)


def _problem(error: Any, path: Path | None, document: Document) -> str:
    loc = tuple(str(part) for part in error["loc"])
    at = loc
    while at and at not in document.lines:
        at = at[:-1]
    where = f"{path}:{document.lines[at]}: " if at else ""
    name = ".".join(each for each in loc if each != "[key]")
    if error["type"] == "extra_forbidden":
        message = f"unknown key{_suggest(loc[-1], _keys_beside(loc))}"
    elif error["type"] == "string_type" and loc in document.misread:
        message = document.misread[loc]
    else:
        message = str(error["msg"]).removeprefix("Value error, ")
    return masked(f"{where}{name}: {message}" if name else f"{where}{message}")


def _keys_beside(loc: tuple[str, ...]) -> set[str]:
    if len(loc) == 1:
        return set(Settings.model_fields)
    if loc[0] == "cameras":
        return set(CameraSettings.model_fields)
    if loc[0] == "defaults":
        return set(RecordingSettings.model_fields)
    return set(StoreRetentionSettings.model_fields) | set(ApiSettings.model_fields)


def _suggest(word: str, known: set[str]) -> str:
    close = get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
