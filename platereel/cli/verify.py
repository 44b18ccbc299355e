"""verify: whether an evidence archive, or an exported access log, is what was signed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from platereel.cli.context import JsonOption, console, errors, plain, print_json
from shared.wire.incident_evidence import IncidentManifest

if TYPE_CHECKING:
    from platereel.log_verification import LogVerdict
    from platereel.verification import Verdict
    from shared.wire.evidence import Manifest
    from shared.wire.signed_lines import Seal


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Clips")(verify)


def verify(
    file: Annotated[Path, typer.Argument(help="The archive, or the log.")],
    key: Annotated[
        str | None, typer.Option(help="Public key or fingerprint that it must be signed with.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Check an evidence archive or an exported access log: its signature, and all that it signs.

    Exit status 0: everything is as it was signed with the given key. 1: something is not. 2:
    nothing is wrong, but without --key nobody knows whose archive this is.
    """
    from platereel.log_verification import is_archive, verify_log
    from platereel.verification import verify as verify_archive

    check = verify_archive if is_archive(file) else verify_log
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        bar = bars.add_task(plain(file.name), total=None)
        verdict = check(
            file, key, lambda done, total: bars.update(bar, completed=done, total=total)
        )
    if json:
        print_json(_as_json(verdict))
    else:
        _say(verdict)
    if verdict.ok is not True:
        raise typer.Exit(1 if verdict.problems else 2)


def _as_json(verdict: Verdict | LogVerdict) -> dict[str, object]:
    if not hasattr(verdict, "manifest"):
        seal = verdict.seal
        return {
            "ok": verdict.ok, "problems": verdict.problems, "fingerprint": verdict.fingerprint,
            "public_key": seal.public_key, "deployment": seal.deployment, "made_at": seal.made_at,
            "made_by": seal.made_by, "asked": dict(seal.asked), "lines": seal.lines,
        }  # fmt: skip
    if isinstance(verdict.manifest, IncidentManifest):
        return _incident_as_json(verdict, verdict.manifest)
    manifest, redaction = verdict.manifest, verdict.manifest.redaction
    return {
        "ok": verdict.ok, "problems": verdict.problems, "fingerprint": verdict.fingerprint,
        "public_key": manifest.public_key, "deployment": manifest.deployment, "segment": manifest.segment,
        "made_at": manifest.made_at, "made_by": manifest.made_by,
        "files": [{"name": f.name, "bytes": f.size_bytes, "sha256": f.sha256} for f in manifest.files],
        "has_clip": manifest.has_clip,
        "clip_sha256": None if manifest.clip is None else manifest.clip.sha256,
        "overlay": None if manifest.overlay is None else asdict(manifest.overlay),
        "redaction": None if redaction is None else {**asdict(redaction), "complete": redaction.complete},
    }  # fmt: skip


def _incident_as_json(
    verdict: Verdict | LogVerdict, manifest: IncidentManifest
) -> dict[str, object]:
    return {
        "ok": verdict.ok, "problems": verdict.problems, "fingerprint": verdict.fingerprint,
        "public_key": manifest.public_key, "deployment": manifest.deployment, "title": manifest.title,
        "made_at": manifest.made_at, "made_by": manifest.made_by,
        "clips": [
            {"segment": each.segment, "folder": each.folder, "clip_sha256": each.clip.sha256} for each in manifest.clips
        ],
        "files": [{"name": f.name, "bytes": f.size_bytes, "sha256": f.sha256} for f in manifest.files],
    }  # fmt: skip


def _say(verdict: Verdict | LogVerdict) -> None:
    """Print a line for each problem, then the verdict.

    A line break inside text of the archive is escaped.
    """
    for problem in verdict.problems:
        console.print(plain(problem, keep=""), highlight=False, soft_wrap=True)
    told = {True: "as signed", False: "NOT as signed", None: "not judged"}[verdict.ok]
    if hasattr(verdict, "manifest"):
        facts: Manifest | IncidentManifest | Seal = verdict.manifest
        what = _what(verdict.manifest)
    else:
        facts, what = verdict.seal, f"{verdict.seal.lines} lines of the access log"
    made = f"made {facts.made_at} by {facts.made_by}, key {verdict.fingerprint}"
    console.print(
        plain(f"{told}: {what}, {made}", keep=""),
        highlight=False,
        soft_wrap=True,
    )
    if hasattr(verdict, "manifest"):
        for line in _of_copies(verdict.manifest):
            console.print(plain(line, keep=""), highlight=False, soft_wrap=True)
    if verdict.ok is None:
        console.print(
            "all is as whoever has that key signed it, and anybody can sign with an own key: give --key with the "
            "fingerprint that your deployment tells (GET /v2/video/signing-key)",
            highlight=False,
            soft_wrap=True,
        )


def _what(manifest: Manifest | IncidentManifest) -> str:
    if isinstance(manifest, IncidentManifest):
        title = "" if manifest.title is None else f" ({manifest.title})"
        return f"an incident{title} of {len(manifest.clips)} clips"
    return f"segment {manifest.segment}"


def _of_copies(manifest: Manifest | IncidentManifest) -> Iterator[str]:
    """Yields what a person must know of the films in the archive."""
    if isinstance(manifest, IncidentManifest):
        yield from (f"{each.folder}: segment {each.segment}" for each in manifest.clips)
        return
    if manifest.clip is not None and not manifest.has_clip:
        yield f"the clip as it was recorded is not in it; its SHA-256 is {manifest.clip.sha256}"
    if manifest.overlay is not None:
        yield f"{manifest.overlay.name} is a copy with times and plates drawn in"
    redaction = manifest.redaction
    if redaction is None:
        return
    kept = "no plate" if redaction.plate is None else redaction.plate
    yield f"{redaction.name} is a copy in which plates are blurred; {kept} was to stay visible"
    for each in redaction.not_blurred:
        yield f"NOT blurred: pass {each.pass_id} ({each.reason})"
    if redaction.reads_not_blurred:
        yield f"NOT blurred: {redaction.reads_not_blurred} reads without a box"
    if redaction.reads_not_kept:
        yield "the camera did not keep all reads: plates that nothing is known of are NOT blurred"
