"""Requests and answers to keep, and cache files, for tests of the cache."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from evalkit.cache.base import Entry
from evalkit.cache.sqlite import SqliteCache
from evalkit.records import Request


def request(number: int | str) -> Request:
    return Request("http://host/v1", "chat.completions", {"model": "m", "n": number})


def put_all(cache: SqliteCache, *pairs: tuple[Request, Entry]) -> None:
    async def put() -> None:
        await asyncio.gather(*(cache.put(one, entry) for one, entry in pairs))

    asyncio.run(put())


def filled(path: Path, *pairs: tuple[Request, Entry]) -> Path:
    """Make a cache file with these entries."""
    cache = SqliteCache(path)
    put_all(cache, *pairs)
    cache.close()
    return path


def numbered_entries(n: int, start: int = 0) -> list[tuple[Request, Entry]]:
    return [(request(number), Entry(b"answer %d" % number, 0.5)) for number in range(start, start + n)]


def found(path: Path, requests: Sequence[Request]) -> list[bytes]:
    """The bodies that a cache file has for these requests, in their order."""
    cache = SqliteCache(path)
    try:
        entries = cache.get_many(one.key for one in requests)
        return [entries[one.key].body for one in requests if one.key in entries]
    finally:
        cache.close()


def sql(path: Path, statement: str, *values: Any) -> list[Any]:
    """Run a statement on a file behind evalkit's back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        return file.execute(statement, values).fetchall()
