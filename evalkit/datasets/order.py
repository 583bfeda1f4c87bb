"""A shuffle that depends on the seed and the samples' ids alone: not on format, file order, or platform."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def rank(seed: int, identifier: str) -> int:
    """Return where a sample stands in the shuffled order: SHA-256 of `seed|id` as a number."""
    return int.from_bytes(hashlib.sha256(f"{seed}|{identifier}".encode()).digest(), "big")


def shuffled(
    named: Iterable[tuple[T, str]],
    seed: int,
    limit: int | None,
    twice: Callable[[T, str, T], Exception],
) -> list[tuple[T, str]]:
    """Return the rows with their ids in shuffled order, the first `limit` of it.

    Only `limit` rows are held at a time. `twice` makes the error for a row whose id another one has: a double
    of a row that is kept always meets it, having the same rank.
    """
    kept: dict[str, T] = {}
    heap: list[tuple[int, str]] = []  # the largest rank on top
    for row, identifier in named:
        if identifier in kept:
            raise twice(row, identifier, kept[identifier])
        entry = (-rank(seed, identifier), identifier)
        if limit is None or len(heap) < limit:
            heapq.heappush(heap, entry)
        elif entry > heap[0]:
            del kept[heapq.heapreplace(heap, entry)[1]]
        else:
            continue
        kept[identifier] = row
    return [(kept[identifier], identifier) for _, identifier in sorted(heap, reverse=True)]
