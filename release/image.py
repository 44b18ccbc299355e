"""The container image, by docker or podman."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from release.tree import ROOT, NotReleasableError, Tree

ENGINES = ("docker", "podman")
NAME = "platereel"
ANSWER_SECONDS = 30


def engine() -> str:
    """Returns the first engine that answers. Raises NotReleasableError, which says what is
    missing.
    """
    missing = []
    for name in ENGINES:
        if shutil.which(name) is None:
            missing.append(f"{name} is not installed")
        elif not _answers(name):
            missing.append(f"{name} is installed, but its engine does not answer ({name} info)")
        else:
            return name
    raise NotReleasableError(f"no image without a container engine: {'; '.join(missing)}")


def _answers(name: str) -> bool:
    try:
        done = subprocess.run(
            [name, "info"], check=False, capture_output=True, timeout=ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def build(program: str, here: Tree, more: Sequence[str] = ()) -> str:
    """Build the image. Returns its name with the version."""
    made = datetime.fromtimestamp(here.made_at, UTC).isoformat()
    labels = {
        "title": NAME,
        "version": here.version,
        "revision": here.revision if here.clean else f"{here.revision}-changed",
        "created": made,
        "licenses": "Apache-2.0",
    }
    tag = f"{NAME}:{here.version}"
    subprocess.run(
        [
            program, "build", "--file", "deploy/Dockerfile", "--tag", tag, "--tag", f"{NAME}:local",
            *(word for key, value in labels.items() for word in ("--label", f"org.opencontainers.image.{key}={value}")),
            *more, ".",
        ],
        check=True,
        cwd=ROOT,
    )  # fmt: skip
    return tag


def save(program: str, tag: str, target: Path) -> None:
    """Write an image into a file that `load` reads."""
    subprocess.run([program, "save", "--output", str(target), tag], check=True)
