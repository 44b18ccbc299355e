"""Reads platereel.yaml and the environment; every mistake is named with its key and line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from shared.domain.errors import Permanent
from shared.runtime.settings import (
    ENV_PREFIX,
    ApiSettings,
    CameraSettings,
    RecordingSettings,
    Settings,
    StoreRetentionSettings,
)
from shared.wire.urls import encoded, masked

CONFIG_VARIABLE = "PLATEREEL_CONFIG"
_PLACEHOLDER = re.compile(r"\{(PLATEREEL_[A-Z0-9_]+)\}")
_SECRETS = ("database_url", "frames_url", "broker_url", "storage_url", "api_keys", "signing_key")


class ConfigurationError(Permanent):
    """The configuration cannot be used; `problems` has a line for each reason."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def load(path: Path | None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the file at `path` (or none) and the environment."""
    environ = os.environ if environ is None else environ
    text = _read(path)
    data, lines = _parse(text, path)
    used = set(_PLACEHOLDER.findall(text))
    _check_environment(environ, used)
    data = _fill(data, environ)
    data |= _secret_files(environ)
    try:
        return Settings(**data)
    except ValidationError as error:
        raise ConfigurationError([_problem(e, path, lines) for e in error.errors(include_url=False)]) from None


def _read(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError([f"{path}: no such file; `platereel init` writes a commented one"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path}: cannot be read: {error}"]) from None


def _parse(text: str, path: Path | None) -> tuple[dict[str, Any], dict[tuple[str, ...], int]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark is not None else str(path)
        raise ConfigurationError([f"{where}: not YAML: {getattr(error, 'problem', error)}"]) from None
    lines: dict[tuple[str, ...], int] = {}
    problems: list[str] = []
    if node is not None:
        _index(node, (), lines, problems, path)
    if problems:
        raise ConfigurationError(problems)
    if data is None:
        return {}, lines
    if not isinstance(data, dict):
        raise ConfigurationError([f"{path}:1: expected keys such as `cameras:`"])
    return data, lines


def _index(
    node: yaml.Node, at: tuple[str, ...], lines: dict[tuple[str, ...], int], problems: list[str], path: Path | None
) -> None:
    """Remember the line of every key; a key given twice is a mistake YAML itself would hide."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        here = (*at, str(key.value))
        if here in lines:
            problems.append(f"{path}:{key.start_mark.line + 1}: {'.'.join(here)}: given twice")
        lines[here] = key.start_mark.line + 1
        _index(value, here, lines, problems, path)


def _fill(value: Any, environ: Mapping[str, str], key: object = None) -> Any:
    """Values of the environment in their places; `key` is what the value is called in the file."""
    if isinstance(value, dict):
        return {name: _fill(inner, environ, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_fill(inner, environ) for inner in value]
    if not isinstance(value, str):
        return value

    def filled(found: re.Match[str]) -> str:
        secret = _secret(found[1], environ)
        return encoded(secret, value[: found.start()], value[found.end() :]) if key == "source" else secret

    return _PLACEHOLDER.sub(filled, value)


def _secret(name: str, environ: Mapping[str, str]) -> str:
    if name in environ:
        return environ[name]
    if f"{name}_FILE" in environ:
        return _read_secret(name, environ[f"{name}_FILE"])
    raise ConfigurationError([f"{{{name}}}: neither {name} nor {name}_FILE is set in the environment"])


def _read_secret(name: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigurationError([f"{name}_FILE: {path}: {error.strerror}"]) from None


def _secret_files(environ: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for field in _SECRETS:
        name = f"{ENV_PREFIX}{field.upper()}"
        if name not in environ and f"{name}_FILE" in environ:
            found[field] = _read_secret(name, environ[f"{name}_FILE"])
    return found


def _check_environment(environ: Mapping[str, str], used: set[str]) -> None:
    """An unknown PLATEREEL_ variable is a typing mistake somebody would otherwise search for at night."""
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


def _problem(error: Any, path: Path | None, lines: dict[tuple[str, ...], int]) -> str:
    loc = tuple(str(part) for part in error["loc"])
    at = loc
    while at and at not in lines:
        at = at[:-1]
    where = f"{path}:{lines[at]}: " if at else ""
    name = ".".join(loc)
    if error["type"] == "extra_forbidden":
        message = f"unknown key{_suggest(loc[-1], _keys_beside(loc))}"
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
