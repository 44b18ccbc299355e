"""What may be set wrong in Postgres."""

from __future__ import annotations

from shared.adapters.postgres.database import Database
from shared.domain.health import Severity, WrongSetting

# with these off, a crash of its host can damage the database or lose rows that were acknowledged
MUST_BE_ON = {
    "fsync": Severity.ERROR,
    "full_page_writes": Severity.ERROR,
    "synchronous_commit": Severity.WARNING,
}


def wrong_settings(database: Database) -> list[WrongSetting]:
    """Returns what is set wrong in the server. Raises Retryable while it does not answer."""
    rows = database.fetch(
        "SELECT name, reset_val FROM pg_settings WHERE name = ANY (%s)",
        list(MUST_BE_ON),
    )
    now = {row["name"]: row["reset_val"] for row in rows}
    return [
        WrongSetting(
            setting=name,
            found=now[name],
            severity=severity,
            mend=f"ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();",
        )
        for name, severity in MUST_BE_ON.items()
        if now.get(name) == "off"
    ]
