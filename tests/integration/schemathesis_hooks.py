"""What Schemathesis generates beside its own: times that a calendar has at its ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import schemathesis
from hypothesis import strategies as st

ENDS = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59Z",
    "9999-12-31T23:59:59-14:00",
    "1970-01-01T00:00:00Z",
    "2026-11-25T18:00:00.123456+00:00",
)
_NOW = datetime.now(UTC).replace(microsecond=0)
_RECENT = st.integers(0, 86_400).map(lambda s: (_NOW - timedelta(seconds=s)).isoformat())

schemathesis.openapi.format(
    "date-time", st.one_of(_RECENT, _RECENT, _RECENT, st.sampled_from(ENDS))
)
