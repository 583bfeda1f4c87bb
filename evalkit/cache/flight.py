"""Requests in flight: what one run of this process asks already, another waits for instead of asking too.

    with claim(cache.path, keys) as mine:
        ...             # look the claimed keys up again (a run may have answered them just now), ask the rest
        mine.land(key)  # as soon as a request has an outcome
    wait(cache.path, others)

A run lands all its own before it waits for others', so two runs never wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_lock = threading.Lock()
_in_flight: dict[tuple[Path, str], threading.Event] = {}


class Claim:
    """The requests that one run asks; `land` tells those who wait, whatever became of the request."""

    def __init__(self, place: Path, events: Mapping[str, threading.Event]) -> None:
        self._place = place
        self._events = events

    @property
    def keys(self) -> Collection[str]:
        """What is asked here and nowhere else."""
        return self._events.keys()

    def land(self, key: str) -> None:
        """Say that a request has its outcome; safe to call twice, and for requests of others."""
        event = self._events.get(key)
        if event is None:
            return
        with _lock:
            # By now it may be in flight again, for somebody else.
            if _in_flight.get((self._place, key)) is event:
                del _in_flight[self._place, key]
        event.set()


@contextmanager
def claim(path: Path, keys: Iterable[str]) -> Iterator[Claim]:
    """Claim the keys that nobody asks yet in the cache file at `path`; what is left is landed at the end."""
    place = path.resolve()
    events = {key: threading.Event() for key in keys}
    with _lock:
        for key in list(events):
            if _in_flight.setdefault((place, key), events[key]) is not events[key]:
                del events[key]
    claimed = Claim(place, events)
    try:
        yield claimed
    finally:
        for key in claimed.keys:
            claimed.land(key)


def wait(path: Path, keys: Iterable[str]) -> None:
    """Return when each of these requests, as far as it is in flight now, has its outcome."""
    place = path.resolve()
    with _lock:
        events = [_in_flight.get((place, key)) for key in keys]
    for event in events:
        if event is not None:
            event.wait()
