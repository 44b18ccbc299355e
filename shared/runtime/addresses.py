"""The addresses that a process needs, and clear errors where one is missing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared.runtime.configuration import ConfigurationError
from shared.runtime.settings import ENV_PREFIX, Settings
from shared.wire.urls import bad_percent, unreadable

_REDIS = ("redis://", "rediss://")
_SCHEMES = {
    "database_url": ("postgresql://", "postgres://"),
    "frames_url": (*_REDIS, "redis+cluster://", "rediss+cluster://"),
    "broker_url": _REDIS,
    "storage_url": ("s3://", "file://"),
    "backup_url": ("s3://", "file://"),
}
_DATABASE_NUMBER = re.compile(r"/?\d{0,5}")


@dataclass(frozen=True, slots=True)
class Addresses:
    """Connection URLs with their secrets."""

    database: str = field(repr=False)
    frames: str = field(repr=False)
    broker: str = field(repr=False)
    storage: str = field(repr=False)


def addresses(settings: Settings) -> Addresses:
    """Returns all four addresses; raises ConfigurationError that names those that are not set or
    cannot be read, and why. The libraries that read them raise errors that quote passwords, or take
    a part of a password for the host.
    """
    given: dict[str, SecretStr | None] = {
        "database_url": settings.database_url,
        "frames_url": settings.frames_url,
        "broker_url": settings.broker_url,
        "storage_url": settings.storage_url,
    }
    missing = [f"{ENV_PREFIX}{name.upper()}" for name, value in given.items() if value is None]
    if missing:
        raise ConfigurationError(
            [f"{name} is not set (or {name}_FILE); `platereel up` runs without" for name in missing]
        )
    check_given(settings)
    return Addresses(*(value.get_secret_value() for value in given.values() if value is not None))


def check_given(settings: Settings) -> None:
    """Raise ConfigurationError for addresses that are set and cannot be read."""
    wrong = []
    for name in _SCHEMES:
        value: SecretStr | None = getattr(settings, name)
        reason = None if value is None else _wrong(name, value.get_secret_value())
        if reason is not None:
            wrong.append(f"{ENV_PREFIX}{name.upper()}: {reason}")
    if wrong:
        raise ConfigurationError(wrong)


def _wrong(name: str, url: str) -> str | None:
    """Returns why an address cannot be read, in words that contain nothing of it."""
    if url.startswith("file:") and name in {"storage_url", "backup_url"}:
        return None
    database = name == "database_url"
    # libpq takes ? and # as any other character of a password, and is strict about percent signs.
    reason = unreadable(url, _SCHEMES[name], ends="/" if database else "/?#")
    if reason is None and database:
        reason = bad_percent(url)
    if (
        reason is None
        and url.startswith(_SCHEMES["frames_url"])
        and not _DATABASE_NUMBER.fullmatch(urlsplit(url).path)
    ):
        reason = "what follows its host is no database's number, as /0"
    return reason
