"""What the runner asks of a cache, and how it is used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from evalkit.records import Request


class Mode(StrEnum):
    """How a run uses the cache."""

    RW = "rw"
    """Answers are looked up, and new ones kept."""
    REFRESH = "refresh"
    """Everything is asked again, and kept."""
    REPLAY = "replay"
    """Nothing is sent: a miss is an error."""
    OFF = "off"
    """Nothing is looked up or kept."""

    @property
    def reads(self) -> bool:
        """Whether answers are looked up."""
        return self in {Mode.RW, Mode.REPLAY}

    @property
    def writes(self) -> bool:
        """Whether answers are kept."""
        return self in {Mode.RW, Mode.REFRESH}


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept answer: the raw body as it came, and how long it took in seconds."""

    body: bytes
    latency: float


class Cache(Protocol):
    """Request.key -> Entry."""

    path: Path
    """What tells this cache from others in the process."""

    def get_many(self, keys: Iterable[str]) -> Mapping[str, Entry]:
        """Return the entries there are for these keys."""
        ...

    def alike(self, request: Request) -> Sequence[Mapping[str, Any]]:
        """Return stored requests that this one may be a variant of, as `evalkit.cache.explain` reads them."""
        ...

    async def put(self, request: Request, entry: Entry) -> None:
        """Keep an answer; returns once it is on disk."""
        ...

    def close(self) -> None:
        """Write what is waiting and let go of the file."""
        ...
