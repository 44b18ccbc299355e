"""keys, verify and a search from the terminal, on a database and a store of their own."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest
from fastapi.testclient import TestClient

from platereel.cli import keys
from platereel.cli.context import PlainConsole
from services.api.wiring import build
from tests.support.commands import Run
from tests.support.rows import CLIP, clip_of, ready
from tests.support.world import World


def test_a_key_from_the_terminal_opens_the_api(world: World, run: Run) -> None:
    made = run("keys", "create", "phone", "--role", "operator", "--camera", "cam1", "--days", "1")
    assert made.returncode == 0, made.stderr
    secret = made.stdout.strip()
    assert secret.startswith("plr_")
    assert secret not in made.stderr
    with TestClient(build(world.settings), base_url="http://127.0.0.1") as api:
        bearer = {"Authorization": f"Bearer {secret}"}
        assert api.get("/v2/video/session", headers=bearer).json()["cameras"] == ["cam1"]
        listed = run("keys", "list", "--json")
        assert secret not in listed.stdout
        (key,) = json.loads(listed.stdout)["items"]
        assert (key["name"], key["role"], key["revoked_at"]) == ("phone", "operator", None)
        assert key["last_used_at"] is not None
        assert "phone" in run("keys", "list").stdout
        assert run("keys", "revoke", "phone").returncode == 0
        assert api.get("/v2/video/session", headers=bearer).status_code == 401
    for arguments, named in (
        (("keys", "create", "phone"), "already"),
        (("keys", "create", "x", "--role", "emperor"), "emperor"),
        (("keys", "create", "x", "--camera", "a b"), "--camera"),
        (("keys", "create", "x", "--days", "0"), "--days"),
        (("keys", "revoke", "nobody"), "nobody"),
    ):
        refused = run(*arguments)
        assert (refused.returncode, refused.stdout) == (1, ""), arguments
        assert named in refused.stderr
        assert "Traceback" not in refused.stderr


def test_evidence_is_verified_from_the_terminal(world: World, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "evidence.zip"
    with TestClient(build(world.settings), base_url="http://127.0.0.1") as api:
        path.write_bytes(api.get(f"/v2/video/segments/{clip_of(world)}/export").content)
        key = api.get("/v2/video/signing-key").json()
    whole = run("verify", str(path), "--key", key["fingerprint"], "--json")
    assert whole.returncode == 0, whole.stderr
    report = json.loads(whole.stdout)
    assert (report["ok"], report["problems"], report["made_by"]) == (True, [], "local")
    unjudged = run("verify", str(path))
    assert (unjudged.returncode, "give --key" in unjudged.stdout) == (2, True)
    other = run("verify", str(path), "--key", "0000")
    assert other.returncode == 1
    assert "NOT as signed" in other.stdout
    path.write_bytes(path.read_bytes()[:-100])
    broken = run("verify", str(path))
    assert (broken.returncode, broken.stdout) == (1, "")
    assert "evidence.zip" in broken.stderr


def test_finding_from_the_terminal(world: World, run: Run) -> None:
    clip = ready(world, "cam1", 0, ["BOI23CD"])
    ready(world, "cam1", 50, ["ZZ999"])
    found = json.loads(run("segments", "list", "--plate", "80123CD", "--fuzzy", "--json").stdout)
    assert [item["id"] for item in found["items"]] == [str(clip)]
    assert "BOI23CD" in run("segments", "list", "--plate", "boi*").stdout
    refused = run("segments", "list", "--plate", "--")
    assert refused.returncode != 0


def test_the_first_key_is_told_of_before_it_is_made(run: Run) -> None:
    """Detectors on this machine that post without one are refused from then on; nobody who is no
    person is asked.
    """
    first = run("keys", "create", "phone", "--json")
    assert (first.returncode, "this is the first key" in first.stderr) == (0, True)
    assert "Authorization: Bearer" in first.stderr
    assert json.loads(first.stdout)["name"] == "phone"
    assert "first key" not in run("keys", "create", "tablet").stderr
    for name in ("phone", "tablet"):
        assert run("keys", "revoke", name).returncode == 0


@pytest.mark.parametrize(("answer", "made"), [("n\n", False), ("y\n", True)])
def test_a_person_is_asked(
    world: World, run: Run, monkeypatch: pytest.MonkeyPatch, answer: str, *, made: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(keys, "errors", PlainConsole(stderr=True, force_terminal=True))
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    done = run("keys", "create", "phone")
    assert "this is the first key" in done.stderr
    assert bool(world.database.fetch("SELECT FROM api_keys")) is made
    assert bool(done.stdout.strip()) is made
    assert (done.returncode == 0) is made


def test_a_clip_goes_where_it_is_wanted(world: World, run: Run, tmp_path: Path) -> None:
    clip = str(clip_of(world, plates=("AB 123",)))
    (tmp_path / "folder").mkdir()
    wanted: list[tuple[tuple[str, ...], str | None]] = [
        ((), f"{clip}.mp4"), (("-o", "a.mp4"), "a.mp4"), (("-o", "folder/b.mp4"), "folder/b.mp4"),
        (("-o", "folder"), None), (("-o", "."), None),
    ]  # fmt: skip
    for given, path in wanted:
        told = json.loads(run("segments", "get", clip, *given, "--json").stdout)
        assert Path(told["path"]).read_bytes() == CLIP
        if path is None:
            assert Path(told["path"]).parent == Path(given[-1])
            assert re.fullmatch(r"cam1_.*Z_AB123\.mp4", Path(told["path"]).name)
        else:
            assert told["path"] == path
    before = sorted(tmp_path.rglob("*"))
    for where, named in (
        ("nowhere/x.mp4", "there is no folder nowhere"),
        ("a.mp4/x", "there is no folder a.mp4"),
    ):
        refused = run("segments", "get", clip, "-o", where)
        assert (refused.returncode, named in refused.stderr) == (1, True)
    world.store.delete([world.segments.get(UUID(clip)).file_path])
    gone = run("segments", "get", clip, "-o", "c.mp4")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert sorted(tmp_path.rglob("*")) == before  # no part of it is left


def test_a_pipe_is_written_to_and_not_replaced(world: World, run: Run, tmp_path: Path) -> None:
    clip = str(clip_of(world))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    assert run("segments", "get", clip, "-o", "pipe").returncode == 0
    reader.join()
    assert read == [CLIP]
    assert pipe.is_fifo()


def test_standard_output_has_the_clip_and_nothing_else(world: World, run: Run) -> None:
    clip = str(clip_of(world))
    assert "--json: " in run("segments", "get", clip, "-o", "-", "--json").stderr
    argv = [sys.executable, "-m", "platereel", "segments", "get", clip, "-o", "-"]
    whole = subprocess.run(argv, capture_output=True, check=False)
    assert (whole.returncode, whole.stdout, whole.stderr) == (0, CLIP, b"")
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.read(4) == CLIP[:4]
        process.stdout.close()  # as `head -c 4` does
        assert process.stderr.read() == b""
    assert not list(Path().glob("-*"))


def test_the_version(run: Run) -> None:
    assert re.fullmatch(r"platereel \d+\.\d+\.\d+\n", run("--version").stdout)
