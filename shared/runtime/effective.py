"""The settings that count, each with where its value comes from, and without any secret."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from shared.runtime.sections import CameraSettings, RecordingSettings
from shared.runtime.settings import ENV_PREFIX, Settings
from shared.wire.urls import masked, shown

GENERAL = "general"  # the section of settings that stand alone
SET, NOT_SET = "set", "not set"
DEFAULTS = "defaults."
_ADDRESSES = ("url", "source")


class Origin(StrEnum):
    """Where a value comes from."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    MADE = "made"  # through the API or by command, while everything runs


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectiveSetting:
    """One setting: its dotted name, and its value as JSON may hold it."""

    section: str
    name: str
    value: Any
    origin: Origin


def effective(
    settings: Settings, environ: Mapping[str, str], made: Collection[str] = ()
) -> list[EffectiveSetting]:
    """Returns every setting that counts, by section and name. made: cameras that are in no file.

    A camera has those that are its own; for the others the defaults count. An address is shown as
    scheme, host and port, any other secret as set or not set.
    """
    found = [
        replace(each, value=_usual(settings, each.name)) if _is_unset(each) else each
        for each in _settings(settings, "", environ, given=True)
    ]
    of_made = {
        f"cameras.{camera_id}.{name}" for camera_id in made for name in CameraSettings.model_fields
    }
    found = [
        replace(each, origin=Origin.MADE)
        if (each.name in of_made or each.name.rpartition(".")[0] in of_made)
        and each.origin is not Origin.DEFAULT
        else each
        for each in found
    ]
    return sorted(found, key=lambda each: (each.section != GENERAL, each.section, each.name))


def _settings(
    model: BaseModel, prefix: str, environ: Mapping[str, str], *, given: bool
) -> Iterator[EffectiveSetting]:
    """Yields the settings of a model. given: whether somebody wrote it, else it is a default."""
    for name, field in type(model).model_fields.items():
        path, value = f"{prefix}{name}", getattr(model, name)
        own = given and name in model.model_fields_set
        if isinstance(model, CameraSettings) and name in RecordingSettings.model_fields and not own:
            continue
        inner = dict(_inner(value))
        for key, each in inner.items():
            yield from _settings(each, f"{path}{key}.", environ, given=own)
        if inner or (isinstance(value, dict) and not value):
            continue
        secret = "SecretStr" in str(field.annotation)
        yield EffectiveSetting(
            section=path.partition(".")[0] if "." in path else GENERAL,
            name=path,
            value=_told(path, value, secret=secret),
            origin=_origin(path, environ, own=own),
        )


def _inner(value: object) -> Iterator[tuple[str, BaseModel]]:
    """Yields the models that a value consists of, each with what follows the value's name."""
    if isinstance(value, BaseModel):
        yield "", value
    named = list(value.items()) if isinstance(value, dict) else []
    if isinstance(value, list):
        named = [(str(vars(each)["name"]), each) for each in value if isinstance(each, BaseModel)]
    for name, each in named:
        yield f".{name}", each


def _told(path: str, value: Any, *, secret: bool) -> Any:
    if secret:
        if value is None:
            return NOT_SET
        return shown(value.get_secret_value()) if path.endswith(_ADDRESSES) else SET
    plain = json.loads(json.dumps(value, default=str))
    if isinstance(plain, str) and not isinstance(value, Path):
        return shown(plain) if path.endswith(_ADDRESSES) else masked(plain)
    return plain


def _is_unset(found: EffectiveSetting) -> bool:
    return found.value is None and found.name.startswith(DEFAULTS)


def _usual(settings: Settings, path: str) -> Any:
    """Returns what counts for a camera without settings of its own."""
    nobody = ""
    name, limits = path.removeprefix(DEFAULTS), settings.limits(nobody)
    known = {
        "max_buffer_bytes": limits.max_bytes,
        "hold_cap_seconds": limits.cap_ms / 1000,
        "jpeg_quality": settings.jpeg_quality(nobody),
        "source_timeout_seconds": settings.source_timeout_s(nobody),
    }
    return known.get(name) if name in known else getattr(settings.policy(nobody), name)


def _origin(path: str, environ: Mapping[str, str], *, own: bool) -> Origin:
    """The environment wins over the file; a variable may hold a whole section as JSON."""
    if not own:
        return Origin.DEFAULT
    parts = path.upper().split(".")
    held = {each.upper(): value for each, value in environ.items()}
    name = f"{ENV_PREFIX}{'__'.join(parts)}"
    if name in held or f"{name}_FILE" in held:
        return Origin.ENVIRONMENT
    sections = (
        _holds(held.get(f"{ENV_PREFIX}{'__'.join(parts[:count])}", ""), parts[count:])
        for count in range(1, len(parts))
    )
    return Origin.ENVIRONMENT if any(sections) else Origin.FILE


def _holds(value: str, rest: list[str]) -> bool:
    """Returns whether a section's JSON has the rest of a setting's name; items of a list are all
    from where the list is from.
    """
    try:
        inner: Any = json.loads(value)
    except ValueError:
        return False
    for part in rest:
        if isinstance(inner, list):
            return True
        held = (
            {str(key).upper(): each for key, each in inner.items()}
            if isinstance(inner, dict)
            else {}
        )
        if part not in held:
            return False
        inner = held[part]
    return True
