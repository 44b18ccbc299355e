"""No argument of any command ends in a traceback, or makes it tell a secret."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from platereel.cli import main
from platereel.wiring import Desk, desk
from shared.domain.errors import Permanent
from tests.support.archives import genuine
from tests.support.commands import COMMAND
from tests.support.world import World

EXAMPLE = ("segments", "list")
UUID = "01980a52-0000-7000-8000-000000000000"
NEEDED = {
    "path": "new.yaml",
    "segment": UUID,
    "camera": "cam",
    "name": "somebody",
    "file": "evidence.zip",
    "pass_id": UUID,
    "plate": "AB123CD",
    "list_": "nobody",
    "what": "confirmed",
}
WORDS = [
    "", " ", "-1", "0", "nan", "inf", "-inf", "1e300", "9" * 400, "\udcff", "\x1b[2J", "\u202e", "[/]", "{}%s", "a\nb",
    "..", "../../x y", "x" * 5000, "/dev/null/x", "/dev/null", ".", "binary", "nowhere/x",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01", "9999", "1x99999999999999999999",
]  # fmt: skip
SETTINGS = [
    "cameras: &a [*a]", "cameras: &a {x: *a}", "[" * 5000, "{a: " * 3000, "x: " + "9" * 5000, "? [a]\n: b", "- a",
    "\x00", "a: 2024-13-45", "2024-13-45: a", "!!python/object/apply:os.system [x]", "a: !!int x", "~", "7",
    "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]),
]  # fmt: skip
RUNS = ["", "[", "[]", "{}", "7", "\x00", "[" * 5000, '{"database_url": 1}', "\udcff"]


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    inner = getattr(command, "commands", {})
    for name, each in inner.items():
        yield from leaves(each, (*path, name))
    if not inner:
        yield path, command


COMMANDS = dict(leaves(COMMAND))


def arguments(words: tuple[str, ...], wrong: Any, value: str) -> list[str]:
    """A call with one wrong value; what else is needed is right."""
    plain = [each for each in COMMANDS[words].params if each.param_type_name == "argument"]
    given = [value if each is wrong else NEEDED[str(each.name)] for each in plain]
    before = [f"{wrong.opts[0]}={value}"] if wrong.param_type_name == "option" else ["--"]
    return [*words, *before, *given]


class Told:
    """What a command said, and with which status it ended."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        secrets: list[str],
    ) -> None:
        self._monkeypatch, self._capsys, self._secrets = monkeypatch, capsys, secrets

    def __call__(self, *given: str) -> str:
        self._monkeypatch.setattr(sys, "argv", ["platereel", *given])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = "".join(self._capsys.readouterr()) + (code if isinstance(code, str) else "")
        assert "Traceback" not in said, given
        assert not [secret for secret in self._secrets if secret in said], given
        assert all(each.isprintable() or each == "\n" for each in said), (given, said)
        return said


@pytest.fixture
def at_desk(world: World) -> Iterator[Desk]:
    """Clients that are open once for all calls."""
    with desk(world.settings) as opened:
        yield opened


@pytest.fixture
def told(
    at_desk: Desk,
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Told:
    """Commands in a folder of their own, on real servers; what would go on for ever ends where it
    would begin.
    """
    secrets = []
    for name in ("database_url", "frames_url", "broker_url", "storage_url"):
        url = getattr(world.settings, name).get_secret_value()
        monkeypatch.setenv(f"PLATEREEL_{name.upper()}", url)
        secrets.append(url.rpartition("@")[0].rpartition(":")[2])

    @contextmanager
    def open_desk(_: object) -> Iterator[Desk]:
        yield at_desk

    def enough(*_: object, **__: object) -> None:
        raise Permanent("enough")

    for service in ("capture", "detection", "dispatch", "api"):
        monkeypatch.setattr(f"services.{service}.__main__.main", enough)
    for place in ("platereel.cli.processes", "platereel.cli.up", "platereel.cli.demo"):
        monkeypatch.setattr(f"{place}.stop_event", lambda *_: threading.Event())
    monkeypatch.setattr("platereel.embedded.stack.Stack._start_servers", enough)
    monkeypatch.setattr("platereel.cli.beginnings.configure", lambda *_: None)
    monkeypatch.setattr("platereel.cli.processes.count", enough)
    monkeypatch.setattr("platereel.cli.demo.configure", lambda *_: None)
    monkeypatch.setattr("platereel.cli.doctor.configure", lambda *_: None)
    monkeypatch.setattr("platereel.cli.plan.configure", lambda *_: None)
    monkeypatch.setattr("platereel.diagnosis.codecs", lambda _: iter(()))
    monkeypatch.setattr("platereel.wiring.desk", open_desk)
    monkeypatch.setattr("platereel.cli.app", COMMAND)
    here = tmp_path / "two" / "below"  # `../../x y` is a file of this test, too
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    Path("platereel.yaml").write_text("cameras: {cam: {source: 'push:'}}\n")
    Path("binary").write_bytes(bytes(range(256)))
    Path("evidence.zip").write_bytes(genuine())
    return Told(monkeypatch, capsys, secrets)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_takes_any_value(told: Told, words: tuple[str, ...]) -> None:
    # read by the same code in every command
    common = set() if words == EXAMPLE else {"config", "data"}
    for each in COMMANDS[words].params:
        if getattr(each, "is_flag", False) or each.name in common:
            continue
        for value in WORDS:
            told(*arguments(words, each, value))
            with suppress(FileNotFoundError):
                Path("new.yaml").unlink()


@pytest.mark.parametrize("text", SETTINGS, ids=range(len(SETTINGS)))
def test_any_configuration(told: Told, text: str) -> None:
    Path("other.yaml").write_text(text)
    said = told("config", "check", "--config", "other.yaml")
    assert said.startswith("platereel: other.yaml") or text == "~"
    assert told("up", "--config", "other.yaml").startswith("platereel: other.yaml")


@pytest.mark.parametrize("text", RUNS, ids=range(len(RUNS)))
def test_any_data_folder(told: Told, text: str) -> None:
    Path("data").mkdir()
    Path("data/run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "data/run.json: was not written by platereel" in told(
        "segments", "list", "--data", "data"
    )
    assert "evidence.zip/run.json: nothing runs" in told(
        "segments", "list", "--data", "evidence.zip"
    )
    assert "/dev/null/x" in told("up", "--data", "/dev/null/x")
    assert "evidence.zip" in told("up", "--data", "evidence.zip")
    assert "evidence.zip" in told("demo", "--data", "evidence.zip")


def test_what_may_not_be_read(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may read everything, so the refusal is made up."""

    def refused(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    for name in ("open", "read_bytes", "mkdir"):
        monkeypatch.setattr(Path, name, refused)
    assert "platereel.yaml: cannot be read: Permission denied" in told("config", "check")
    assert "locked/run.json: cannot be read: Permission denied" in told(
        "keys", "list", "--data", "locked"
    )
    assert "evidence.zip: cannot be read: Permission denied" in told("verify", "evidence.zip")


def test_what_is_refused_and_by_which_words(told: Told) -> None:
    for given, named in (
        (("keys", "create", "x", "--days", "nan"), "--days: more than 0"),
        (("keys", "create", "x", "--days", "1e300"), "--days: more than 0"),
        (("keys", "create", "x", "--days=-1"), "--days: more than 0"),
        (("keys", "create", ""), "name: ''"),
        (("keys", "create", ".."), "name: '..'"),
        (("keys", "create", "../../x y"), "name: '../../x y'"),
        (("trigger", "cam", "--at", "0001-01-01T00:00:00+14:00"), "captured_at: no such time"),
        (("trigger", "cam", "--at", "9999-12-31T23:59:59-14:00"), "captured_at: no such time"),
    ):
        assert named in told(*given), given
    assert json.loads(told("keys", "list", "--json"))["total"] == 0
