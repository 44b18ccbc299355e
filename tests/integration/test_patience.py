"""A database that stops answering, while something in between keeps the connection open, holds no
thread for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from shared.adapters.postgres import database as module
from shared.adapters.postgres.database import Database
from shared.domain.errors import Retryable
from tests.support.proxy import Proxy
from tests.support.servers import Servers


def test_a_transaction_without_an_answer_ends_and_the_next_one_works(
    servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TRANSACTION_SECONDS", 1.0)
    monkeypatch.setattr(module, "CHECK_SECONDS", 1.0)
    parts = urlsplit(servers.new_database())
    proxy = Proxy((str(parts.hostname), int(parts.port or 0)))
    database = Database(
        parts._replace(netloc=parts.netloc.replace(str(parts.port), str(proxy.port))).geturl()
    )
    database.open()
    try:
        assert database.fetch_one("SELECT 1 AS n") == {"n": 1}
        began = time.monotonic()
        with pytest.raises(Retryable, match="does not answer"):
            _ask_after(database, proxy.blackhole)
        assert time.monotonic() - began < 20
        proxy.heal()
        assert database.fetch_one("SELECT 2 AS n") == {"n": 2}
        # A connection of the pool that is dead is noticed before it is used.
        proxy.blackhole_old()
        began = time.monotonic()
        assert database.fetch_one("SELECT 3 AS n") == {"n": 3}
        assert time.monotonic() - began < 20
    finally:
        database.close()
        proxy.close()


def _ask_after(database: Database, fault: Callable[[], None]) -> None:
    with database.transaction() as connection:
        fault()
        connection.execute("SELECT 1")
