"""Where a camera's keys are: on one Redis, or on the cluster node of the hash tag that they share.

In a cluster every command goes to the camera's own node by a plain connection, so that a node that
does not answer holds up no other camera.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Self

import redis
import redis.exceptions
from redis.cluster import ClusterNode, RedisCluster

from shared.adapters.clock import SystemClock
from shared.adapters.redis.client import client_options, kinds, redis_client
from shared.adapters.redis.reasons import place, reason
from shared.domain.errors import PartlyAway, Retryable

CLUSTER_SCHEMES = {"redis+cluster://": "redis://", "rediss+cluster://": "rediss://"}
AWAY_SECONDS = 1.0
_NO_CLUSTER = "Cluster mode is not enabled"
# What the client raises where it finds no node at all is none of its other errors.
_UNREACHABLE = (redis.RedisError, redis.exceptions.RedisClusterException, OSError)


class FrameServers(ABC):
    """The frames Redis, whatever its shape.

    Raises Retryable while the server of a key does not answer.
    """

    def __enter__(self) -> Self:
        """For a block that closes the connections at its end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the connections."""

    @abstractmethod
    def talking(self, key: str) -> AbstractContextManager[redis.Redis]:
        """Yields a client of the server that has `key`."""

    @abstractmethod
    def together(self, keys: Mapping[str, str]) -> list[list[str]]:
        """Returns names (of name -> key) in groups, each on one server."""

    @abstractmethod
    def nodes(self) -> list[redis.Redis]:
        """Returns a client of every server that holds keys."""


def frame_servers(url: str, *, name: str = "platereel", patience_s: float = 5.0) -> FrameServers:
    """Returns clients for `redis://`, `rediss://`, `redis+cluster://` or `rediss+cluster://` (the
    address of any node).
    """
    for scheme, plain in CLUSTER_SCHEMES.items():
        if url.startswith(scheme):
            return ClusterServers(
                plain + url.removeprefix(scheme), name=name, patience_s=patience_s
            )
    return OneServer(redis_client(url, name=name, patience_s=patience_s))


class OneServer(FrameServers):
    """One Redis has every camera."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def close(self) -> None:
        self._client.close()

    @contextmanager
    def talking(self, key: str) -> Iterator[redis.Redis]:
        with kinds("frames"):
            yield self._client

    def together(self, keys: Mapping[str, str]) -> list[list[str]]:
        return [list(keys)] if keys else []

    def nodes(self) -> list[redis.Redis]:
        return [self._client]


class ClusterServers(FrameServers):
    """A Redis Cluster, for several threads. The table of slots is redis-py's.

    A node that did not answer is not asked again for a second, so that its cameras do not use up
    the time of others. Then the table is read anew, because another node may have taken its slots.
    """

    def __init__(self, url: str, *, name: str, patience_s: float) -> None:
        self._url, self._options = url, client_options(name, patience_s)
        # refuses options that no node takes
        redis_client(url, name=name, patience_s=patience_s).close()
        self._clock = SystemClock()
        self._cluster: RedisCluster | None = None
        self._away: dict[str, float] = {}
        self._unreachable_until = 0.0

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.close()

    def _table(self) -> RedisCluster:
        """Returns the cluster's table, which is read at the first use: a process may start before
        its servers.
        """
        if self._cluster is None:
            if self._clock.monotonic() < self._unreachable_until:
                raise Retryable("the frames Redis Cluster does not answer")
            try:
                self._cluster = RedisCluster.from_url(
                    self._url, require_full_coverage=False, **self._options
                )
            except _UNREACHABLE as error:
                self._unreachable_until = self._clock.monotonic() + AWAY_SECONDS
                below = error.__cause__ or error
                if _NO_CLUSTER in str(below):
                    raise Retryable(
                        "the frames Redis is no cluster: it is addressed as redis://"
                    ) from error
                raise Retryable(
                    f"the frames Redis Cluster {reason(below)}", **place(below)
                ) from error
        return self._cluster

    def _node(self, key: str) -> ClusterNode:
        try:
            node: ClusterNode | None = self._table().get_node_from_key(key)  # type: ignore[no-untyped-call]
        except redis.exceptions.RedisClusterException as error:
            self._learn()
            raise PartlyAway(
                "no node of the frames Redis Cluster has this camera's slot"
            ) from error
        if node is None:
            raise PartlyAway("no node of the frames Redis Cluster has this camera's slot")
        return node

    @contextmanager
    def talking(self, key: str) -> Iterator[redis.Redis]:
        node = self._node(key)
        if self._clock.monotonic() < self._away.get(node.name, 0.0):
            raise PartlyAway(f"the frames Redis node {node.name} did not answer a moment ago")
        try:
            with kinds("frames"):
                yield self._table().get_redis_connection(node)
        except redis.exceptions.MovedError as error:
            self._learn()
            raise PartlyAway(
                f"the frames Redis node {node.name} has given the camera to another"
            ) from error
        except Retryable as error:
            self._away[node.name] = self._clock.monotonic() + AWAY_SECONDS
            self._learn()
            raise PartlyAway(f"node {node.name}: {error.message}") from error

    def _learn(self) -> None:
        """Read the table of slots again. Where that fails, the old one stays."""
        if self._clock.monotonic() < self._unreachable_until:
            return
        self._unreachable_until = self._clock.monotonic() + AWAY_SECONDS
        try:
            self._table().nodes_manager.initialize()
        except (*_UNREACHABLE, Retryable):
            return

    def together(self, keys: Mapping[str, str]) -> list[list[str]]:
        """A name whose slot no node has is a group of its own."""
        groups: dict[str, list[str]] = {}
        for name, key in keys.items():
            try:
                place = self._node(key).name
            except Retryable:
                place = f"nowhere {name}"
            groups.setdefault(place, []).append(name)
        return list(groups.values())

    def nodes(self) -> list[redis.Redis]:
        table = self._table()
        primaries: list[ClusterNode] = table.get_primaries()  # type: ignore[no-untyped-call]
        return [table.get_redis_connection(node) for node in primaries]


def ping(servers: FrameServers) -> None:
    """Raise Retryable unless every server answers."""
    for node in servers.nodes():
        with kinds("frames"):
            node.ping()
