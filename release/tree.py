"""What is released: the version, the commit, and whether the tree may be released at all."""

from __future__ import annotations

import re
import subprocess
import tomllib
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHANGELOG = ROOT / "CHANGELOG.md"
UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## (?:\[)?([^\]\s]+)", re.MULTILINE)


class NotReleasableError(Exception):
    """Something is missing; each line of the text says what."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The checkout. revision: the commit; made_at: its time in epoch seconds, which counts for
    everything that is made of it, so that two builds of one commit are alike.
    """

    version: str
    revision: str
    made_at: int
    clean: bool


def tree() -> Tree:
    """Returns what the checkout is. Raises NotReleasableError without git."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    try:
        revision, made_at = _git("log", "-1", "--format=%H %ct").split()
        changed = _git("status", "--porcelain")
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotReleasableError(f"git does not tell the commit: {error}") from None
    return Tree(str(project["version"]), revision, int(made_at), not changed)


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(ROOT), *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def notes(changelog: str, heading: str) -> str:
    """Returns the section of a version, without its heading; empty where there is none."""
    found = list(_HEADING.finditer(changelog))
    for at, match in enumerate(found):
        if match[1] == heading:
            begin = changelog.find("\n", match.end()) + 1
            end = found[at + 1].start() if at + 1 < len(found) else len(changelog)
            return changelog[begin:end].strip() + "\n" if begin else ""
    return ""


def problems(here: Tree, changelog: str) -> list[str]:
    """Returns why a tree is no release; none where it is one."""
    found = []
    if not here.clean:
        found.append("the checkout has changes that are not committed")
    if not notes(changelog, here.version).strip():
        found.append(f"CHANGELOG.md has no section {here.version}")
    if notes(changelog, UNRELEASED).strip():
        found.append(
            f"CHANGELOG.md has changes under {UNRELEASED}: give them a version, there and in pyproject.toml"
        )
    return found
