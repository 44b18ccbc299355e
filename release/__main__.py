"""Builds the image (`image`), or everything that a release consists of (`all`)."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from release import image, parts
from release.tree import (
    CHANGELOG,
    ROOT,
    UNRELEASED,
    NotReleasableError,
    Tree,
    notes,
    problems,
    tree,
)

NOTES = "NOTES.md"


def make(folder: Path, *, draft: bool, with_image: bool) -> Path:
    """Make everything into a folder of the version below `folder`. Returns it.

    draft: of a tree that is no release, with the notes of what is unreleased.
    """
    here, changelog = tree(), CHANGELOG.read_text(encoding="utf-8")
    wrong = [] if draft else problems(here, changelog)
    if wrong:
        raise NotReleasableError("\n".join([*wrong, "to try it all the same: --draft"]))
    parts.check_tools()
    target = folder / f"platereel-{here.version}{'-draft' if draft else ''}"
    making = folder / f".{target.name}.new"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    told = notes(changelog, here.version)
    (making / NOTES).write_text(
        (notes(changelog, UNRELEASED) or told) if draft else told, encoding="utf-8"
    )
    parts.packages(here, making)
    parts.bills_of_materials(here, making)
    parts.chart(here, making)
    if with_image:
        _add_image(here, making)
    parts.checksums(making)
    shutil.rmtree(target, ignore_errors=True)
    making.rename(target)
    return target


def _add_image(here: Tree, folder: Path) -> None:
    """Add the image where there is an engine; a release without one says so."""
    try:
        program = image.engine()
    except NotReleasableError as error:
        print(f"without the image: {error}", file=sys.stderr)
        return
    image.save(program, image.build(program, here), folder / f"platereel-{here.version}-image.tar")


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    built = commands.add_parser("image", help="build the image")
    built.add_argument("options", nargs="*", help="more for `build`, after --")
    whole = commands.add_parser("all", help="make everything")
    whole.add_argument("--draft", action="store_true", help="of a tree that is no release")
    whole.add_argument("--no-image", action="store_true", help="leave the image out")
    whole.add_argument("--folder", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    try:
        if given.command == "image":
            print(f"built {image.build(image.engine(), tree(), given.options)}")
        else:
            target = make(given.folder, draft=given.draft, with_image=not given.no_image)
            print(f"made {target}:", *sorted(path.name for path in target.iterdir()), sep="\n  ")
    except NotReleasableError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{Path(str(error.cmd[0])).name} ended with status {error.returncode}")


if __name__ == "__main__":
    main()
