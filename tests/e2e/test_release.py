"""What is released: a source archive and the wheel made from it, installed where nothing of the
checkout is seen.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.deployment import Deployment, clean_environment
from tests.support.waiting import WAIT_SECONDS

ROOT = Path(__file__).parents[2]
RELEASED = ("pyproject.toml", "README.md", "LICENSE", "platereel", "services", "shared", "workers")
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
CAMERA = 'cameras: {gate: {source: "synthetic:numbered?size=320x180", detect: false}}\n'


def run(*arguments: str | Path, cwd: Path) -> str:
    """Run a program away from the checkout. Returns what it printed."""
    done = subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
        cwd=cwd,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(what: str, source: Path, out: Path) -> Path:
    """Call the locked build backend, as pip and other builders do. Returns what it made."""
    call = f"import sys; from setuptools import build_meta; build_meta.{what}(sys.argv[1])"
    run(sys.executable, "-c", call, out, cwd=source)
    (made,) = out.glob("*.tar.gz" if what == "build_sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is made from the source archive, in a copy of what belongs to it."""
    folder = tmp_path_factory.mktemp("release")
    source, out = folder / "source", folder / "out"
    source.mkdir()
    for name in RELEASED:
        where = ROOT / name
        if where.is_dir():
            shutil.copytree(
                where, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
            )
        else:
            shutil.copy(where, source / name)
    out.mkdir()
    archive = build("build_sdist", source, out)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    build("build_wheel", folder / f"platereel-{VERSION}", out)
    assert sorted(path.name for path in out.glob("platereel*")) == [
        f"platereel-{VERSION}-py3-none-any.whl",
        f"platereel-{VERSION}.tar.gz",
    ]
    return out / f"platereel-{VERSION}-py3-none-any.whl"


def test_the_wheel_has_all_that_the_packages_have(wheel: Path) -> None:
    """A file that only the checkout has is missed by the first user."""
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    ours = {
        str(path.relative_to(ROOT))
        for package in ("platereel", "services", "shared", "workers")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert packed == ours


def test_a_newcomer_installs_it_and_starts(wheel: Path, tmp_path: Path) -> None:
    """--version, init and up, in an environment that has our dependencies and nothing of the
    checkout.
    """
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    site = Path(
        run(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=tmp_path
        ).strip()
    )
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "-q", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")

    assert str(site) in run(
        python, "-c", "import platereel; print(platereel.__file__)", cwd=tmp_path
    )
    command = python.with_name("platereel")
    assert run(command, "--version", cwd=tmp_path).split() == ["platereel", VERSION]
    run(command, "init", tmp_path / "platereel.yaml", cwd=tmp_path)
    run(command, "config", "check", "--config", tmp_path / "platereel.yaml", cwd=tmp_path)
    running = Deployment(tmp_path / "site", CAMERA, program=(str(command),), cwd=tmp_path)
    try:
        running.start()
        assert running.get("/v2/video/cameras")["total"] == 1
    finally:
        running.stop()


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    """Above it is at most what has not been released yet."""
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    first, *others = [line for line in lines if line.startswith("## ")]
    released = others[0] if first == "## Unreleased" else first
    assert released.startswith(f"## {VERSION} - ")
