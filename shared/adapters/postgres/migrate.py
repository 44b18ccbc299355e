"""Brings a database to this version's schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, cast

import psycopg
from alembic import command
from alembic.config import Config
from psycopg.rows import dict_row, tuple_row
from sqlalchemy import Connection as SqlConnection
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from shared.adapters.postgres.database import Connection, connect, kinds
from shared.adapters.postgres.schema import (
    SCHEMA_VERSION,
    current_schema,
    expanded,
    no_way_back,
)
from shared.domain.errors import Permanent

ENCODING = "UTF8"
_LOCK = 5_024_117_309_011
_LOCK_ONCE = "SELECT pg_advisory_xact_lock(:key)"
# Statements that a process prepared before a table changed fail on that connection for ever, and
# 0.1.0 took that for the fault of a detection. Ended while this transaction still holds the tables,
# each process connects again, and its statements are made for the tables as they become.
_CONNECT_ANEW = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE datname = current_database() AND usename = current_user AND application_name LIKE 'platereel%'
       AND pid <> pg_backend_pid()
"""


def alembic_config() -> Config:
    """Returns where the versions of the schema are."""
    config = Config()
    config.set_main_option(
        "script_location", str(files("shared.adapters.postgres").joinpath("migrations"))
    )
    return config


def _engine(url: str) -> Engine:
    """SQLAlchemy reads URLs in a way of its own, and quotes them in its errors: libpq opens the
    connections.
    """
    return create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )


def _require_utf8(url: str) -> None:
    """Raises Permanent for a database of another encoding, Retryable where it does not answer."""
    with kinds(), connect(url) as connection:
        found = connection.info.parameter_status("server_encoding")
    if found != ENCODING:
        raise Permanent(
            f"the database has the encoding {found}, and plates and names of any script need {ENCODING}: make it "
            f"with CREATE DATABASE … ENCODING '{ENCODING}' TEMPLATE template0"
        )


def migrate(url: str) -> tuple[str | None, str]:
    """Run outstanding migrations, one process at a time. Returns the version before and after.

    Processes that use the database lose their connections once, and connect again. A newer schema
    that this code can use stays as it is. Raises Permanent, and changes nothing,
    where it cannot, or where the schema is not Platereel's at all.
    """
    _require_utf8(url)
    engine = _engine(url)
    with engine.connect() as lock, engine.connect() as connection:
        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        found = current_schema(url)  # another host's migration may have come first
        before = None if found is None else found.version
        if before is not None and expanded(found):
            return before, before
        refusal = no_way_back(before)
        if refusal is not None:
            raise Permanent(refusal, current=before, wanted=SCHEMA_VERSION)
        _upgrade(connection, "head")
        if before not in {None, SCHEMA_VERSION}:
            connection.execute(text(_CONNECT_ANEW))
        connection.commit()
        lock.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
    return before, SCHEMA_VERSION


def _upgrade(connection: SqlConnection, version: str) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, version)


@dataclass(frozen=True, slots=True)
class Migration:
    """A transaction in which a database is migrated and filled."""

    _connection: SqlConnection

    def to(self, version: str) -> None:
        """Migrate up to a version, or to `head`."""
        cast("Any", self._driver()).row_factory = tuple_row  # which SQLAlchemy reads
        _upgrade(self._connection, version)

    def rows(self) -> Connection:
        """Returns the transaction's connection, with rows as mappings."""
        driver = self._driver()
        driver.row_factory = dict_row
        return driver

    def _driver(self) -> Connection:
        return cast("Connection", self._connection.connection.driver_connection)


@contextmanager
def migration(url: str) -> Iterator[Migration]:
    """Yields a migration that commits at the end of the block, or changes nothing. Raises Permanent
    for a database that cannot hold every name.
    """
    _require_utf8(url)
    with _engine(url).connect() as connection, connection.begin():
        connection.execute(text(_LOCK_ONCE), {"key": _LOCK})
        yield Migration(connection)
