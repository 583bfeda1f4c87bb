"""How the cache file is laid out: tables, versions, and whose file it is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from evalkit.errors import CacheError

# application_id marks the file as ours; user_version is the schema's.
APPLICATION_ID = 0x65766B63  # "evkc"
SCHEMA_VERSION = 3
# Every schema that was ever shipped, word for word as SQLite keeps it: a file that says otherwise is refused.
_ENTRIES = """CREATE TABLE entries (
    id      INTEGER PRIMARY KEY,
    key     BLOB NOT NULL UNIQUE,   -- Request.key, 32 bytes
    server  TEXT NOT NULL,          -- Request.server
    model   TEXT NOT NULL,          -- the model that was asked, '' where the body names none
    text    BLOB NOT NULL,          -- hash of what was asked last: finds the same question elsewhere
    request BLOB NOT NULL,          -- canonical JSON of the request, zstd
    body    BLOB NOT NULL,          -- raw response body, zstd
    sha256  BLOB NOT NULL,          -- of the raw response body
    latency REAL NOT NULL,          -- seconds from sending to the whole body
    created REAL NOT NULL           -- Unix time
)"""
TABLES = {
    1: """CREATE TABLE entries (
    id      INTEGER PRIMARY KEY,
    key     BLOB NOT NULL UNIQUE,   -- Request.key, 32 bytes
    request BLOB NOT NULL,          -- canonical JSON of the request, zstd
    body    BLOB NOT NULL,          -- raw response body, zstd
    latency REAL NOT NULL,          -- seconds from sending to the whole body
    created REAL NOT NULL           -- Unix time
)""",
    2: _ENTRIES,
    3: _ENTRIES,
}
PART = 10  # bits of an id: 1,024 entries
BY_MODEL = "CREATE INDEX entries_model ON entries (server, model)"
BY_TEXT = "CREATE INDEX entries_text ON entries (text)"
# Hashes are random: in an index of all of them each new entry would have a page of its own to write. Those of
# 1,024 entries fit into a few pages, and who looks for a text looks into each thousand.
BY_PART = f"CREATE INDEX entries_text ON entries (id >> {PART}, text)"
INDEXES = {1: (), 2: (BY_MODEL, BY_TEXT), 3: (BY_MODEL, BY_PART)}
# Ids have gaps: from each part to the next that has an entry.
SAME_TEXT = f"""WITH RECURSIVE parts (part) AS (
    SELECT min(id) >> {PART} FROM entries
    UNION ALL
    SELECT (SELECT min(id) FROM entries WHERE id >= (part + 1) << {PART}) >> {PART}
    FROM parts WHERE part IS NOT NULL
)
SELECT id, request FROM parts CROSS JOIN entries ON id >> {PART} = part AND text = ?"""  # noqa: S608 - ours
AUTOMATIC = "sqlite_autoindex_entries_1"  # what UNIQUE makes


def version_of(connection: sqlite3.Connection, path: Path) -> int | None:
    """Return the schema's version, None for an empty file; CacheError when it is none that we know."""
    # Tables first: when another process creates them meanwhile, their owner is never missed.
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if tables and owner != APPLICATION_ID:
        raise CacheError(f"{path}: another program's database; set cache.path to a file of its own")
    if version > SCHEMA_VERSION:
        raise CacheError(
            f"{path}: written by a newer evalkit (cache schema {version}, this one knows "
            f"{SCHEMA_VERSION}); upgrade evalkit or set cache.path to another file"
        )
    return version if tables else None


def create(connection: sqlite3.Connection) -> None:
    """Make the tables, inside the caller's transaction."""
    connection.execute(TABLES[SCHEMA_VERSION])
    for index in INDEXES[SCHEMA_VERSION]:
        connection.execute(index)
    mark(connection)


def same_text(connection: sqlite3.Connection) -> str:
    """Return the query for ids and requests of entries with a text, as the file's own index serves it."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    return SAME_TEXT if version >= 3 else "SELECT id, request FROM entries WHERE text = ?"  # noqa: PLR2004


def mark(connection: sqlite3.Connection) -> None:
    """Say whose file it is and of which version."""
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def foreign_parts(connection: sqlite3.Connection, version: int) -> list[str]:
    """Return what a file holds beside our own tables and indexes: triggers, views, tables made otherwise."""
    ours = {TABLES.get(version), *INDEXES.get(version, ())}
    return [
        f"{kind} {name}"
        for kind, name, sql in connection.execute("SELECT type, name, sql FROM sqlite_schema")
        if sql not in ours and (kind, name) != ("index", AUTOMATIC)
    ]
