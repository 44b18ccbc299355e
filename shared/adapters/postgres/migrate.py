"""Brings a database to this version's schema."""

from __future__ import annotations

from importlib.resources import files

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from shared.adapters.postgres.schema import SCHEMA_VERSION, current_version, no_way_back
from shared.domain.errors import Permanent

_LOCK = 5_024_117_309_011


def _config() -> Config:
    config = Config()
    config.set_main_option(
        "script_location", str(files("shared.adapters.postgres").joinpath("migrations"))
    )
    return config


def migrate(url: str) -> tuple[str | None, str]:
    """Run outstanding migrations, one process at a time. Returns the version before and after.

    Raises Permanent, and changes nothing, where the schema is newer than this code's, or not
    Platereel's at all.
    """
    current_version(url)  # raises our error where the server does not answer
    # SQLAlchemy reads URLs in a way of its own, and quotes them in its errors: libpq opens the
    # connections.
    engine = create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(url), poolclass=NullPool
    )
    with engine.connect() as lock, engine.connect() as connection:
        lock.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        before = current_version(url)  # another host's migration may have come first
        refusal = no_way_back(before)
        if refusal is not None:
            raise Permanent(refusal, current=before, wanted=SCHEMA_VERSION)
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
        lock.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
    return before, SCHEMA_VERSION
