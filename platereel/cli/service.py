"""service install: a systemd unit for `up`."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from platereel.cli.context import (
    DEFAULT_DATA,
    ConfigOption,
    JsonOption,
    config_path,
    console,
    errors,
    print_json,
)
from platereel.embedded.unit import UnitPlan, unit_text
from shared.domain.errors import BadInput
from shared.runtime.configuration import ConfigurationError
from shared.runtime.yaml_text import parse

SYSTEM_FOLDER = Path("/etc/systemd/system")
LOW_PORTS = 1024
REACH_SECONDS = 30.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
_REACH = "import sys; open(sys.argv[1]).close()"
_FILE_URL = "file://"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Run `up` as a service of this host.", no_args_is_help=True)
    group.callback()(lambda: None)
    group.command()(install)
    app.add_typer(group, name="service", rich_help_panel="On one machine")


def install(
    config: ConfigOption = None,
    data: Annotated[Path, typer.Option("--data", help="Where everything is kept.")] = DEFAULT_DATA,
    user: Annotated[bool, typer.Option("--user", help="Write it for your own manager.")] = False,
    system: Annotated[bool, typer.Option("--system", help="Write it for the whole host.")] = False,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print it and write nothing, as without the two.")
    ] = False,
    run_as: Annotated[
        str | None,
        typer.Option("--run-as", help="With --system: the user; else the data folder's owner."),
    ] = None,
    environment: Annotated[
        Path | None,
        typer.Option("--environment", help="File of secrets; else platereel.env by the config."),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The unit's name.")] = "platereel",
    port: Annotated[
        int | None, typer.Option("--port", min=1, max=65_535, help="The API's port.")
    ] = None,
    storage: Annotated[
        str | None, typer.Option("--storage", help="s3 or file, as for `up`.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a unit that differs.")] = False,
    json: JsonOption = False,
) -> None:
    """Print or write a systemd unit that runs `up` with this configuration and data folder.

    Without --user and --system it is printed: root's is the system's.
    """
    if user and system:
        raise BadInput("--user", "and --system exclude each other")
    if not _NAME.fullmatch(name):
        raise BadInput(
            "--name", "letters, digits, dots, underscores and dashes, 60 at most; first a letter"
        )
    if storage not in {None, "s3", "file"}:
        raise BadInput("--storage", "s3 or file")
    whole = system or (not user and os.geteuid() == 0)
    plan = _plan(
        config=config, data=data, environment=environment, system=whole, run_as=run_as,
        port=port, storage=storage,
    )  # fmt: skip
    text = unit_text(plan)
    target = _folder(system=whole) / f"{name}.service"
    printing = only_print or not (user or system)
    written = False if printing else _write(target, text, plan, force=force)
    steps = _next_steps(plan, target, printing=printing)
    if json:
        print_json(
            {"ok": True, "path": str(target), "written": written, "unit": text, "next": steps}
        )
        return
    if printing:
        typer.echo(text, nl=False)
    else:
        console.print(f"{'wrote' if written else 'unchanged:'} {target}", soft_wrap=True)
    errors.print("next:", *(f"  {step}" for step in steps), sep="\n", soft_wrap=True)


def _plan(
    *, config: Path | None, data: Path, environment: Path | None, system: bool,
    run_as: str | None, port: int | None, storage: str | None,
) -> UnitPlan:  # fmt: skip
    path = config_path(config)
    if path is None or not path.is_file():
        raise ConfigurationError(
            [f"{path or 'platereel.yaml'}: no such file; `platereel init` writes a commented one"]
        )
    told = parse(path.read_text(encoding="utf-8", errors="replace"), str(path))
    if told.problems:
        raise ConfigurationError(told.problems)
    if environment is not None and not environment.is_file():
        raise BadInput("--environment", f"{environment}: no such file")
    chosen = _dig(told.data, "api", "port") if port is None else port
    options = ["--port", str(port)] if port is not None else []
    options += ["--storage", storage] if storage is not None else []
    return UnitPlan(
        config=path.absolute(),
        data=data.absolute(),
        environment=(environment or path.parent / "platereel.env").absolute(),
        system=system,
        user=_user(data, run_as) if system else "",
        options=options,
        writable=_writable(told.data),
        low_port=isinstance(chosen, int) and chosen < LOW_PORTS,
    )


def _user(data: Path, run_as: str | None) -> str:
    """Returns whom the system's unit runs as: nobody gets root's rights by accident."""
    owner = data.stat().st_uid if data.exists() else None
    if run_as is None:
        if not owner:
            raise BadInput(
                "--run-as", "say who it runs as: a user of its own (useradd --system platereel)"
            )
        run_as = _user_name(owner)
    try:
        found = pwd.getpwnam(run_as)
    except KeyError:
        raise BadInput("--run-as", f"there is no user {run_as} here") from None
    if owner is not None and found.pw_uid not in {0, owner}:
        raise BadInput("--data", f"{data} is {_user_name(owner)}'s: chown -R {run_as} {data}")
    return run_as


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _writable(told: Mapping[str, Any]) -> list[Path]:
    """Returns folders outside the data folder that the file's settings let processes write to."""
    work, pulse, store = (told.get(name) for name in ("work_dir", "pulse_file", "storage_url"))
    found = [Path(work)] if isinstance(work, str) else []
    if isinstance(pulse, str):
        found.append(Path(pulse).parent)
    if isinstance(store, str) and store.startswith(_FILE_URL):
        found.append(Path(store.removeprefix(_FILE_URL)).parent)
    return found


def _dig(told: Mapping[str, Any], *keys: str) -> Any:
    value: Any = told
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _folder(*, system: bool) -> Path:
    if system:
        return SYSTEM_FOLDER
    base = os.environ.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "systemd" / "user"


def _write(target: Path, text: str, plan: UnitPlan, *, force: bool) -> bool:
    """Write the unit, and make the data folder, which must be there when it starts. Returns whether
    anything changed.
    """
    there = target.read_text(encoding="utf-8", errors="replace") if target.exists() else None
    if there is not None and there != text and not force:
        raise BadInput(
            str(target), "is there and differs; --print shows this one, --force replaces it"
        )
    if plan.system:
        _check_reach(plan)
    if not plan.data.exists():
        plan.data.mkdir(mode=0o700, parents=True)
        if plan.system:
            owner = pwd.getpwnam(plan.user)
            os.chown(plan.data, owner.pw_uid, owner.pw_gid)
    if there == text:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.new")
    temporary.write_text(text, encoding="utf-8")
    temporary.chmod(0o644)
    temporary.replace(target)
    return True


def _check_reach(plan: UnitPlan) -> None:
    """Refuse a user who cannot start Python or read the configuration, as in somebody's home."""
    if os.geteuid() != 0:
        return
    argv = [sys.executable, "-c", _REACH, str(plan.config)]
    found = pwd.getpwnam(plan.user)
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            argv, check=False, capture_output=True, cwd="/", timeout=REACH_SECONDS,
            user=found.pw_uid, group=found.pw_gid, extra_groups=[],
        )  # fmt: skip
    except OSError as error:
        reason = f"{plan.user} cannot run {sys.executable} ({error.strerror}): install Platereel"
        raise BadInput("--run-as", f"{reason} where that user reaches it") from None
    if done.returncode != 0:
        raise BadInput("--run-as", f"{plan.user} cannot read {plan.config}")


def _next_steps(plan: UnitPlan, target: Path, *, printing: bool) -> list[str]:
    control = "systemctl" if plan.system else "systemctl --user"
    own = "" if plan.system else "--user "
    steps = [f"write it to {target}"] if printing else []
    if printing and plan.system and not plan.data.exists():
        steps.append(f"install -d -m 700 -o {plan.user} {plan.data}")
    steps += [
        f"put secrets as NAME=VALUE into {plan.environment} (mode 600), if there are any",
        f"{control} daemon-reload",
        f"{control} enable --now {target.stem}",
        f"journalctl {own}-u {target.stem} -f",
        f"platereel keys invite --data {plan.data}: a link that makes the first key",
    ]
    if not plan.system:
        steps.append("loginctl enable-linger: or it ends when you log out")
    return steps
