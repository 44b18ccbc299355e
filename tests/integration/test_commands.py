"""keys, verify and a search from the terminal, on a database and a store of their own."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from platereel.cli import main
from services.api.wiring import build
from tests.integration.test_serving import clip_of
from tests.support.rows import ready
from tests.support.world import World


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture
def run(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`platereel …` with the world's addresses, in this process: starting twenty would take most of the time."""
    settings = world.settings
    urls = {
        "PLATEREEL_DATABASE_URL": settings.database_url, "PLATEREEL_FRAMES_URL": settings.frames_url,
        "PLATEREEL_BROKER_URL": settings.broker_url, "PLATEREEL_STORAGE_URL": settings.storage_url,
    }  # fmt: skip
    for name, url in urls.items():
        assert url is not None
        monkeypatch.setenv(name, url.get_secret_value())
    monkeypatch.chdir(tmp_path)

    def platereel(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["platereel", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        code = ended.value.code
        if isinstance(code, str):  # what the interpreter prints for it
            return Done(1, said.out, said.err + code)
        return Done(code or 0, said.out, said.err)

    return platereel


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
