"""Every object store behaves the same: in memory, as files, SeaweedFS, and rclone as a second S3
opinion.
"""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from platereel.embedded.processes import Command, free_ports
from platereel.embedded.supervisor import Supervisor
from shared.adapters.clock import SystemClock
from shared.adapters.storage.opening import open_store
from shared.adapters.storage.s3 import MinioObjects
from shared.domain.errors import BadInput, NotFound, Permanent, Retryable
from shared.domain.ports import ObjectStore
from tests.support.servers import Servers
from tests.support.twins import MemoryObjects

CLOCK = SystemClock()


@pytest.fixture(scope="session")
def rclone_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder that rclone serves a folder as S3."""
    folder = tmp_path_factory.mktemp("rclone")
    (folder / "data").mkdir()
    (port,) = free_ports(1)
    binary = Path(sys.executable).parent / "rclone"
    argv = [
        str(binary), "serve", "s3", str(folder / "data"), "--addr", f"127.0.0.1:{port}",
        "--auth-key", "testkey,testsecret1", "--config", str(folder / "none.conf"),
    ]  # fmt: skip
    supervisor = Supervisor(CLOCK)
    supervisor.start(Command("rclone", argv, folder / "rclone.log"))
    url = f"s3://testkey:testsecret1@127.0.0.1:{port}/bucket?secure=false"
    try:
        supervisor.await_ready("rclone", lambda: open_store(url, CLOCK).prepare())
        yield url
    finally:
        supervisor.stop(["rclone"], 3)


@pytest.fixture(params=["memory", "file", "seaweedfs", "rclone"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    def seaweedfs() -> ObjectStore:
        servers: Servers = request.getfixturevalue("servers")
        return open_store(servers.new_bucket(), CLOCK)

    def rclone() -> ObjectStore:
        url: str = request.getfixturevalue("rclone_url")
        return open_store(url.replace("/bucket?", f"/bucket-{abs(hash(str(tmp_path)))}?"), CLOCK)

    made: dict[str, Callable[[], ObjectStore]] = {
        "memory": lambda: MemoryObjects(CLOCK),
        "file": lambda: open_store(f"file://{tmp_path}/store", CLOCK),
        "seaweedfs": seaweedfs,
        "rclone": rclone,
    }
    opened = made[request.param]()
    opened.prepare()
    opened.prepare()
    return opened


def test_bytes_and_files_come_back(store: ObjectStore, tmp_path: Path) -> None:
    store.put("videos/2026-01-01/a.mp4", b"abc", "video/mp4")
    assert store.get("videos/2026-01-01/a.mp4") == b"abc"
    large = tmp_path / "large"
    large.write_bytes(bytes(range(256)) * 40_000)
    store.put("videos/2026-01-01/b.mp4", large, "video/mp4", patience_s=20)
    assert b"".join(store.stream("videos/2026-01-01/b.mp4")) == large.read_bytes()
    head = store.head("videos/2026-01-01/b.mp4")
    assert head is not None
    assert head.size_bytes == 10_240_000
    assert abs(head.modified_ms - CLOCK.now_ms()) < 60_000


def test_putting_again_replaces(store: ObjectStore) -> None:
    store.put("parts/x/0", b"one", "application/octet-stream")
    store.put("parts/x/0", b"other", "application/octet-stream")
    assert store.get("parts/x/0") == b"other"


def test_ranges(store: ObjectStore) -> None:
    store.put("k/data", bytes(range(100)), "application/octet-stream")
    assert b"".join(store.stream("k/data", 10, 5)) == bytes(range(10, 15))
    assert b"".join(store.stream("k/data", 95)) == bytes(range(95, 100))


def test_absent_things(store: ObjectStore) -> None:
    assert store.head("k/none") is None
    with pytest.raises(NotFound):
        store.get("k/none")
    assert store.delete(["k/none"]) == {}
    assert list(store.walk("nothing/")) == []


def test_walk_goes_by_prefix_in_order(store: ObjectStore) -> None:
    for key in ("parts/b/1", "parts/a/2", "parts/a/1", "videos/c"):
        store.put(key, b"x", "application/octet-stream")
    assert [o.key for o in store.walk("parts/")] == ["parts/a/1", "parts/a/2", "parts/b/1"]
    assert [o.key for o in store.walk("parts/a/")] == ["parts/a/1", "parts/a/2"]


def test_more_than_a_thousand_are_listed_and_deleted(store: ObjectStore) -> None:
    keys = [f"parts/many/{n:05d}" for n in range(1_100)]
    for key in keys:
        store.put(key, b"", "application/octet-stream")
    assert [o.key for o in store.walk("parts/many/")] == keys
    assert store.delete(keys) == {}
    assert list(store.walk("parts/many/")) == []


def test_an_upload_that_never_ended_is_abandoned(servers: Servers) -> None:
    store = open_store(servers.new_bucket(), CLOCK)
    store.prepare()
    assert isinstance(store, MinioObjects)
    for n in range(3):
        store._client._create_multipart_upload(store._bucket, f"videos/left-{n}.mp4", {})
    assert store.abandon_uploads(CLOCK.now_ms() - 3_600_000) == 0
    assert store.abandon_uploads(CLOCK.now_ms() + 60_000) == 3
    assert store.abandon_uploads(CLOCK.now_ms() + 60_000) == 0


def test_a_temporary_file_of_a_killed_writer_is_abandoned(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store", CLOCK)
    (tmp_path / "store" / "videos").mkdir(parents=True)
    (tmp_path / "store" / "videos" / ".part-dead").write_bytes(b"half")
    assert store.abandon_uploads(CLOCK.now_ms() - 3_600_000) == 0
    assert store.abandon_uploads(CLOCK.now_ms() + 60_000) == 1
    assert not list((tmp_path / "store").rglob(".part-*"))


def test_a_file_whose_name_no_row_can_hold_stops_no_listing(tmp_path: Path) -> None:
    store = open_store(f"file://{tmp_path}/store", CLOCK)
    store.put("videos/a.mp4", b"x", "video/mp4")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/store/videos/\xff.mp4")).write_bytes(b"y")
    assert [found.key for found in store.walk("videos/")] == ["videos/a.mp4"]


def test_a_store_that_does_not_answer_costs_one_timeout_and_then_fails_at_once() -> None:
    """Connections are accepted, nothing is ever said: an upload ends within its time, the next
    calls do not wait.
    """
    with socket.create_server(("127.0.0.1", 0)) as mute:
        store = open_store(
            f"s3://k:secret12@127.0.0.1:{mute.getsockname()[1]}/bucket?secure=false", CLOCK
        )
        began = CLOCK.monotonic()
        with pytest.raises(Retryable, match="does not answer"):
            store.put("a", b"x", "text/plain", patience_s=1.0)
        assert CLOCK.monotonic() - began < 20  # the usual patience is 30 s
        began = CLOCK.monotonic()
        with pytest.raises(Retryable, match="a moment ago"):
            store.put("a", b"x", "text/plain", patience_s=60)
        assert CLOCK.monotonic() - began < 30


def test_a_full_disk_is_retryable_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ENOSPC while writing, EIO at the fsync: no object, no temporary file, and a later try
    succeeds.
    """
    store = open_store(f"file://{tmp_path}/store", CLOCK)
    store.prepare()
    for number in (errno.ENOSPC, errno.EIO):

        def refuse(_: int, code: int = number) -> None:
            raise OSError(code, os.strerror(code))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", refuse)
            with pytest.raises(Retryable, match=os.strerror(number)):
                store.put("videos/a.mp4", b"clip", "video/mp4")
        assert store.head("videos/a.mp4") is None
        assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    store.put("videos/a.mp4", b"clip", "video/mp4")
    assert store.get("videos/a.mp4") == b"clip"


def test_a_store_that_is_away_is_retryable() -> None:
    (port,) = free_ports(1)
    away = open_store(f"s3://k:secret12@127.0.0.1:{port}/bucket?secure=false", CLOCK)
    with pytest.raises(Retryable, match="does not answer"):
        away.head("k")


def test_a_file_store_never_leaves_its_folder(tmp_path: Path) -> None:
    opened = open_store(f"file://{tmp_path}/store", CLOCK)
    with pytest.raises(Permanent, match="leaves its folder"):
        opened.put("../outside", b"x", "text/plain")
    assert not (tmp_path / "outside").exists()


def test_a_wrong_secret_is_told_and_footage_waits_for_who_mends_it(servers: Servers) -> None:
    """A part that a store refuses for good would be given up after a few tries, and its footage
    with it.
    """
    url = servers.storage_url
    key, rest = url.removeprefix("s3://").split(":", 1)
    wrong = f"s3://{key}:not-the-secret@{rest.split('@')[1]}"
    with pytest.raises(Retryable, match="the secret is wrong") as caught:
        open_store(wrong, CLOCK).put("a", b"x", "text/plain")
    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://x/y",
        "s3://host:9000/bucket",
        "s3://k:s@host",
        "s3://k:s@host/a/b",
        "s3://k:s@h/b?x=1",
        "file:relative",
    ],
)
def test_bad_addresses_are_named(url: str) -> None:
    with pytest.raises(BadInput, match="PLATEREEL_STORAGE_URL"):
        open_store(url, CLOCK)


def test_a_killed_upload_leaves_nothing_visible(tmp_path: Path) -> None:
    """A writer that dies in the middle of a file leaves no object behind."""
    program = (
        "import os, sys; from pathlib import Path; from shared.adapters.storage.files import FileObjects\n"
        "import shutil; shutil.copyfileobj = lambda s, o, n: (o.write(b'half'), o.flush(), os._exit(137))\n"
        "p = Path(sys.argv[1]); (p / 'src').write_bytes(b'whole thing')\n"
        "FileObjects(p / 'store').put('videos/a.mp4', p / 'src', 'video/mp4')\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == 137
    opened = open_store(f"file://{tmp_path}/store", CLOCK)
    assert opened.head("videos/a.mp4") is None
    assert list(opened.walk("videos/")) == []
