"""What all answers have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Answer(BaseModel):
    """A model that is read from the domain's values, or from an answer's JSON."""

    model_config = ConfigDict(from_attributes=True)
