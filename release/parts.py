"""Files of a release that need no engine: packages, the lists of what is in them, checksums."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from release.tree import ROOT, NotReleasableError, Tree

# What each list is of, by its lock. The image's has no packages of its Debian base.
LOCKS = {"": "runtime.txt", "-image": "image.txt"}
NEEDED = {"build": "build", "cyclonedx_py": "cyclonedx-bom"}
CHECKSUMS = "SHA256SUMS"
CHART = ROOT / "deploy" / "helm" / "platereel"


def check_tools() -> None:
    """Raises NotReleasableError where a tool is not installed."""
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    if missing:
        raise NotReleasableError(f"{', '.join(missing)}: not installed; `make tools` does that")


def _made_of(here: Tree) -> dict[str, str]:
    return os.environ | {"SOURCE_DATE_EPOCH": str(here.made_at)}


def packages(here: Tree, folder: Path) -> None:
    """Make the source archive, and the wheel from it, by the locked backend of this environment."""
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        env=_made_of(here),
        stdout=subprocess.DEVNULL,
    )


def bills_of_materials(here: Tree, folder: Path) -> None:
    """Write the CycloneDX lists of what is locked, with hashes.

    A lock is flat: it does not say which package needs which, and the library warns of that.
    """
    for suffix, lock in LOCKS.items():
        target = folder / f"platereel-{here.version}{suffix}.cdx.json"
        subprocess.run(
            [
                sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(ROOT / "requirements" / lock),
                "--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible", "--spec-version", "1.6",
                "--output-format", "JSON", "--output-file", str(target),
            ],
            check=True,
            env=_made_of(here),
        )  # fmt: skip


def chart(here: Tree, folder: Path) -> None:
    """Pack the Helm chart, where Helm is (Linux on x86-64). Its own name for the file would be all
    but that of the source archive.
    """
    if find_spec("helm_python") is not None:
        import_module("helm_python").package(str(CHART), destination=str(folder))
        packed = folder / f"platereel-{here.version}.tgz"
        packed.rename(folder / f"platereel-chart-{here.version}.tgz")


def checksums(folder: Path) -> None:
    """Write what `sha256sum --check` reads, of every other file."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name != CHECKSUMS:
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    (folder / CHECKSUMS).write_text("".join(lines), encoding="ascii")
