"""The mark that says which database a store belongs to."""

from __future__ import annotations

from shared.domain.errors import Conflict, NotFound
from shared.domain.ports import ConsistencyRows, ObjectStore
from shared.wire.keys import SENTINEL


def claim_store(store: ObjectStore, rows: ConsistencyRows) -> None:
    """Write this database's id into a store that has none; refuse one that belongs to another
    database.
    """
    try:
        check_store(store, rows)
    except NotFound:
        store.put(SENTINEL, str(rows.deployment_id()).encode(), "text/plain")


def check_store(store: ObjectStore, rows: ConsistencyRows) -> None:
    """Raise Conflict when the store is another database's, NotFound when it is nobody's."""
    own = str(rows.deployment_id())
    found = store.get(SENTINEL).decode("utf-8", "replace").strip()
    if found != own:
        raise Conflict(f"the store belongs to another database ({found[:36]}); this one is {own}")
