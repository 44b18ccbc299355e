"""Child processes that never outlive their parent."""

from __future__ import annotations

import ctypes
import os
import pwd
import secrets
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from platereel.embedded.logfiles import private
from shared.domain.errors import Permanent
from shared.runtime.signals import LIFELINE_VARIABLE, die_with_parent

_CLONE_NEWUSER = 0x10000000
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_FIRST_PORT, _TRIES, _MOST_HELD = 15_000, 1000, 200
_PRIVATE_UMASK = 0o077  # what children write is for nobody else: clips, pictures, plates
_held: deque[int] = deque()  # descriptors: the kernel closes what is left at the end


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a child: arguments (never secrets: others can read them), environment, log file,
    signals. stop_signal asks it to stop. death_signal is sent when its supervisor ends, however
    that ends: SIGKILL for a child that may ignore any other signal and loses nothing by it; None
    for the stop signal. leaves: files that it makes elsewhere and does not delete.
    """

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals | None = None
    prepare: Callable[[], None] | None = None
    lifeline: bool = False
    leaves: Sequence[Path] = ()


def spawn(command: Command, out: int | None = None) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own. out: where its output goes, in place of its log.

    Only from the main thread: the kernel ties a child's end to the thread that made it.
    """
    parent = os.getpid()

    def before_exec() -> None:
        os.umask(_PRIVATE_UMASK)
        if command.prepare is not None:
            command.prepare()
        die_with_parent(parent, command.death_signal or command.stop_signal)

    env = {**os.environ, **command.env}
    fds: list[int] = []
    with ExitStack() as stack:
        if out is None:
            out = private(command.log)
            stack.callback(os.close, out)
        if command.lifeline and not sys.platform.startswith("linux"):
            read_end, _ = os.pipe()
            env[LIFELINE_VARIABLE] = str(read_end)
            fds.append(read_end)
            stack.callback(os.close, read_end)
        return subprocess.Popen(  # noqa: S603 - our own arguments
            [str(part) for part in command.argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd="/",
            env=env,
            pass_fds=fds,
            start_new_session=True,
            preexec_fn=before_exec,  # noqa: PLW1509 - nothing but system calls before exec
        )


def free_ports(count: int) -> list[int]:
    """Returns free ports of the loopback address, all different, which nobody else is given
    meanwhile. They lie below the kernel's ports for outgoing connections, one of which could take a
    port before its server does.
    """
    ports = range(_FIRST_PORT, _first_ephemeral())
    found: list[int] = []
    for _ in range(_TRIES):
        if len(found) == count:
            return found
        try:
            found.append(_reserve(secrets.choice(ports) if ports else 0))
        except OSError:
            continue  # somebody's already
    raise Permanent(f"no {count} free ports on 127.0.0.1")


def _reserve(wanted: int) -> int:
    """Bind a port and keep it: other processes find it taken, and a server can still listen on it.

    Linux gives a server, which sets SO_REUSEADDR as all do, a port that is bound with it and not
    listened on.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", wanted))
        port = int(probe.getsockname()[1])
    if sys.platform.startswith("linux"):
        held = socket.socket()
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        _held.append(held.detach())
        if len(_held) > _MOST_HELD:
            os.close(_held.popleft())
    return port


def _first_ephemeral() -> int:
    """Returns the lowest port of outgoing connections; 0 where the kernel does not say."""
    return int(_EPHEMERAL.read_text(encoding="ascii").split()[0]) if _EPHEMERAL.exists() else 0


def postgres_identity(data: Path) -> Callable[[], None] | None:
    """Returns what a PostgreSQL child does before exec, because the server refuses uid 0.

    As root: hide uid 0 behind a user namespace (files stay root's, and a private home works). Where
    that is forbidden (Docker's default seccomp): become nobody, who must then own the data folder.
    As any other user: nothing.
    """
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")  # initdb insists on a passwd entry for its user
    libc = ctypes.CDLL(None, use_errno=True)

    def hide() -> None:
        if libc.unshare(_CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "unshare")
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{nobody.pw_gid} 0 1", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{nobody.pw_uid} 0 1", encoding="ascii")

    def become_nobody() -> None:
        os.setgroups([])
        os.setgid(nobody.pw_gid)
        os.setuid(nobody.pw_uid)

    if _namespaces_allowed(libc):
        return hide
    data.mkdir(parents=True, exist_ok=True)
    # nobody must come through to its own folder, and sees nothing on the way
    data.parent.chmod(0o711)
    for path in [data, *data.rglob("*")]:
        os.chown(path, nobody.pw_uid, nobody.pw_gid)
    return become_nobody


def _namespaces_allowed(libc: ctypes.CDLL) -> bool:
    child = os.fork()
    if child == 0:
        os._exit(0 if libc.unshare(_CLONE_NEWUSER) == 0 else 1)
    return os.waitpid(child, 0)[1] == 0
