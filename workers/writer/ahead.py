"""Fetches while the consumer works: frames come over the network while earlier ones are encoded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], batch: int, threads: Executor) -> Iterator[Item]:
    """The same items in order; a batch of them is fetched on another thread while the one before it is used.

    What fetching raises is raised here.
    """

    def fetch() -> list[Item]:
        return list(islice(items, batch))

    coming = threads.submit(fetch)
    while found := coming.result():
        coming = threads.submit(fetch)
        yield from found
