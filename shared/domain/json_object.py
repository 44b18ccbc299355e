"""Documents without a fixed form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JsonObject = Mapping[str, Any]
"""A JSON object of any form: a detector's attributes, a job's parameters, an event's body."""
