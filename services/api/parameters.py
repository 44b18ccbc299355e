"""Types of parameters that several routes take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

Text = Annotated[str, Query(max_length=128, pattern=r"^[^\x00]*$")]
