"""backup and restore: a copy of the database now, and a deployment made from one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    config_path,
    console,
    deployment,
    errors,
    human_bytes,
    print_json,
    who,
)
from platereel.cli.jobs import print_report
from shared.domain.errors import BadInput, Conflict
from shared.domain.timing import from_ms
from shared.runtime.configuration import ConfigurationError, load
from shared.runtime.settings import Settings

if TYPE_CHECKING:
    from shared.adapters.postgres.database import Database
    from shared.domain.ports import Progress as Tell
    from shared.wire.backup import BackupManifest

LABELS = {
    "rows": "copying rows",
    "upload": "storing",
    "fetch": "fetching",
    "read": "reading it through",
    "load": "loading rows",
    "clips": "checking clips",
    "objects": "checking objects",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Maintenance")(backup)
    app.command(rich_help_panel="Maintenance")(restore)


def backup(
    to: Annotated[
        Path | None,
        typer.Option("--to", help="A file or folder; else the store, where nightly ones go."),
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the database now. The copy is as private as the database: digests of keys are in it."""
    from shared.adapters.postgres.access import PostgresAccessRows
    from shared.adapters.postgres.schema import current_version
    from shared.deployment import Deployment

    settings = deployment(config, data)
    with Deployment(settings, "platereel-cli") as world, _bars() as tell:
        if current_version(world.urls.database) is None:
            raise Conflict("the database has no schema: there is nothing to back up")
        told = _into_store(settings, tell) if to is None else _into_file(world.database, to, tell)
        PostgresAccessRows(world.database).note(
            who(), "backup", None, {name: told[name] for name in ("key", "path") if name in told}
        )
    if json:
        print_json(told)
        return
    where = told.get("path") or told["key"]
    console.print(
        f"{where}: {told['rows']} rows of {told['tables']} tables, {human_bytes(told['bytes'])}",
        highlight=False,
    )
    if told.get("deleted"):
        console.print(f"{told['deleted']} older backups deleted")


def _into_store(settings: Settings, tell: Tell) -> dict[str, Any]:
    from workers.backup.backup import back_up
    from workers.wiring import build

    world = build(settings)
    try:
        return back_up(world.backup, tell)
    finally:
        world.close()


def _into_file(database: Database, to: Path, tell: Tell) -> dict[str, Any]:
    """Write the file whole or not at all, for its owner alone."""
    from importlib import metadata

    from shared.adapters.postgres.backup import PostgresBackupRows
    from shared.wire.keys import backup_name
    from workers.backup.backup import write_backup

    if to.exists() and not to.is_dir() and not to.is_file():
        raise BadInput("--to", f"{to} is a device or a pipe, which a backup would replace")
    folder = to if to.is_dir() else to.parent
    temporary = folder / f".{uuid4().hex}.part"
    try:
        manifest = write_backup(
            PostgresBackupRows(database), temporary, metadata.version("platereel"), tell
        )
        name = backup_name(manifest.made_ms, manifest.schema_version)
        path = to / name if to.is_dir() else to
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "tables": len(manifest.tables),
        "rows": manifest.rows,
    }


def restore(
    file: Annotated[Path | None, typer.Argument(help="A backup.")] = None,
    latest: Annotated[
        bool, typer.Option("--latest", help="The newest backup in the store.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Annotated[
        str, typer.Option("--storage", help="As of `up`, where its servers do not run: s3 or file.")
    ] = "s3",
    config: ConfigOption = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="Data folder of `up`; its servers run meanwhile, where it does not."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Make an empty deployment what a backup was, then check it.

    With --data and nothing running there, the servers of `platereel up` run meanwhile. Exit status
    0 when the check found nothing.
    """
    from platereel.restoring import backup_file, newest, read_through
    from platereel.restoring import restore as restore_backup
    from shared.deployment import Deployment

    if (file is None) is not latest:
        raise BadInput("FILE", "name a backup, or give --latest")
    with ExitStack() as opened:
        settings = opened.enter_context(_deployment(config, data, storage))
        tell = opened.enter_context(_bars())
        world = opened.enter_context(Deployment(settings, "platereel-cli"))
        path = opened.enter_context(newest(world, tell)) if file is None else backup_file(file)
        manifest = read_through(path, tell)
        _confirm(manifest, path, yes=yes or json)
        skipped = restore_backup(world, path, manifest, who(), tell)
        checked = _checked(settings, tell)
    _print(manifest, path, skipped, checked, json=json)
    if checked["open"]:
        raise typer.Exit(1)


def _confirm(manifest: BackupManifest, path: Path, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("--yes", "give it where nobody can be asked")
    typer.confirm(
        f"Load {path.name}, made {from_ms(manifest.made_ms):%F %T} UTC, with {manifest.rows} rows?",
        abort=True,
        err=True,
    )


def _checked(settings: Settings, tell: Tell) -> dict[str, Any]:
    """Compare the restored rows with the objects that are there; changes nothing."""
    from workers.consistency.check import check
    from workers.process.job_turn import in_steps
    from workers.wiring import build

    world = build(settings)
    try:
        return in_steps(lambda cursor: check(world.check, {}, tell, cursor))
    finally:
        world.close()


def _print(
    manifest: BackupManifest, path: Path, skipped: list[str], checked: dict[str, Any], *, json: bool
) -> None:
    if json:
        print_json(
            {
                "backup": path.name,
                "made_at": from_ms(manifest.made_ms),
                "schema": manifest.schema_version,
                "deployment": manifest.deployment,
                "rows": manifest.rows,
                "skipped": skipped,
                "check": checked,
            }
        )
        return
    console.print(
        f"restored {path.name}: {manifest.rows} rows, as of {from_ms(manifest.made_ms):%F %T} UTC",
        highlight=False,
    )
    if skipped:
        console.print(f"not Platereel's, so not loaded: {', '.join(skipped)}", highlight=False)
    print_report(checked)


@contextmanager
def _deployment(config: Path | None, data: Path | None, storage: str) -> Iterator[Settings]:
    """Yields settings that lead to running servers; those of `up` start where nothing runs."""
    if data is None or (data / "run.json").exists():
        yield deployment(config, data)
        return
    from platereel.embedded.stack import Stack, StackPlan, serving
    from platereel.wiring import with_addresses

    path = config_path(config)
    if path is None:
        raise ConfigurationError(["there is no platereel.yaml here: give --config FILE"])
    if storage not in {"s3", "file"}:
        raise BadInput("--storage", "s3 or file")
    settings = load(path)
    plan = StackPlan(
        settings=settings, config=path, data=data.resolve(), port=0, file_storage=storage == "file"
    )
    with serving(Stack(plan)) as addresses:
        yield with_addresses(settings, addresses)


@contextmanager
def _bars() -> Iterator[Tell]:
    """Yields what draws a bar for each phase on a terminal, and nothing elsewhere."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bars:
        tasks = {
            phase: bars.add_task(label, total=None, visible=False)
            for phase, label in LABELS.items()
        }

        def tell(phase: str, done: int, total: int) -> None:
            if phase in tasks:
                bars.update(tasks[phase], completed=done, total=total or None, visible=True)

        yield tell
