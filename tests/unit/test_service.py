"""`platereel service install`: the unit, where it goes, and what is refused."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from platereel.cli import main, service
from platereel.embedded.notify import READY, ServiceManager
from platereel.embedded.stack import (
    DRAIN_SECONDS,
    STOP_CAMERAS_SECONDS,
    STOP_SERVERS_SECONDS,
    STOP_SERVICES_SECONDS,
)
from platereel.embedded.unit import STOP_SECONDS, UnitPlan, unit_text
from shared.domain.errors import BadInput
from tests.support.commands import COMMAND, Done

Install = Callable[..., Done]
ROOT_ALONE = pytest.mark.skipif(os.geteuid() != 0, reason="only root writes the system's units")


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Install:
    """The command in a folder of its own, which has the units too."""
    monkeypatch.setattr("platereel.cli.app", COMMAND)
    monkeypatch.setattr(service, "SYSTEM_FOLDER", tmp_path / "system")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))
    monkeypatch.chdir(tmp_path)
    Path("platereel.yaml").write_text("cameras: {gate: {source: 'push:'}}\n")

    def run(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["platereel", "service", "install", *arguments])
        code: object = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        said = capsys.readouterr()
        failed = isinstance(code, str)
        return Done(
            1 if failed else int(str(code or 0)), said.out, said.err + (str(code) if failed else "")
        )

    return run


def directives(text: str) -> dict[str, str]:
    pairs = [line.partition("=") for line in text.splitlines() if line[:1].isalpha()]
    assert len({name for name, _, _ in pairs}) == len(pairs) or "After" in text
    return {name: value for name, _, value in pairs}


def a_plan(**change: object) -> UnitPlan:
    plan: dict[str, object] = {
        "config": Path("/etc/site.yaml"), "data": Path("/var/lib/site"), "environment": Path("/etc/site.env"),
        "system": True, "user": "site",
    }  # fmt: skip
    return UnitPlan(**plan | change)  # type: ignore[arg-type]


def test_recordings_are_closed_before_anything_is_killed() -> None:
    told = directives(unit_text(a_plan()))
    assert told["KillMode"] == "mixed"
    budget = STOP_CAMERAS_SECONDS + DRAIN_SECONDS + STOP_SERVICES_SECONDS + STOP_SERVERS_SECONDS
    assert int(told["TimeoutStopSec"]) == STOP_SECONDS >= 2 * budget
    assert told["OOMPolicy"] == "continue"


def test_paths_are_words_whatever_is_in_them() -> None:
    text = unit_text(
        a_plan(
            data=Path("/srv/100% sure"), config=Path('/etc/a"b$c\\d;.yaml'), writable=[Path("/w x")]
        )
    )
    told = directives(text)
    assert told["ExecStart"].endswith(
        ' --config "/etc/a\\"b$$c\\\\d;.yaml" --data "/srv/100%% sure"'
    )
    assert told["ReadWritePaths"] == '"/srv/100%% sure" "/w x"'
    with pytest.raises(BadInput, match="control characters"):
        unit_text(a_plan(data=Path("/srv/a\nExecStart=/bin/sh")))


def test_a_unit_has_the_rights_that_it_needs() -> None:
    told = directives(unit_text(a_plan()))
    assert (told["User"], told["CapabilityBoundingSet"]) == ("site", "")
    assert "AmbientCapabilities" not in told
    low = directives(unit_text(a_plan(low_port=True)))
    assert low["AmbientCapabilities"] == low["CapabilityBoundingSet"] == "CAP_NET_BIND_SERVICE"
    # PostgreSQL is hidden from uid 0 by a namespace
    assert "RestrictNamespaces" not in directives(unit_text(a_plan(user="root")))
    own = directives(unit_text(a_plan(system=False, user="")))
    assert not own.keys() & {"User", "ProtectSystem", "ReadWritePaths"}
    assert own["NoNewPrivileges"] == "yes"


def test_its_tmp_is_its_own_unless_it_needs_the_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/platereel/bin/python")
    assert directives(unit_text(a_plan()))["PrivateTmp"] == "yes"
    assert "PrivateTmp" not in directives(unit_text(a_plan(data=Path("/tmp/data"))))


def test_it_is_printed_unless_told_to_be_written(install: Install, tmp_path: Path) -> None:
    printed = install("--user", "--print")
    assert printed.returncode == 0
    told = directives(printed.stdout)
    assert told["ExecStart"].endswith(f"--config {tmp_path}/platereel.yaml --data {tmp_path}/data")
    assert told["EnvironmentFile"] == f"-{tmp_path}/platereel.env"
    assert "systemctl --user daemon-reload" in printed.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["platereel.yaml"]


def test_it_is_written_once_and_another_only_by_force(install: Install, tmp_path: Path) -> None:
    unit = tmp_path / "own" / "systemd" / "user" / "yard.service"
    written = install("--user", "--name", "yard", "--json")
    told = json.loads(written.stdout)
    assert (told["path"], told["written"]) == (str(unit), True)
    assert told["unit"] == unit.read_text()
    assert "systemctl --user enable --now yard" in told["next"]
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    again = install("--user", "--name", "yard")
    assert (again.returncode, "unchanged" in again.stdout) == (0, True)
    other = install("--user", "--name", "yard", "--port", "9000")
    assert (other.returncode, other.stdout) == (1, "")
    assert "--force" in other.stderr
    assert unit.read_text() == told["unit"]
    assert install("--user", "--name", "yard", "--port", "9000", "--force").returncode == 0
    assert "--port 9000" in unit.read_text()
    assert [path.name for path in unit.parent.iterdir()] == ["yard.service"]


def test_folders_of_the_file_can_be_written_to(install: Install) -> None:
    Path("platereel.yaml").write_text(
        "work_dir: /srv/work\npulse_file: /run/x/pulse\nstorage_url: file:///srv/clips/data\n"
        "api: {port: 443}\n"
    )
    told = directives(install("--system", "--print", "--run-as", "root").stdout)
    assert told["ReadWritePaths"].split()[1:] == ["/srv/work", "/run/x", "/srv/clips"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--user", "--system"), "--system"),
        (("--user", "--name", "../x"), "--name"),
        (("--user", "--name", ".."), "--name"),
        (("--user", "--storage", "tape"), "--storage"),
        (("--user", "--config", "none.yaml"), "none.yaml"),
        (("--user", "--environment", "none.env"), "none.env"),
        (("--system", "--run-as", "no-such-user-here"), "no-such-user-here"),
        (("--system",), "say who it runs as"),
    ],
)
def test_what_it_refuses(
    install: Install, tmp_path: Path, arguments: list[str], named: str
) -> None:
    refused = install(*arguments)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert named in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["platereel.yaml"]


@ROOT_ALONE
def test_a_data_folder_of_somebody_else_is_refused(install: Install) -> None:
    Path("data").mkdir()
    os.chown("data", 1, 1)
    refused = install("--system", "--run-as", "games")
    assert "--data: data is daemon's: chown -R games data" in refused.stderr
    assert "User=daemon\n" in install("--system", "--print").stdout


@ROOT_ALONE
def test_a_user_who_cannot_read_the_configuration_is_refused(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("platereel.yaml").chmod(0o600)
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    refused = install("--system", "--run-as", "games")
    assert "games cannot " in refused.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["platereel.yaml"]


def test_the_manager_is_told_and_children_are_not_its_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        told = ServiceManager()
        assert told.there
        assert "NOTIFY_SOCKET" not in os.environ
        told.tell(READY)
        assert manager.recv(100) == b"READY=1"
    told.tell(READY)  # nobody listens any more
    assert not ServiceManager().there
