"""Uploads over lines that are slow, that stand still, and that are taken away; and what a finaliser
needs for them.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from shared.adapters.clock import SystemClock
from shared.adapters.storage.opening import open_store
from shared.domain.errors import Conflict, Retryable
from shared.domain.ports import ObjectStore
from tests.support.proxy import Proxy
from tests.support.servers import Servers

CLOCK = SystemClock()
MEGABYTE = 1_000_000


@dataclass
class Line:
    """A store behind a line that can be made slow."""

    store: ObjectStore
    proxy: Proxy


@pytest.fixture
def line(servers: Servers) -> Iterator[Line]:
    bucket = servers.new_bucket()
    open_store(bucket, CLOCK).prepare()
    parts = urlsplit(bucket)
    proxy = Proxy((str(parts.hostname), int(parts.port or 0)))
    store = open_store(bucket.replace(f":{parts.port}/", f":{proxy.port}/"), CLOCK)
    try:
        yield Line(store, proxy)
    finally:
        proxy.close()
        servers.drop_bucket(bucket)


@pytest.mark.parametrize("as_file", [True, False])
def test_an_upload_may_take_as_long_as_it_makes_progress(
    line: Line, tmp_path: Path, *, as_file: bool
) -> None:
    """Plain HTTP: a clip of some minutes takes longer than a connection may, and a part of a large
    camera too.
    """
    data = bytes(range(256)) * 40_000
    path = tmp_path / "clip.mp4"
    path.write_bytes(data)
    line.proxy.slow(bytes_per_s=3 * MEGABYTE)
    began = CLOCK.monotonic()
    line.store.put("videos/slow.mp4", path if as_file else data, "video/mp4", patience_s=1.5)
    assert CLOCK.monotonic() - began > 2.5
    line.proxy.heal()
    assert line.store.get("videos/slow.mp4") == data


def test_an_upload_that_stands_still_ends_within_its_patience(line: Line, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(30 * MEGABYTE))
    line.store.head("videos/none.mp4")
    line.proxy.blackhole()
    began = CLOCK.monotonic()
    with pytest.raises(Retryable, match="does not answer"):
        line.store.put("videos/still.mp4", path, "video/mp4", patience_s=1.0)
    assert CLOCK.monotonic() - began < 20
    line.proxy.heal()


def test_who_loses_the_right_to_an_upload_ends_it_and_blames_nobody(
    line: Line, tmp_path: Path
) -> None:
    """The lease went to another run: nothing is stored, and the store is as good as before for the
    next call.
    """
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(20 * MEGABYTE))
    with pytest.raises(Conflict, match="lease was lost"):
        line.store.put("videos/lost.mp4", path, "video/mp4", allowed=answers(True, True, False))
    assert line.store.head("videos/lost.mp4") is None
    line.store.put("videos/next.mp4", b"clip", "video/mp4")


def answers(*given: bool) -> Callable[[], bool]:
    left = list(given)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_a_file_never_lies_in_memory(line: Line, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(bytes(64 * MEGABYTE))
    tracemalloc.start()
    try:
        line.store.put("videos/large.mp4", path, "video/mp4")
        assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
    finally:
        tracemalloc.stop()
