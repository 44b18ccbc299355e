"""Celery as transport: its settings, and the producer's side.

A message wakes a worker; it is no record of work. kombu removes a message from its queue and only
then notes it as unacknowledged, so a kill in between loses it. The rows say what is due, and the
pacer offers it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from shared.adapters.redis.client import kinds
from shared.adapters.redis.reasons import place, reason
from shared.domain.errors import Retryable
from shared.wire.tasks import ROUTES

SOFT_SHUTDOWN_SECONDS = 8
VISIBILITY_SECONDS = 300
SENT_AT_ONCE = 16


def celery_options() -> dict[str, Any]:
    """Settings of every Celery process. Each has a test; the reasons are in
    docs/adr/0003-celery-as-transport.md.
    """
    return {
        "broker_transport_options": {
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 5,
            "unacked_restore_throttle": 1,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 5,
        },
        "visibility_timeout": VISIBILITY_SECONDS,
        "broker_pool_acquire_timeout": 5,
        "broker_pool_limit": SENT_AT_ONCE,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "task_publish_retry_policy": {
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.2,
            "interval_max": 0.2,
        },
        "task_ignore_result": True,
        "task_acks_late": True,
        "task_reject_on_worker_lost": False,
        "task_time_limit": 240,
        "task_soft_time_limit": 210,
        "task_routes": ROUTES,
        "worker_prefetch_multiplier": 1,
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "worker_soft_shutdown_timeout": SOFT_SHUTDOWN_SECONDS,
        "worker_max_tasks_per_child": 500,
        "worker_max_memory_per_child": 1_500_000,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_send_task_events": False,
        "worker_enable_remote_control": False,
        "accept_content": ["json"],
        "task_serializer": "json",
        "timezone": "UTC",
    }


def celery_app(broker_url: str) -> Celery:
    """Returns an application without tasks: enough to send tasks by name."""
    app = Celery("platereel", broker=broker_url, set_as_current=False)
    app.conf.update(celery_options())
    return app


class CeleryQueue:
    """Implements the port `TaskQueue`."""

    def __init__(self, app: Celery, broker: redis.Redis) -> None:
        self._app, self._broker = app, broker
        self._threads = ThreadPoolExecutor(SENT_AT_ONCE, thread_name_prefix="publish")

    def send(self, task: str, payload: Mapping[str, Any]) -> None:
        """A publish that raises may still have been delivered; offers make that harmless."""
        try:
            self._app.send_task(task, kwargs=dict(payload), ignore_result=True)
        except (OperationalError, OSError, redis.RedisError) as error:
            below = error.__cause__ or error
            raise Retryable(f"the broker Redis {reason(below)}", **place(below)) from error

    def send_all(self, messages: Sequence[tuple[str, Mapping[str, Any]]]) -> list[bool]:
        """Sends them side by side, because each costs a round trip to the broker."""
        if len(messages) == 1:
            return [self._sent(messages[0])]
        return list(self._threads.map(self._sent, messages))

    def _sent(self, message: tuple[str, Mapping[str, Any]]) -> bool:
        try:
            self.send(*message)
        except Retryable:
            return False
        return True

    def close(self) -> None:
        """Close the connections to the broker. Kombu has one pool for each broker, so the pool
        stays, with new ones.
        """
        self._threads.shutdown(wait=False)
        self._app.pool.resize(SENT_AT_ONCE, reset=True)  # type: ignore[attr-defined]  # the stubs' class is another

    def waiting(self, queue: str) -> int:
        """A queue of kombu is a Redis list."""
        with kinds("broker"):
            waiting: Any = self._broker.llen(queue)
        return int(waiting)
