"""What the product has, read from its code: settings, variables, routes, commands, metrics and
enumerations.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import get_type_hints
from unittest.mock import MagicMock

from fastapi import APIRouter
from fastapi.routing import APIRoute
from prometheus_client.metrics import MetricWrapperBase
from pydantic import BaseModel
from typer.core import TyperGroup
from typer.main import get_command

import services.api.doors
import services.api.routes
import shared.domain
from platereel.cli import app as command_line
from services.api import callers
from services.api.app import create_app
from shared.runtime import configuration, metrics
from shared.runtime.sections import RecordingSettings
from shared.runtime.settings import ENV_PREFIX, Settings

ROOT = Path(__file__).parents[2]
# An enumeration with such a name has values that users see; others are steps of one rule.
_SEEN = re.compile(r"(Cause|Codec|Kind|Name|Outcome|State|Status)$")


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """Models of settings in an annotation, however deep."""
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def settings(model: type[BaseModel] = Settings, prefix: str = "") -> Iterator[tuple[str, bool]]:
    """Dotted names of all settings, and whether each one only holds others.

    A camera's recording settings are those of `defaults`, so they are not repeated.
    """
    repeated = (
        set()
        if model is RecordingSettings or not issubclass(model, RecordingSettings)
        else _recording()
    )
    for key, field in model.model_fields.items():
        if key not in repeated:
            inner = list(_models(field.annotation))
            yield f"{prefix}{key}", bool(inner)
            for each in inner:
                yield from settings(each, f"{prefix}{key}.")


def _recording() -> set[str]:
    return set(RecordingSettings.model_fields)


def variables() -> set[str]:
    """Environment variables that stand for no key of the file: addresses, secrets, and those of
    docker-compose.yml.
    """
    secrets = {f"{ENV_PREFIX}{name.upper()}" for name in configuration._SECRETS}
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return secrets | {
        configuration.CONFIG_VARIABLE,
        *re.findall(r"\$\{(PLATEREEL_[A-Z_]+)", compose),
    }


def setting_variables() -> set[str]:
    """Environment variables that stand for a key of the file."""
    return {f"{ENV_PREFIX}{name.replace('.', '__').upper()}" for name, _ in settings()}


@cache
def routes() -> Mapping[str, str]:
    """Every method and path of the API's description, with the role that a caller needs; `none`
    where none is asked.
    """
    app = create_app(MagicMock(settings=Settings()), lambda: None, lambda: None)
    roles = {
        f"{method} {route.path}": _role(route.endpoint)
        for package in (services.api.routes, services.api.doors)
        for module in _modules(package)
        for route in getattr(module, "router", APIRouter()).routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    paths = app.openapi()["paths"]
    found = [
        f"{method.upper()} {path}" for path, operations in paths.items() for method in operations
    ]
    return {each: roles[each] for each in found}


def _role(endpoint: Callable[..., object]) -> str:
    asked = {
        "viewer": [callers.Viewer],
        "operator": [callers.Operator, callers.DoorOperator],
        "admin": [callers.Admin],
        "lists": [callers.ListKeeper],
    }
    taken = list(get_type_hints(endpoint, include_extras=True).values())
    return next(
        (role for role, kinds in asked.items() if any(kind in taken for kind in kinds)), "none"
    )


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for each in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        yield importlib.import_module(each.name)


@cache
def commands() -> Mapping[str, set[str]]:
    """Every command with its options."""
    group = get_command(command_line)
    assert isinstance(group, TyperGroup)
    return dict(_commands(group, ""))


def _commands(group: TyperGroup, prefix: str) -> Iterator[tuple[str, set[str]]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            options = {
                option for each in command.params for option in each.opts if option.startswith("-")
            }
            yield prefix + name, options


def targets() -> set[str]:
    """Targets of the Makefile."""
    return set(
        re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )


def counted() -> Mapping[str, tuple[str, tuple[str, ...]]]:
    """Every metric with its type and its labels."""
    found = {}
    for each in vars(metrics).values():
        if isinstance(each, MetricWrapperBase):
            (family,) = each.describe()
            suffix = "_total" if family.type == "counter" else ""
            found[family.name + suffix] = (family.type, each._labelnames)
    return found


@cache
def enumerations() -> Mapping[str, set[str]]:
    """Enumerations of the domain that users see, by their names in words: `segment status` and its
    values.
    """
    found = {}
    for module in _modules(shared.domain):
        for name, each in vars(module).items():
            if inspect.isclass(each) and issubclass(each, StrEnum) and _SEEN.search(name):
                found[re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()] = {
                    str(value) for value in each
                }
    return found
