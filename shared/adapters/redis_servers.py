"""Where a camera's keys are: on one Redis, or on one node of a cluster, found by the hash tag they share.

Against a cluster every command goes to the camera's own node by a plain connection, so that what one node does not
answer holds up no other camera.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol, Self

import redis
import redis.exceptions
from redis.cluster import ClusterNode, RedisCluster

from shared.adapters.clock import SystemClock
from shared.adapters.redis_client import client_options, kinds, redis_client
from shared.domain.capacity import maxmemory_for
from shared.domain.errors import PartlyAway, Permanent, Retryable

CLUSTER_SCHEMES = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}
AWAY_SECONDS = 1.0


class FrameServers(Protocol):
    """The frames Redis, whatever its shape. Raises Retryable while the server that is asked for does not answer."""

    def __enter__(self) -> Self:
        """For a block that closes the connections at its end."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""

    def talking(self, key: str) -> _Talk:
        """A block that talks to the server that has `key`."""

    def together(self, keys: Mapping[str, str]) -> list[list[str]]:
        """Names (of name -> key) in groups that are on one server each."""

    def nodes(self) -> list[redis.Redis]:
        """A client of every server that holds keys."""


class _Talk(Protocol):
    def __enter__(self) -> redis.Redis: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None: ...


def frame_servers(url: str, *, name: str = "platereel", patience_s: float = 5.0) -> FrameServers:
    """Clients for `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://` (any node's address)."""
    for scheme, plain in CLUSTER_SCHEMES.items():
        if url.startswith(scheme):
            return ClusterServers(plain + url.removeprefix(scheme), name=name, patience_s=patience_s)
    return OneServer(redis_client(url, name=name, patience_s=patience_s))


class OneServer:
    """One Redis has every camera."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def __enter__(self) -> Self:
        """See the protocol."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See the protocol."""
        self._client.close()

    @contextmanager
    def talking(self, key: str) -> Iterator[redis.Redis]:
        """See the protocol."""
        with kinds("frames"):
            yield self._client

    def together(self, keys: Mapping[str, str]) -> list[list[str]]:
        """See the protocol."""
        return [list(keys)] if keys else []

    def nodes(self) -> list[redis.Redis]:
        """See the protocol."""
        return [self._client]


class ClusterServers:
    """A Redis Cluster. Used by several threads; the table of slots is redis-py's.

    A node that did not answer is not asked again for a second, so that its cameras do not use up the time of others;
    the table is then read anew, for another node may have taken its slots over.
    """

    def __init__(self, url: str, *, name: str, patience_s: float) -> None:
        self._url, self._options = url, client_options(name, patience_s)
        self._clock = SystemClock()
        self._cluster: RedisCluster | None = None
        self._away: dict[str, float] = {}
        self._unreachable_until = 0.0

    def __enter__(self) -> Self:
        """See the protocol."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See the protocol."""
        if self._cluster is not None:
            self._cluster.close()

    def _table(self) -> RedisCluster:
        """The cluster's table, read at the first use: a process may start before its servers."""
        if self._cluster is None:
            if self._clock.monotonic() < self._unreachable_until:
                raise Retryable("the frames Redis Cluster does not answer")
            try:
                self._cluster = RedisCluster.from_url(self._url, require_full_coverage=False, **self._options)
            except (redis.RedisError, OSError) as error:
                self._unreachable_until = self._clock.monotonic() + AWAY_SECONDS
                raise Retryable(f"the frames Redis Cluster does not answer: {type(error).__name__}") from error
        return self._cluster

    def _node(self, key: str) -> ClusterNode:
        try:
            node: ClusterNode | None = self._table().get_node_from_key(key)  # type: ignore[no-untyped-call]
        except redis.exceptions.RedisClusterException as error:
            self._learn()
            raise PartlyAway("no node of the frames Redis Cluster has this camera's slot") from error
        if node is None:
            raise PartlyAway("no node of the frames Redis Cluster has this camera's slot")
        return node

    @contextmanager
    def talking(self, key: str) -> Iterator[redis.Redis]:
        """See the protocol."""
        node = self._node(key)
        if self._clock.monotonic() < self._away.get(node.name, 0.0):
            raise PartlyAway(f"the frames Redis node {node.name} did not answer a moment ago")
        try:
            with kinds("frames"):
                yield self._table().get_redis_connection(node)
        except redis.exceptions.MovedError as error:
            self._learn()
            raise PartlyAway(f"the frames Redis node {node.name} has given the camera to another") from error
        except Retryable as error:
            self._away[node.name] = self._clock.monotonic() + AWAY_SECONDS
            self._learn()
            raise PartlyAway(f"node {node.name}: {error.message}") from error

    def _learn(self) -> None:
        """Read the table of slots again; whoever fails at that goes on with the old one."""
        if self._clock.monotonic() < self._unreachable_until:
            return
        self._unreachable_until = self._clock.monotonic() + AWAY_SECONDS
        try:
            self._table().nodes_manager.initialize()
        except (redis.RedisError, OSError, Retryable):
            return

    def together(self, keys: Mapping[str, str]) -> list[list[str]]:
        """See the protocol; a name whose slot nobody has is a group of its own."""
        groups: dict[str, list[str]] = {}
        for name, key in keys.items():
            try:
                place = self._node(key).name
            except Retryable:
                place = f"nowhere {name}"
            groups.setdefault(place, []).append(name)
        return list(groups.values())

    def nodes(self) -> list[redis.Redis]:
        """See the protocol."""
        table = self._table()
        primaries: list[ClusterNode] = table.get_primaries()  # type: ignore[no-untyped-call]
        return [table.get_redis_connection(node) for node in primaries]


def ping(servers: FrameServers) -> None:
    """Raise Retryable unless every server answers."""
    for node in servers.nodes():
        with kinds("frames"):
            node.ping()


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """What a server says of itself; maxmemory_bytes 0: no limit. now_ms: its clock."""

    name: str
    version: str
    maxmemory_bytes: int
    used_bytes: int
    policy: str
    append_only: bool
    now_ms: int


def facts_of(node: redis.Redis) -> NodeFacts:
    """Ask one server, by INFO: managed servers refuse CONFIG."""
    with kinds("frames"):
        told: Any = node.info()
        seconds, microseconds = node.time()
    address = node.connection_pool.connection_kwargs
    return NodeFacts(
        f"{address.get('host', 'local')}:{address.get('port', '')}",
        str(told.get("valkey_version") or told["redis_version"]),
        int(told.get("maxmemory", 0)),
        int(told["used_memory"]),
        str(told.get("maxmemory_policy", "noeviction")),
        bool(told.get("aof_enabled", 0)),
        int(seconds) * 1000 + int(microseconds) // 1000,
    )


def check_room(servers: FrameServers, needs: Mapping[str, float], keys: Mapping[str, str]) -> None:
    """Raise Permanent when a server evicts, or is too small for the buffers of its cameras.

    needs: camera -> bytes of its buffer, of those that could be measured; keys: camera -> its stream's key. Retryable
    while the server does not answer; a node of several that does not is passed over.
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
