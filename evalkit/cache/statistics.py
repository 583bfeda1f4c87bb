"""What a cache file holds, counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.cache.opening import open_to_read
from evalkit.cache.row import body_of, request_of, unpacked_size
from evalkit.cache.salvage import PATIENCE
from evalkit.cache.trouble import trouble

Tokens = Callable[[Mapping[str, Any], bytes], tuple[int, int]]
"""Reads prompt and completion tokens from the body that answers a stored request."""


@dataclass(frozen=True, slots=True)
class Share:
    """The entries of one server and model. Sizes are in bytes; `tokens` are prompt and completion tokens."""

    server: str
    model: str
    entries: int
    raw: int
    stored: int
    tokens: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Statistics:
    """A cache file: its size on disk with its log, and its entries. Times are Unix seconds."""

    schema: int
    file_bytes: int
    shares: tuple[Share, ...]
    oldest: float | None
    newest: float | None

    @property
    def entries(self) -> int:
        """How many answers there are."""
        return sum(one.entries for one in self.shares)


def statistics(path: Path, tokens: Tokens) -> Statistics:
    """Count what a cache file holds."""
    shares: dict[tuple[str, str], list[int]] = {}
    with reading(path) as connection:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        oldest, newest = connection.execute("SELECT min(created), max(created) FROM entries").fetchone()
        rows = connection.execute("SELECT server, model, length(request), request, body, sha256 FROM entries")
        for server, model, packed_request, request, packed, sha256 in rows:
            share = shares.setdefault((server, model), [0] * 5)
            raw = (unpacked_size(request) or 0) + (unpacked_size(packed) or 0)
            body = body_of(packed, sha256)
            used = (0, 0) if body is None else tokens(request_of(request) or {}, body)
            for place, value in enumerate((1, raw, packed_request + len(packed), *used)):
                share[place] += value
    return Statistics(
        version,
        size_on_disk(path),
        tuple(
            Share(server, model, count, raw, stored, (prompt, completion))
            for (server, model), (count, raw, stored, prompt, completion) in sorted(shares.items())
        ),
        oldest,
        newest,
    )


def keys(path: Path) -> set[str]:
    """Return the keys of all entries."""
    with reading(path) as connection:
        return {key.hex() for (key,) in connection.execute("SELECT key FROM entries")}


def size_on_disk(path: Path) -> int:
    """Return the bytes of the file and its log."""
    log = path.with_name(f"{path.name}-wal")
    return path.stat().st_size + (log.stat().st_size if log.exists() else 0)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a cache file to read; SQLite's complaints become CacheErrors."""
    with closing(open_to_read(path, PATIENCE)) as connection:
        try:
            yield connection
        except sqlite3.Error as error:
            raise trouble(path, error) from None
