"""doctor: whether everything is as it should be."""

from __future__ import annotations

from dataclasses import asdict

import typer
from rich.table import Column, Table
from rich.text import Text

from platereel.cli.context import (
    ConfigOption,
    DataOption,
    JsonOption,
    console,
    deployment,
    errors,
    print_json,
)
from shared.runtime.logs import configure

COLOURS = {"ok": "green", "warning": "yellow", "broken": "red"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Maintenance")(doctor)


def doctor(config: ConfigOption = None, data: DataOption = None, json: JsonOption = False) -> None:
    """Check every server, codec and camera. Exit status 0 unless something is broken."""
    from platereel.diagnosis import Health, examine

    settings = deployment(config, data)
    configure("doctor", "error", settings.log_format)
    findings = []
    with errors.status("looking") as status:
        for finding in examine(settings):
            findings.append(finding)
            status.update(f"looked at {finding.what}")
    broken = sum(finding.health is Health.BROKEN for finding in findings)
    if json:
        print_json({"ok": not broken, "findings": [asdict(finding) for finding in findings]})
    else:
        table = Table("", "what", Column("found", overflow="fold"), box=None)
        for finding in findings:
            mend = f"\nto mend it: {finding.mend}" if finding.mend else ""
            table.add_row(
                Text(finding.health, COLOURS[finding.health]),
                finding.what,
                Text(f"{finding.detail}{mend}"),
            )
        console.print(table)
        console.print("everything is as it should be" if not broken else f"{broken} broken")
    if broken:
        raise typer.Exit(1)
