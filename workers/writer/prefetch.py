"""Fetches items while the consumer works: frames are read over the network while earlier ones are
encoded.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterator[Item], batch: int, threads: Executor) -> Iterator[Item]:
    """Yields the same items in order.

    A batch is fetched on another thread while the one before it is used. What fetching raises is
    raised here.
    """

    def fetch() -> list[Item]:
        return list(islice(items, batch))

    coming = threads.submit(fetch)
    while found := coming.result():
        coming = threads.submit(fetch)
        yield from found
