"""The systemd unit of one deployment: a pure text, from what `platereel service install` found."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shared.domain.errors import BadInput

# `up` has 15 s to close recordings and stop; twice that, on a host that is busy. What is left is
# killed, and goes on at the next start.
STOP_SECONDS = 30
START_SECONDS = 600  # making the database, on a slow disk
AGAIN_SECONDS = 10
_TEMPORARY = ("/tmp", "/var/tmp")  # noqa: S108 - with PrivateTmp the unit has others

_EVERYWHERE = """\
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
"""
# Not PrivateDevices and ProtectClock, which take away cameras and encoders below /dev; not
# MemoryDenyWriteExecute, since PostgreSQL may compile its queries.
_BY_THE_SYSTEM = """\
ProtectSystem=strict
ProtectHome=read-only
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPlan:
    """What the unit runs. system: for the whole host, as `user`; else for one user's own manager.

    options: more of `up`. writable: folders beside `data` that its processes write to. low_port:
    whether the API listens below 1024, which only root may by itself.
    """

    config: Path
    data: Path
    environment: Path
    system: bool
    user: str
    options: Sequence[str] = ()
    writable: Sequence[Path] = ()
    low_port: bool = False


def unit_text(plan: UnitPlan) -> str:
    """Returns the unit. Raises BadInput for a path that no unit can hold."""
    argv = [sys.executable, "-m", "platereel", "up", "--config", str(plan.config), "--data"]
    command = " ".join(map(_word, [*argv, str(plan.data), *plan.options]))
    return f"""\
# Written by `platereel service install`. Changes of your own go into a drop-in: systemctl edit.
[Unit]
Description=Platereel with {_plain(str(plan.config))}
{_network(plan)}StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={command}
EnvironmentFile=-{_plain(str(plan.environment))}
Environment=PYTHONUNBUFFERED=1
WorkingDirectory=/
UMask=0077
TimeoutStartSec={START_SECONDS}
Restart=on-failure
RestartSec={AGAIN_SECONDS}

# Only `up` is asked to stop: it closes recordings first, then ends its children in order.
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec={STOP_SECONDS}
# It starts a child that was killed for its memory again.
OOMPolicy=continue
LimitNOFILE=65536

{_EVERYWHERE}{_guarded(plan)}
[Install]
WantedBy={"multi-user.target" if plan.system else "default.target"}
"""


def _network(plan: UnitPlan) -> str:
    """A user's manager knows nothing of the network."""
    return (
        "Wants=network-online.target\nAfter=network-online.target time-sync.target\n"
        if plan.system
        else ""
    )


def _guarded(plan: UnitPlan) -> str:
    """What only the system's manager can give."""
    if not plan.system:
        return ""
    written = [plan.data, *plan.writable]
    folders = " ".join(_word(str(path)) for path in written)
    lines = [f"User={plan.user}", f"ReadWritePaths={folders}"]
    used = [plan.config, plan.environment, Path(sys.executable), *written]
    if not any(path.is_relative_to(place) for path in used for place in _TEMPORARY):
        lines.append("PrivateTmp=yes")
    if plan.user != "root":
        lines += [
            "RestrictNamespaces=yes",
            f"CapabilityBoundingSet={'CAP_NET_BIND_SERVICE' if plan.low_port else ''}",
        ]
        if plan.low_port:
            lines.append("AmbientCapabilities=CAP_NET_BIND_SERVICE")
    return _BY_THE_SYSTEM + "\n".join(lines) + "\n"


def _word(text: str) -> str:
    """Returns a text as one word of a command or a list, whatever characters it has."""
    plain = _plain(text).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{plain}"' if set(plain) & set(" \"'\\;") else plain


def _plain(text: str) -> str:
    """Returns a text in which systemd reads no specifier."""
    if not text.isprintable():
        raise BadInput(text, "a unit of systemd cannot hold this path: it has control characters")
    return text.replace("%", "%%")
