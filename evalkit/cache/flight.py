"""Requests in flight: what one run of this process asks already, another waits for instead of asking too.

    since = landings(cache.path)
    ...                       # look up what is in the cache
    with claim(cache.path, since) as mine:
        some = mine.take(keys)    # nobody else asks these; where mine.stale, look them up once more
        mine.land(key)            # as soon as a request has an outcome
        mine.land_all()
        wait(cache.path, others)

A run takes keys as it comes to them, and lands all its own before it waits for others', so two runs never
wait for each other.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_lock = threading.Lock()
_in_flight: dict[tuple[Path, str], threading.Event] = {}
_landings: Counter[Path] = Counter()


class Claim:
    """The requests that one run asks; `land` tells those who wait, whatever became of the request."""

    def __init__(self, place: Path, since: int) -> None:
        self._place = place
        self._since = since
        self._landed = 0
        self._events: dict[str, threading.Event] = {}

    def take(self, keys: Iterable[str]) -> set[str]:
        """Claim the keys that nobody asks yet, and return them."""
        taken = {}
        with _lock:
            for key in keys:
                event = threading.Event()
                if _in_flight.setdefault((self._place, key), event) is event:
                    taken[key] = event
        self._events |= taken
        return set(taken)

    @property
    def stale(self) -> bool:
        """Whether another run has had an outcome since: what was not in the cache then may be there now."""
        return _landings[self._place] - self._landed != self._since

    def land(self, key: str) -> None:
        """Say that a request has its outcome; safe to call twice, and for requests of others."""
        event = self._events.pop(key, None)
        if event is None:
            return
        with _lock:
            del _in_flight[self._place, key]
            _landings[self._place] += 1
        self._landed += 1
        event.set()

    def land_all(self) -> None:
        """Let go of whatever is still claimed."""
        for key in list(self._events):
            self.land(key)


def landings(path: Path) -> int:
    """Return how many requests of runs on the cache file at `path` have had an outcome so far."""
    return _landings[path.resolve()]


@contextmanager
def claim(path: Path, since: int) -> Iterator[Claim]:
    """Claim requests in the cache file at `path`; `since` are its landings when it was looked into."""
    claimed = Claim(path.resolve(), since)
    try:
        yield claimed
    finally:
        claimed.land_all()


def wait(path: Path, keys: Iterable[str]) -> None:
    """Return when each of these requests, as far as it is in flight now, has its outcome."""
    place = path.resolve()
    with _lock:
        events = [_in_flight.get((place, key)) for key in keys]
    for event in events:
        if event is not None:
            event.wait()
