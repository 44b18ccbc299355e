"""The addresses a process needs, with a clear word where one is missing."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic import SecretStr

from shared.runtime.configuration import ConfigurationError
from shared.runtime.settings import ENV_PREFIX, Settings


@dataclass(frozen=True, slots=True)
class Addresses:
    """Connection URLs with their secrets."""

    database: str = field(repr=False)
    frames: str = field(repr=False)
    broker: str = field(repr=False)
    storage: str = field(repr=False)


def addresses(settings: Settings) -> Addresses:
    """All four addresses, or ConfigurationError naming those that are not set."""
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
    return Addresses(*(value.get_secret_value() for value in given.values() if value is not None))
