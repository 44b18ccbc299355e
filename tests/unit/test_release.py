"""What `make release` and `make image` find out before they make anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from release import image, parts
from release.__main__ import make
from release.tree import CHANGELOG, NotReleasableError, Tree, notes, problems, tree
from tests.support.chaos import FULL

TEXT = "# Changelog\n\n## Unreleased\n\n## [1.2.0] - 2026-01-01\n### Added\n- One.\n\n## 1.1.0\n- Two.\n"
HERE = Tree(version="1.2.0", revision="abc", made_at=1_767_225_600, clean=True)


def programs(folder: Path, monkeypatch: pytest.MonkeyPatch, **scripts: str) -> None:
    """PATH has these programs and nothing else."""
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_notes_are_the_versions_section() -> None:
    assert notes(TEXT, "1.2.0") == "### Added\n- One.\n"
    assert notes(TEXT, "1.1.0") == "- Two.\n"
    assert notes(TEXT, "1.2") == ""
    assert notes(TEXT, "Unreleased").strip() == ""
    assert notes(CHANGELOG.read_text(), "0.1.0").startswith("The first release.")


def test_a_tree_that_is_no_release_is_told_why() -> None:
    assert problems(HERE, TEXT) == []
    dirty = Tree(version="2.0.0", revision="abc", made_at=0, clean=False)
    changed = TEXT.replace("## Unreleased\n", "## Unreleased\n- Three.\n")
    (commit, section, unreleased) = problems(dirty, changed)
    assert "not committed" in commit
    assert "2.0.0" in section
    assert "Unreleased" in unreleased


def test_no_engine_is_named_with_what_is_wrong_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs(tmp_path, monkeypatch, docker="exit 1")
    with pytest.raises(NotReleasableError) as told:
        image.engine()
    assert "docker is installed, but its engine does not answer" in str(told.value)
    assert "podman is not installed" in str(told.value)
    programs(tmp_path, monkeypatch, podman="exit 0")
    assert image.engine() == "podman"


def test_the_image_says_what_it_is_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch, docker=f'echo "$PWD" "$@" >> {tmp_path}/said')
    assert image.build("docker", HERE, ["--no-cache"]) == "platereel:1.2.0"
    image.save("docker", "platereel:1.2.0", tmp_path / "image.tar")
    built, saved = (tmp_path / "said").read_text().splitlines()
    for words in (
        "--file deploy/Dockerfile", "--tag platereel:1.2.0", "--tag platereel:local", "--no-cache .",
        "--label org.opencontainers.image.version=1.2.0", "--label org.opencontainers.image.revision=abc",
        "--label org.opencontainers.image.created=2026-01-01T00:00:00+00:00",
    ):  # fmt: skip
        assert words in built, words
    assert saved.endswith(f"save --output {tmp_path}/image.tar platereel:1.2.0")


def test_checksums_are_what_sha256sum_checks(tmp_path: Path) -> None:
    for name in ("a.whl", "b.tar.gz"):
        (tmp_path / name).write_text(name)
    parts.checksums(tmp_path)
    told = subprocess.run(
        ["sha256sum", "--strict", "--check", "SHA256SUMS"], cwd=tmp_path, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert told.stdout == "a.whl: OK\nb.tar.gz: OK\n"


def test_without_git_there_is_no_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    programs(tmp_path, monkeypatch)
    with pytest.raises(NotReleasableError, match="git"):
        tree()


@pytest.mark.skipif(not FULL, reason="half a minute; make chaos runs it")
def test_a_draft_has_everything_and_is_the_same_each_time(tmp_path: Path) -> None:
    pytest.importorskip("cyclonedx_py", reason="make tools adds it")
    first, second = (make(tmp_path / name, draft=True, with_image=False) for name in ("one", "two"))
    version = tree().version
    assert {path.name for path in first.iterdir()} >= {
        "NOTES.md", "SHA256SUMS", f"platereel-{version}-py3-none-any.whl", f"platereel-{version}.tar.gz",
        f"platereel-{version}.cdx.json", f"platereel-{version}-image.cdx.json",
    }  # fmt: skip
    same = {
        path.name
        for path in first.iterdir()
        if path.read_bytes() == (second / path.name).read_bytes()
    }
    assert same >= {f"platereel-{version}-py3-none-any.whl", f"platereel-{version}.cdx.json"}
