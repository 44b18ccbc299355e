"""The settings that count, and where each value comes from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from shared.wire.api.answer import Answer


class EffectiveSetting(Answer):
    """One setting."""

    section: str = Field(description="`general` of settings that stand alone.")
    name: str = Field(description="As in the file, with dots: `api.port`.")
    value: Any = Field(description="Of a secret, `set` or `not set`; of an address, where it is.")
    origin: Literal["default", "file", "environment", "made"]


class Configuration(BaseModel):
    """All settings, by section and name."""

    items: list[EffectiveSetting]
    total: int
