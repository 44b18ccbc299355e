"""Looks for a plate in everything that a database holds."""

from __future__ import annotations

from psycopg import sql

from shared.domain.plates import plate_key
from tests.support.world import World

# What somebody keeps on purpose outlives an erasure.
KEPT = {"plate_list_entries"}


def places_of(world: World, plate: str) -> list[str]:
    """Every column of every table that has the plate in it, in whatever spelling."""
    columns = world.database.fetch(
        """
        SELECT c.table_name, c.column_name FROM information_schema.columns c
          JOIN information_schema.tables t USING (table_schema, table_name)
         WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'
           AND c.data_type IN ('text', 'jsonb', 'ARRAY', 'character varying')
        """
    )
    found = []
    with world.database.transaction() as connection:
        for row in columns:
            if row["table_name"] in KEPT:
                continue
            table, column = sql.Identifier(row["table_name"]), sql.Identifier(row["column_name"])
            statement = sql.SQL(
                "SELECT 1 FROM {} WHERE strpos(translate(upper({}::text), ' -._/·•', ''), %s) > 0 LIMIT 1"
            ).format(table, column)
            if connection.execute(statement, [plate_key(plate)]).fetchone():
                found.append(f"{row['table_name']}.{row['column_name']}")
    return found
