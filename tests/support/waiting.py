"""How long tests wait for what is not their subject: set-up, a child's first word, an answer that
comes in the end.

A product's limit is right for a product. A test that has the same one fails on a machine where
other programs take the processor, although the product is right. So set-up waits long, here, in one
place; a limit that a test is about stays with that test.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

WAIT_SECONDS = 120.0  # half of what a whole test may take (`--timeout` in pyproject.toml)


def wait_until(what: str, probe: Callable[[], Any], timeout: float = WAIT_SECONDS) -> Any:
    """The first truthy answer of `probe`, polled; fails by name when there is none in time."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        found = probe()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {timeout:g} s in vain for {what}")
