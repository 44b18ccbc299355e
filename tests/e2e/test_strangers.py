"""What a stranger gets at every port of `platereel up`, and in its folder: nothing of anybody's
clips.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
import urllib3

from tests.support.deployment import Deployment, platereel
from tests.support.waiting import WAIT_SECONDS

CONFIG = """
cameras:
  gate-1: {source: "synthetic:numbered?fps=10&size=320x240", detect: false}
defaults: {buffer_seconds: 1, post_event_seconds: 2}
"""
# What may be asked for without a key, by the process that answers: whether it lives, and how it is
# described.
OPEN = {
    "api": {"/", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"},
    # The object store says that it lives, how much room it has, and which numbers its volumes bear.
    "storage": {
        "/",
        "/healthz",
        "/readyz",
        "/status",
        "/cluster/status",
        "/cluster/healthz",
        "/ui/index.html",
    },
}
READS = (
    "/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/status",
    "/ui/index.html",
    "/cluster/status",
    "/cluster/healthz",
    "/dir/status",
    "/dir/assign",
    "/dir/lookup?volumeId=1",
    "/vol/status",
    "/vol/grow?count=1",
    "/vol/vacuum",
    "/col/delete?collection=nobody",
    "/stats/disk",
    "/debug/pprof/",
    "/debug/vars",
    "/buckets/",
    "/buckets/platereel/?limit=9",
    "/buckets/platereel/{clip}",
    "/platereel/{clip}",
    "/platereel?list-type=2",
    "/1,01",
    "/v2/video/segments",
    "/v2/video/session",
    "/v2/video/access-log",
    "/v2/video/segments/{id}/download",
)
CHANGES = (
    ("POST", "/submit"),
    ("PUT", "/buckets/platereel/{clip}"),
    ("POST", "/buckets/platereel/{clip}"),
    ("DELETE", "/buckets/platereel/{clip}"),
    ("DELETE", "/buckets/platereel/?recursive=true"),
    ("PUT", "/platereel/{clip}"),
    ("DELETE", "/platereel/{clip}"),
    ("POST", "/1,01"),
    ("PUT", "/1,01"),
    ("POST", "/dir/assign"),
    ("POST", "/v2/video/cleanup?retention_days=0"),
    ("DELETE", "/v2/video/segments/{id}"),
)
LISTENING = "0A"  # in the kernel's tables
SILENT_SECONDS = 5  # of a port that takes a stranger's request and says nothing
FOREIGN = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site", "Host": "evil.example"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A deployment with a key and a clip."""
    deployment = Deployment(tmp_path_factory.mktemp("strangers"), CONFIG)
    deployment.start()
    data = str(deployment.folder / "data")
    assert platereel("keys", "create", "own", "--role", "admin", "--data", data).returncode == 0
    done = platereel("trigger", "gate-1", "--plate", "AB123CD", "--wait", "--data", data)
    assert done.returncode == 0, done.stdout + done.stderr
    yield deployment
    deployment.stop()


def listeners(pid: int) -> Iterator[tuple[str, int]]:
    """Addresses and ports that a process listens on, by the kernel's tables."""
    inodes = set()
    with suppress(FileNotFoundError):  # a process, or a file of it, that has just gone
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                inodes.add(str(link.readlink()))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, _, state, *_ = fields = line.split()[1:]
            if state == LISTENING and f"socket:[{fields[8]}]" in inodes:
                address, port = local.split(":")
                yield address, int(port, 16)


def family(deployment: Deployment) -> dict[str, list[int]]:
    """Every process of the deployment with its descendants, by the name that run.json has for
    it.
    """
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = {}
    for name, roots in deployment.refresh()["pids"].items():
        waiting, all_of_it = list(roots), list(roots)
        while waiting:
            below = children.get(waiting.pop(), [])
            waiting += below
            all_of_it += below
        found[name] = all_of_it
    return found


def test_no_port_gives_a_stranger_anything(site: Deployment) -> None:
    (row,) = site.query("SELECT id, file_path, sha256 FROM video_segments WHERE status = 'ready'")
    names = {"clip": row["file_path"], "id": str(row["id"])}
    ports = {
        (port, name)
        for name, pids in family(site).items()
        for pid in pids
        for address, port in listeners(pid)
        if _is_loopback(address)
    }
    assert {name for _, name in ports} >= {
        "api",
        "storage",
        "postgres",
        "redis-broker",
        "redis-frames",
    }
    assert len(ports) >= 11
    # most ports say nothing for a while: they are asked at once
    with ThreadPoolExecutor(len(ports)) as pool:
        asked = [pool.submit(_tried, name, port, names, row["sha256"]) for port, name in ports]
        got = [found for each in asked for found in each.result()]
    assert {(name, path) for name, _, path, _ in got if path not in OPEN.get(name, ())} == set(), (
        got
    )
    data = str(site.folder / "data")
    checked = platereel("check", "--deep", "--data", data)
    assert checked.returncode == 0, checked.stdout


def _tried(
    name: str, port: int, names: dict[str, str], secret: str
) -> list[tuple[str, int, str, int]]:
    """What a stranger is answered at one port, whatever they speak."""
    got = []
    for method, path in (
        (*(("GET", path) for path in READS), *CHANGES) if _speaks_http(port) else ()
    ):
        got += _asked(name=name, port=port, method=method, path=path.format(**names), secret=secret)
    assert _redis_says(port) in {None, "-NOAUTH"}, (name, port)
    assert not _answers_grpc(port), (name, port)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(
            f"postgresql://platereel@127.0.0.1:{port}/postgres", connect_timeout=SILENT_SECONDS
        )
    return got


def _is_loopback(address: str) -> bool:
    """Every server listens for this machine alone; as the kernel writes 127.0.0.1 and ::1."""
    assert address in {"0100007F", "00000000000000000000000001000000"}, address
    return True


def _speaks_http(port: int) -> bool:
    pool = urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=SILENT_SECONDS, retries=False)
    try:
        return pool.request("GET", "/").status > 0
    except urllib3.exceptions.HTTPError:
        return False
    finally:
        pool.close()


def _asked(
    name: str, port: int, method: str, path: str, secret: str
) -> list[tuple[str, int, str, int]]:
    """What a stranger is answered, if it is anything but a refusal; never the clip."""
    found = []
    body = b"forged" if method in {"PUT", "POST"} else None
    for headers in ({}, FOREIGN):
        pool = urllib3.HTTPConnectionPool("127.0.0.1", port, timeout=WAIT_SECONDS, retries=False)
        try:
            answer = pool.request(method, path, body=body, headers=headers, redirect=False)
        finally:
            pool.close()
        assert sha256(answer.data).hexdigest() != secret, (name, port, path)
        assert len(answer.data) < 1_000_000
        if answer.status < 400:
            found.append((name, port, path, answer.status))
    return found


def _redis_says(port: int) -> str | None:
    """The first word of the answer to a Redis command; None from what is no Redis."""
    with socket.create_connection(("127.0.0.1", port), timeout=SILENT_SECONDS) as raw:
        raw.settimeout(1)
        try:
            raw.sendall(b"*2\r\n$4\r\nKEYS\r\n$1\r\n*\r\n")
            said = raw.recv(100).split(b" ")[0].decode("latin-1")
        except OSError:
            return None
    return said if said[:1] in {"-", "*", "+", "$"} else None


def _answers_grpc(port: int) -> bool:
    """Whether a server takes HTTP/2, as gRPC speaks it, from somebody without a certificate, plain
    or over TLS.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    for secure in (False, True):
        try:
            raw = socket.create_connection(("127.0.0.1", port), timeout=SILENT_SECONDS)
            raw.settimeout(1)
            with raw, context.wrap_socket(raw) if secure else nullcontext(raw) as speaker:
                # The preface and empty settings; a server that takes the caller answers with
                # settings of its own.
                speaker.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5))
                head = speaker.recv(9)
                if len(head) == 9 and head[3] == 4:
                    return True
        except OSError:
            continue
    return False


def test_no_file_is_for_anybody_else(site: Deployment) -> None:
    """Folder 0700, files 0600: clips, pictures, plates and logs.

    The S3 server gives its notes of a volume's layout a mode of their own, in a folder that is
    closed.
    """
    data = site.folder / "data"
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    looked_at, loose = 0, []
    for folder, folders, files in os.walk(data):  # which passes over a folder that has just gone
        for path in (Path(folder, name) for name in (*folders, *files)):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # the deployment runs: files come and go
                continue
            looked_at += 1
            if not stat.S_ISLNK(mode) and path.suffix != ".vif" and mode & 0o077:
                loose.append((str(path.relative_to(data)), oct(stat.S_IMODE(mode))))
    assert loose == []
    assert looked_at > 20
    assert list((data / "logs").iterdir())
