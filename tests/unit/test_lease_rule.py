"""The lease rule: it ends here before it ends on the server, and no frame from the far future
passes.
"""

from __future__ import annotations

import ast
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.ownership import (
    AHEAD_LIMIT_MS,
    CAMERA_LEASE_SECONDS,
    CAMERA_RENEW_SECONDS,
    CameraLease,
    ServerTime,
    deadline_s,
)

ROOT = Path(__file__).parents[2]


@given(asked_s=st.integers(0, 10**6), travelled_s=st.floats(0, 10), passed_s=st.floats(0, 10))
def test_a_lease_ends_here_before_it_ends_on_the_server(
    asked_s: int, travelled_s: float, passed_s: float
) -> None:
    """The server counts from when the request arrives."""
    lease, now_s = CameraLease(asked_at_s=asked_s), asked_s + passed_s
    ends_on_server_s = asked_s + travelled_s + CAMERA_LEASE_SECONDS
    assert not lease.holds(now_s) or now_s < ends_on_server_s


def test_a_lease_is_renewed_before_it_ends_even_when_two_renewals_fail() -> None:
    lease = CameraLease(asked_at_s=10)
    assert not lease.is_due(10.9)
    assert lease.is_due(11)
    assert lease.holds(12.9)
    assert not lease.holds(13)
    assert 3 * CAMERA_RENEW_SECONDS <= CAMERA_LEASE_SECONDS
    assert deadline_s(10, 6) == 16


def test_a_time_is_judged_by_the_servers_clock() -> None:
    server = ServerTime(server_ms=1_700_000_000_000, asked_at_s=5)
    assert server.now_ms(7) == 1_700_000_002_000
    assert not server.too_far_ahead(1_700_000_002_000 + AHEAD_LIMIT_MS, 7)
    assert server.too_far_ahead(1_700_000_002_001 + AHEAD_LIMIT_MS, 7)
    assert not server.too_far_ahead(0, 7)


def test_the_rule_stands_in_one_place() -> None:
    """Capture and the doorway ask the rule; neither has a lease's length or the limit of its
    own.
    """
    for name in ("services/capture/leases.py", "shared/client/service.py"):
        tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
        numbers = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
        assert AHEAD_LIMIT_MS not in numbers, name
        assert "shared.domain.ownership" in {
            node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        }
