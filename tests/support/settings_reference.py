"""Writes docs/settings.md: every setting with its variable, its type, its limits and its default,
as the code has them (`make reference`).
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import Enum
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from shared.runtime.effective import effective
from shared.runtime.sections import CameraSettings, RecordingSettings
from shared.runtime.settings import ENV_PREFIX, Settings
from tests.support.documents import ROOT

FILE = ROOT / "docs/settings.md"
_HEAD = """# Settings
Made from the code by `make reference`: do not edit it. [Configuration](configuration.md) says what
each setting is for, with examples.

A key of platereel.yaml has its variable beside it, which wins over the file. `NAME` stands for the
name of a camera, and `N` for a place in a list, which no variable can name. Durations are seconds
and also take `30s`, `5m`, `90d`; sizes are bytes and also take `500MB`, `2TB`. `-` is none, or what
follows from other settings.
"""
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
_NAMES = {
    float: "number", int: "whole number", str: "text", bool: "true or false", SecretStr: "secret text",
}  # fmt: skip


def reference() -> str:
    """Returns the document."""
    usual = {each.name: each.value for each in effective(Settings(), {})}
    general, sections = list[str](), dict[str, list[str]]()
    for path, field in _fields(Settings, ""):
        section, dot, _ = path.partition(".")
        rows = sections.setdefault(section, []) if dot else general
        rows.append(_row(path, field, usual))
    parts = [_HEAD, _table("The file itself", general)]
    parts += [_table(f"`{name}`", rows) for name, rows in sections.items()]
    return "\n".join(parts)


def _table(title: str, rows: list[str]) -> str:
    return "\n".join(
        [f"## {title}", "| setting | variable | takes | default |", "|---|---|---|---|", *rows, ""]
    )


def _fields(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        if model is CameraSettings and name in RecordingSettings.model_fields:
            continue  # those of `defaults`
        inner, kind = _model(field.annotation)
        if inner is None:
            yield f"{prefix}{name}", field
        else:
            among = {dict: ".NAME", list: "[N]"}.get(kind, "")
            yield from _fields(inner, f"{prefix}{name}{among}.")


def _model(annotation: Any) -> tuple[type[BaseModel] | None, Any]:
    """Returns the model that a setting consists of, and whether there are several: dict or list."""
    origin = get_origin(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, None
    if origin in {dict, list}:
        inner, _ = _model(get_args(annotation)[-1])
        return inner, origin
    if origin in {Union, types.UnionType}:
        found = [each for each in map(_model, get_args(annotation)) if each[0] is not None]
        return found[0] if found else (None, None)
    return (
        (_model(get_args(annotation)[0])) if hasattr(annotation, "__metadata__") else (None, None)
    )


def _row(path: str, field: FieldInfo, usual: dict[str, Any]) -> str:
    takes = "; ".join([*_kinds(field.annotation), *_limits(field.metadata)])
    named = "NAME" in path or "[N]" in path
    variable = "" if named else f"`{ENV_PREFIX}{path.replace('.', '__').upper()}`"
    return f"| `{path}` | {variable} | {takes} | {_default(path, field, usual)} |"


def _kinds(annotation: Any) -> list[str]:
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation is type(None):
        return []
    if origin is Literal:
        return [", ".join(f"`{each}`" for each in inner)]
    if origin in {Union, types.UnionType}:
        return [kind for each in inner for kind in _kinds(each)]
    if hasattr(annotation, "__metadata__"):
        return [*_kinds(annotation.__origin__), *_limits(annotation.__metadata__)]
    if origin in {list, tuple, set}:
        return [f"list of {' or '.join(_kinds(inner[0]))}"]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [", ".join(f"`{each.value}`" for each in annotation)]
    return [_NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)).lower())]


def _limits(metadata: Any) -> list[str]:
    found = []
    for each in metadata:
        inner = each.metadata if isinstance(each, FieldInfo) else [each]
        found += [
            f"{sign} {getattr(limit, name):,}".replace(",", " ")
            for limit in inner
            for name, sign in _SIGNS.items()
            if getattr(limit, name, None) is not None
        ]
    return found


def _default(path: str, field: FieldInfo, usual: dict[str, Any]) -> str:
    if field.default is PydanticUndefined and field.default_factory is None:
        return "required"
    value = usual.get(path, field.default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or value == [] or value is PydanticUndefined:
        return "-"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    FILE.write_text(reference(), encoding="utf-8")
