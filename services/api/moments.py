"""Times that a request gives."""

from __future__ import annotations

from datetime import datetime

from shared.domain.errors import BadInput
from shared.domain.timing import to_ms


def moment(value: datetime | None, field: str) -> int | None:
    """Milliseconds since 1970; BadInput for a time without a zone."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise BadInput(field, "a time without a zone is ambiguous; end it with Z or an offset")
    return to_ms(value)
