"""What is released: a source archive and the wheel made from it, installed where nothing of the
checkout is seen.
"""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.deployment import Deployment, clean_environment
from tests.support.page_files import named_by
from tests.support.waiting import WAIT_SECONDS

ROOT = Path(__file__).parents[2]
RELEASED = ("pyproject.toml", "README.md", "LICENSE", "platereel", "services", "shared", "workers")
PAGE = ROOT / "services" / "api" / "page"
VERSION = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
# The compiler of the page's types reads these; no process of ours does.
OF_THE_COMPILER = {
    "services/api/package.json",
    "services/api/tsconfig.json",
    "services/api/page/api_types.d.ts",
}
PAGE_TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
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


@dataclass(frozen=True)
class Release:
    """Wheels: made from the tree, and from the source archive of the tree."""

    of_tree: Path
    of_archive: Path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """Both, made in a copy of what belongs to them."""
    folder = tmp_path_factory.mktemp("release")
    source, out, direct = folder / "source", folder / "out", folder / "direct"
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
    direct.mkdir()
    of_tree = build("build_wheel", source, direct)
    shutil.rmtree(source / "platereel.egg-info")  # else the archive is made from its list of files
    archive = build("build_sdist", source, out)
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    of_archive = build("build_wheel", folder / f"platereel-{VERSION}", out)
    assert sorted(path.name for path in out.glob("platereel*")) == [
        f"platereel-{VERSION}-py3-none-any.whl",
        f"platereel-{VERSION}.tar.gz",
    ]
    return Release(of_tree, of_archive)


@dataclass(frozen=True)
class Installed:
    """An environment that has our dependencies, the wheel, and nothing of the checkout."""

    site: Path
    python: Path

    @property
    def command(self) -> Path:
        return self.python.with_name("platereel")


@pytest.fixture(scope="module")
def installed(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("newcomer")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run(python, "-c", where, cwd=folder).strip())
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "-q", "--no-deps", "--no-index", release.of_archive, cwd=folder)
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return Installed(site, python)


@pytest.fixture(scope="module")
def running(installed: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """`platereel up` of that environment, away from the checkout."""
    folder = tmp_path_factory.mktemp("running")
    deployment = Deployment(folder / "site", CAMERA, program=(str(installed.command),), cwd=folder)
    try:
        deployment.start()
        yield deployment
    finally:
        deployment.stop()


def contents(wheel: Path) -> dict[str, bytes]:
    """What a wheel installs, by name."""
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist() if ".dist-info/" not in name}


def test_the_wheel_has_all_that_the_packages_have(release: Release) -> None:
    """A file that only the checkout has is missed by the first user."""
    ours = {
        str(path.relative_to(ROOT)): path.read_bytes()
        for package in ("platereel", "services", "shared", "workers")
        for path in (ROOT / package).rglob("*")
        # there Python writes under other names first, NAME.pyc.NUMBER
        if path.is_file() and "__pycache__" not in path.parts
    }
    needed = {name: data for name, data in ours.items() if name not in OF_THE_COMPILER}
    assert ours.keys() >= OF_THE_COMPILER
    for wheel in (release.of_tree, release.of_archive):
        packed = contents(wheel)
        assert packed.keys() == needed.keys()
        assert packed == needed


def test_a_newcomer_installs_it_and_starts(
    installed: Installed, running: Deployment, tmp_path: Path
) -> None:
    """--version, init and up, in an environment that has our dependencies and nothing of the
    checkout.
    """
    for package in ("platereel", "services.api", "shared", "workers"):
        shown = f"import {package} as it; print(it.__file__ or it.__path__)"
        assert str(installed.site) in run(installed.python, "-c", shown, cwd=tmp_path)
    assert run(installed.command, "--version", cwd=tmp_path).split() == ["platereel", VERSION]
    run(installed.command, "init", tmp_path / "platereel.yaml", cwd=tmp_path)
    check = ("config", "check", "--config", tmp_path / "platereel.yaml")
    run(installed.command, *check, cwd=tmp_path)
    assert running.get("/v2/video/cameras")["total"] == 1


def test_the_page_of_the_wheel_is_whole(running: Deployment) -> None:
    """The document, and all that it names and that this names in turn: modules, style, icon,
    manifest; each as a browser needs it, kept for ever, compressed once.
    """
    packed = {"Accept-Encoding": "gzip"}
    left, found = ["/"], set[str]()
    while left:
        path = left.pop()
        found.add(path)
        status, plain, headers = running.ask("GET", path)
        _, small, said = running.ask("GET", path, headers=packed)
        assert status == 200, path
        assert "content-encoding" not in headers
        assert said["content-encoding"] == "gzip"
        assert gzip.decompress(small) == plain, path
        assert len(small) < len(plain) or len(plain) < 400, path
        if path == "/":
            assert headers["content-type"] == "text/html; charset=utf-8"
            assert headers["cache-control"] == "no-cache"
        else:
            name = path.split("/", 3)[3]
            assert headers["content-type"] == PAGE_TYPES[name[name.rindex(".") :]]
            assert "immutable" in headers["cache-control"]
            assert plain == (PAGE / name).read_bytes()
        left += sorted(
            urlsplit(each).path
            for each in named_by(path, plain.decode())
            if urlsplit(each).path not in {*found, *left}
        )
    names = {path.split("/", 3)[3] for path in found - {"/"}}
    served = {
        path.relative_to(PAGE).as_posix()
        for path in PAGE.rglob("*")
        if path.is_file() and path.suffix in PAGE_TYPES
    }
    assert names == served


def test_the_newest_release_of_the_changelog_is_this_version() -> None:
    """Above it is at most what has not been released yet."""
    lines = (ROOT / "CHANGELOG.md").read_text().splitlines()
    first, *others = [line for line in lines if line.startswith("## ")]
    released = others[0] if first == "## Unreleased" else first
    assert released.startswith(f"## {VERSION} - ")
