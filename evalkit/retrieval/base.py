"""What retrieval is made of: passages, queries, hits, and who finds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Passage:
    """A text that can be shown; `id` names the document it is (a part of), so parts may share one."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; `relevant` are the ids of the right documents, which only an oracle looks at."""

    text: str
    relevant: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage by its place among those indexed, and how well it fits; scores compare within a query."""

    place: int
    score: float


class Index(Protocol):
    """Passages ready to be searched."""

    def search(self, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        """Return the best hits of each query, at most k, the best first.

        Passages that fit equally well come in the order in which they were indexed; one that does not fit
        at all is no hit.
        """
        ...


class Retriever(Protocol):
    """Makes indexes; its options are keyword arguments of a class that a config names."""

    @property
    def signature(self) -> str:
        """How hits are found, options and library versions included, as metrics have it."""
        ...

    def index(self, passages: Sequence[Passage]) -> Index:
        """Return an index over these passages, of which there is at least one."""
        ...
