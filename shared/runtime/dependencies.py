"""Whether the servers of a deployment answer, how soon, and what is set wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from shared.domain.errors import PlatereelError
from shared.domain.health import Dependency, WrongSetting
from shared.domain.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """A call for each server: `checks` raise unless it answers, `versions` tell which version it
    is, `settings` what is set wrong in it. The last two may lack a server.
    """

    checks: Mapping[str, Callable[[], object]]
    versions: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    settings: Mapping[str, Callable[[], Sequence[WrongSetting]]] = field(default_factory=dict)


def looked_at(servers: Servers, clock: Clock, *, closely: bool) -> list[Dependency]:
    """Returns how each server is; all are asked at once. closely: versions and settings, too."""
    with ThreadPoolExecutor(len(servers.checks)) as pool:
        looks = [pool.submit(_look, servers, name, clock, closely) for name in servers.checks]
        return [each.result() for each in looks]


def _look(servers: Servers, name: str, clock: Clock, closely: bool) -> Dependency:
    began = clock.monotonic()
    try:
        servers.checks[name]()
    except PlatereelError as error:
        return Dependency(name=name, up=False, latency_ms=None, error=error.message)
    latency_ms = round((clock.monotonic() - began) * 1000)
    version, wrong = "", list[WrongSetting]()
    if closely:
        with suppress(PlatereelError):  # it went away just now
            version = servers.versions[name]() if name in servers.versions else ""
            wrong = list(servers.settings[name]()) if name in servers.settings else []
    return Dependency(
        name=name, up=True, latency_ms=latency_ms, version=version or None, wrong=tuple(wrong)
    )
