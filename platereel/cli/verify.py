"""verify: whether an evidence archive is what was signed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from platereel.cli.context import JsonOption, console, errors, print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Clips")(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="The archive.")],
    key: Annotated[str | None, typer.Option(help="Public key or fingerprint that it must be signed with.")] = None,
    json: JsonOption = False,
) -> None:
    """Check an evidence archive: its signature, and every file in it. Exit status 0 only when all is as signed."""
    from platereel.verification import verify as check

    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=errors, transient=True
    ) as bars:
        bar = bars.add_task(file.name, total=None)
        verdict = check(file, key, lambda done, total: bars.update(bar, completed=done, total=total))
    manifest = verdict.manifest
    if json:
        print_json(
            {
                "ok": not verdict.problems, "problems": verdict.problems, "fingerprint": verdict.fingerprint,
                "public_key": manifest.public_key, "deployment": manifest.deployment, "segment": manifest.segment,
                "made_at": manifest.made_at, "made_by": manifest.made_by,
                "files": [{"name": f.name, "bytes": f.size_bytes, "sha256": f.sha256} for f in manifest.files],
            }
        )  # fmt: skip
    else:
        for problem in verdict.problems:
            console.print(problem, markup=False, highlight=False)
        told = "NOT as signed" if verdict.problems else "as signed"
        made = f"made {manifest.made_at} by {manifest.made_by}, key {verdict.fingerprint}"
        line = f"{told}: segment {manifest.segment}, {made}"
        console.print(line, markup=False, highlight=False, soft_wrap=True)
        if key is None and not verdict.problems:
            console.print("whose key that is, the archive cannot say: compare the fingerprint, or give --key")
    if verdict.problems:
        raise typer.Exit(1)
