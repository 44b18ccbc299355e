"""init, config check, migrate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from platereel.cli.context import (
    DEFAULT_CONFIG,
    ConfigOption,
    DataOption,
    JsonOption,
    config_path,
    console,
    deployment,
    print_json,
    settings_of,
)
from shared.domain.capacity import USUAL_SIZE, too_large
from shared.domain.errors import BadInput
from shared.runtime.configuration import ConfigurationError
from shared.runtime.logs import configure, logger, logs_everything
from shared.runtime.settings import Settings
from shared.runtime.startup import ready_within
from shared.wire.urls import shown

if TYPE_CHECKING:
    from shared.adapters.postgres.migration_plan import PlannedTable

WAIT_SECONDS = 30.0

_log = logger(__name__)

TEMPLATE = """\
# Platereel's configuration. `platereel config check` validates it; docs/configuration.md explains
# every key. Durations take seconds or 30s, 5m, 90d; sizes bytes or 500GB. {PLATEREEL_...} is filled
# from the environment.

defaults:                    # any of these may be set per camera too
  buffer_seconds: 5          # footage kept from before a detection
  post_event_seconds: 15     # footage kept after the last one
  fps: 15
  codec: h264                # h264 plays everywhere; mp4v is for old systems
  min_confidence: 0.5        # a detection must be over this to be recorded

retention:
  days: 30
  # bytes: 500GB             # and never more than this
  # free_bytes: 20GB         # and so much of the disk stays free
  # classes:                 # kept longer for what they show
  #   - {name: watchlist, plates: ["AB123CD", "XY*"], days: 365}

api:
  host: 127.0.0.1            # anything else needs a key: platereel keys create
  port: 8080

cameras:
  demo-1: {source: "synthetic:?interval=60"}  # a drawn vehicle every minute, to try things
  # gate-1:
  #   source: "rtsp://user:{PLATEREEL_GATE_PASSWORD}@10.0.0.4/stream1"
  #   codec: auto            # records the camera's own H.264: a host carries ten times as many cameras
  # gate-2: {source: "http://10.0.0.5/video.mjpg", detect: false, retention: {days: 90}}
  # mine:   {source: "push:", detect: false}  # frames come from your own program
"""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel="Configuration")(init)
    group = typer.Typer(help="Check the configuration.", no_args_is_help=True)
    group.command("check")(check)
    app.add_typer(group, name="config", rich_help_panel="Configuration")
    app.command(rich_help_panel="Configuration")(migrate)


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = DEFAULT_CONFIG,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented platereel.yaml."""
    if path.exists() and not force:
        raise BadInput(str(path), "exists already; --force replaces it")
    path.write_text(TEMPLATE, encoding="utf-8")
    console.print(f"wrote {path}; edit its cameras, then: platereel up --config {path}")


def check(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Validate the configuration; name each bad key and its line."""
    path = config_path(config)
    try:
        settings = settings_of(config)
    except ConfigurationError as error:
        if json:
            print_json({"ok": False, "path": str(path), "problems": error.problems})
            raise typer.Exit(1) from None
        raise
    problems = [f"cameras.{camera_id}: {reason}" for camera_id, reason in _too_large(settings)]
    if problems and not json:
        raise ConfigurationError(problems)
    if problems:
        print_json({"ok": False, "path": str(path), "problems": problems})
        raise typer.Exit(1)
    cameras = {camera_id: shown(settings.source(camera_id)) for camera_id in settings.cameras}
    if json:
        print_json({"ok": True, "path": str(path), "cameras": cameras})
    else:
        console.print(f"{path or 'environment'}: fine; {len(cameras)} camera(s)")
        for camera_id, source in cameras.items():
            console.print(f"  {camera_id}: {source}", highlight=False)


def _too_large(settings: Settings) -> Iterator[tuple[str, str]]:
    """Returns cameras whose longest clip no store would take in one piece.

    doctor judges by the real size of frames.
    """
    for camera_id in settings.cameras:
        reason = too_large(settings.policy(camera_id), USUAL_SIZE)
        if reason is not None:
            yield camera_id, reason


def migrate(
    config: ConfigOption = None,
    data: DataOption = None,
    wait: Annotated[
        float,
        typer.Option(
            min=0, max=86_400, help="Seconds to wait for servers that do not answer or refuse us."
        ),
    ] = WAIT_SECONDS,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only say what it would do to the database.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Bring the database to this version and claim the storage bucket.

    Safe to run again and from several hosts.
    """
    from platereel.wiring import prepare
    from shared.adapters.postgres.schema import SCHEMA_VERSION

    settings = deployment(config, data)
    configure("migrate", settings.log_level, settings.log_format)
    if plan:
        _tell_plan(settings, wait, json=json)
        return
    before, after = ready_within(lambda: prepare(settings), wait)
    if json:
        print_json({"ok": True, "before": before, "after": after})
    elif logs_everything():
        _log.info("migrated", before=before, after=after)
    else:
        console.print(f"schema {before or 'none'} -> {after}; storage is ready")
        if after != SCHEMA_VERSION:
            console.print(_newer(after))


def _newer(version: str) -> str:
    from shared.adapters.postgres.schema import SCHEMA_VERSION

    return (
        f"the schema is {version}, newer than this version's {SCHEMA_VERSION}, which can use it: "
        "nothing to run"
    )


def _tell_plan(settings: Settings, wait: float, *, json: bool) -> None:
    from shared.adapters.postgres.migration_plan import plan
    from shared.runtime.addresses import addresses

    url = addresses(settings).database
    found = ready_within(lambda: plan(url), wait)
    if json:
        print_json(asdict(found))
        return
    if found.newer:
        console.print(_newer(found.after))
        return
    if not found.steps:
        console.print(f"schema {found.after}: nothing to run")
        return
    console.print(f"schema {found.before or 'none'} -> {found.after}, in one transaction:")
    for step in found.steps:
        told = "" if step.usable_from is None else f" (code before {step.usable_from} must be gone)"
        console.print(f"{step.version} {step.kind}{told}: {step.what}", highlight=False)
        for each in step.tables:
            console.print(f"  {_work(each)}", highlight=False)


def _work(table: PlannedTable) -> str:
    """Returns what a step does to a table, in words."""
    waits = "whoever uses it waits" if table.waits == "all" else "whoever writes it waits"
    work = [f"reads {table.read} rows"] if table.read else []
    work += [f"writes {table.rewritten} rows anew"] if table.rewritten else []
    return f"{table.table}: {waits}; {', '.join(work) or 'touches no row'}"
