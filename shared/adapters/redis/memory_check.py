"""Whether a Redis can be trusted with frames, by what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from shared.adapters.redis.client import kinds
from shared.adapters.redis.servers import FrameServers
from shared.domain.capacity import maxmemory_for
from shared.domain.errors import PartlyAway, Permanent
from shared.domain.health import Severity, WrongSetting

OLDEST = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a server says of itself. maxmemory_bytes 0 means no limit; now_ms is its clock."""

    name: str
    version: str
    maxmemory_bytes: int
    used_bytes: int
    policy: str
    append_only: bool
    now_ms: int


def facts_of(node: redis.Redis, what: str = "frames") -> NodeFacts:
    """Ask one server by INFO, because managed servers refuse CONFIG. `what` names it in errors."""
    with kinds(what):
        told: Any = node.info()
        seconds, microseconds = node.time()
    address = node.connection_pool.connection_kwargs
    return NodeFacts(
        name=f"{address.get('host', 'local')}:{address.get('port', '')}",
        version=str(told.get("valkey_version") or told["redis_version"]),
        maxmemory_bytes=int(told.get("maxmemory", 0)),
        used_bytes=int(told["used_memory"]),
        policy=str(told.get("maxmemory_policy", "noeviction")),
        append_only=bool(told.get("aof_enabled", 0)),
        now_ms=int(seconds) * 1000 + int(microseconds) // 1000,
    )


def wrong_settings(facts: NodeFacts, *, durable: bool) -> list[WrongSetting]:
    """Returns what is set wrong. durable: the broker, which keeps an append-only file; frames are
    in memory only. Neither may evict keys.
    """
    found: list[WrongSetting] = []

    def wrong(setting: str, value: str, severity: Severity, mend: str) -> None:
        name = f"{setting} of {facts.name}"
        found.append(WrongSetting(setting=name, found=value, severity=severity, mend=mend))

    if int(facts.version.split(".")[0]) < OLDEST:
        wrong(
            "version", facts.version, Severity.ERROR, f"install Valkey or Redis, {OLDEST} or newer"
        )
    if facts.policy != "noeviction":
        wrong(
            "maxmemory-policy",
            facts.policy,
            Severity.ERROR,
            "CONFIG SET maxmemory-policy noeviction",
        )
    if facts.append_only != durable:
        value, wanted = ("yes", "no") if facts.append_only else ("no", "yes")
        wrong("appendonly", value, Severity.WARNING, f"CONFIG SET appendonly {wanted}")
    if not durable and facts.maxmemory_bytes == 0:
        mend = "CONFIG SET maxmemory, to what `platereel plan` says"
        wrong("maxmemory", "without a limit", Severity.WARNING, mend)
    return found


def check_room(servers: FrameServers, needs: Mapping[str, float], keys: Mapping[str, str]) -> None:
    """Raise Permanent when a server evicts keys, or is too small for the buffers of its cameras.

    needs: camera -> bytes of its buffer, where they could be measured. keys: camera -> its stream's
    key. Raises Retryable while the server does not answer; of several, one that does not answer is
    passed over.
    """
    for cameras in servers.together(keys):
        try:
            with servers.talking(keys[cameras[0]]) as server:
                facts = facts_of(server)
        except PartlyAway:
            continue
        if facts.policy != "noeviction":
            raise Permanent(
                f"the frames Redis {facts.name} has maxmemory-policy {facts.policy}: it would remove whole buffers; "
                "set noeviction"
            )
        wanted = maxmemory_for(sum(needs.get(camera, 0.0) for camera in cameras))
        if 0 < facts.maxmemory_bytes < wanted:
            raise Permanent(
                f"the frames Redis {facts.name} has maxmemory {facts.maxmemory_bytes / 1e6:.0f} MB, and the buffers of "
                f"its {len(cameras)} cameras need {wanted / 1e6:.0f} MB: give it more, or lower buffer_seconds, "
                "trigger_slack_seconds, capture_fps or jpeg_quality (`platereel plan` counts)"
            )
