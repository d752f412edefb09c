"""The tables of a memory's file, by version, and the steps from each version to the next."""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x44334D59
"""In the file's header (PRAGMA application_id): tells a memory from other sqlite files."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE things (map_id TEXT NOT NULL, id INTEGER NOT NULL, row TEXT NOT NULL, PRIMARY KEY (map_id, id))",
        "CREATE TABLE events (map_id TEXT NOT NULL, number INTEGER NOT NULL, row TEXT NOT NULL,"
        " PRIMARY KEY (map_id, number))",
    ),
    # Ids of things that were forgotten must not be given again, and stamps must not run backwards over a restart.
    (
        "CREATE TABLE maps (map_id TEXT PRIMARY KEY, next_id INTEGER NOT NULL, newest_ns INTEGER)",
        "INSERT INTO maps SELECT map_id, MAX(id) + 1, MAX(json_extract(row, '$.last_seen_ns')) FROM things"
        " GROUP BY map_id",
    ),
)
"""MIGRATIONS[n] leads from version n to n + 1; PRAGMA user_version has the version."""
SCHEMA_VERSION = len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Brings a file to ``SCHEMA_VERSION``, each step in a transaction of its own: a kill leaves a whole version."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    for number in range(version, SCHEMA_VERSION):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except sqlite3.Error:
            connection.execute("ROLLBACK")
            raise
