"""Hosts on one machine: network namespaces on a bridge that stands in one of its own.

Nothing of the machine's own network is touched but one link to that bridge, with an address of a
private range that is on no other link.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

_CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")
_libc = ctypes.CDLL(None, use_errno=True)


class NotAllowed(Exception):
    """Nobody may make network namespaces here."""


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotAllowed(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def enter(namespace: str) -> None:
    """Let this process, which is about to begin a program, be on another host."""
    handle = os.open(NAMESPACES / namespace, os.O_RDONLY)
    if _libc.setns(handle, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(handle)


@dataclass
class Hosts:
    """A network of hosts. `here` is this process's own address in it."""

    number: int = field(default_factory=lambda: os.getpid() % 200)
    addresses: dict[str, str] = field(default_factory=dict)
    _mark: str = field(default_factory=lambda: f"pl{os.getpid()}")

    @property
    def here(self) -> str:
        return f"10.77.{self.number}.1"

    def open(self) -> None:
        """Make the bridge, and the link to it."""
        hub = f"{self._mark}-hub"
        _ip("netns", "add", hub)
        _ip("-n", hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", hub, "link", "set", "bridge", "up")
        link = f"{self._mark}r"[:15]
        _ip("link", "add", link, "type", "veth", "peer", "name", "root", "netns", hub)
        _ip("addr", "add", f"{self.here}/24", "dev", link)
        _ip("link", "set", link, "up")
        _ip("-n", hub, "link", "set", "root", "master", "bridge")
        _ip("-n", hub, "link", "set", "root", "up")

    def add(self, name: str) -> str:
        """Make a host. Returns its address."""
        hub, space = f"{self._mark}-hub", self.namespace(name)
        port = f"v{len(self.addresses)}"
        address = f"10.77.{self.number}.{len(self.addresses) + 2}"
        _ip("netns", "add", space)
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("-n", hub, "link", "set", port, "master", "bridge")
        _ip("-n", hub, "link", "set", port, "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "eth0", "up")
        self.addresses[name] = address
        return address

    def namespace(self, name: str) -> str:
        """The host's name for the system."""
        return f"{self._mark}-{name}"

    def on(self, name: str, also: Callable[[], None] | None = None) -> Callable[[], None]:
        """What a child does before it begins its program, to begin it on a host."""

        def prepare() -> None:
            enter(self.namespace(name))
            if also is not None:
                also()

        return prepare

    @contextmanager
    def cut(self, name: str) -> Iterator[None]:
        """No packet to or from a host for the length of a block; no connection ends."""
        port = f"v{list(self.addresses).index(name)}"
        _ip("-n", f"{self._mark}-hub", "link", "set", port, "down")
        try:
            yield
        finally:
            _ip("-n", f"{self._mark}-hub", "link", "set", port, "up")

    def close(self) -> None:
        """Take everything away. A link goes with the namespace of its other end."""
        for path in NAMESPACES.glob(f"{self._mark}-*"):
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, check=False)


@contextmanager
def network() -> Iterator[Hosts]:
    """Hosts for the length of a block; raises NotAllowed where there can be none."""
    hosts = Hosts()
    try:
        hosts.open()
        yield hosts
    finally:
        hosts.close()
