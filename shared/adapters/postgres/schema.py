"""Brings a database to this version, and refuses one that is not."""

from __future__ import annotations

from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from shared.adapters.postgres.database import connect, kinds
from shared.domain.errors import Permanent, Retryable

_LOCK = 5_024_117_309_011


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("shared.adapters.postgres").joinpath("migrations")))
    return config


def wanted_version() -> str:
    """The schema version this code was written for."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:
        raise Permanent("the installation holds no schema versions")
    return head


def migrate(url: str) -> tuple[str | None, str]:
    """Run outstanding migrations, one process at a time; answers the version before and after."""
    before = current_version(url)
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect() as lock, engine.connect() as connection:
        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        lock.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
    return before, wanted_version()


def current_version(url: str) -> str | None:
    """The database's version, None when it has no schema. Raises Retryable when it does not answer."""
    with kinds(), connect(url) as connection:
        found = connection.execute("SELECT to_regclass('public.alembic_version') AS name").fetchone()
        if found is None or found["name"] is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row["version_num"])


def require_version(url: str) -> None:
    """Raise Retryable while the schema is older than this code: a migration may be on its way."""
    current, wanted = current_version(url), wanted_version()
    if current != wanted:
        raise Retryable(
            f"the database schema is {current or 'empty'}, this version needs {wanted}: run `platereel migrate`",
            current=current,
            wanted=wanted,
        )
