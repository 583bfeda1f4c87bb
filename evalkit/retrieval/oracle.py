"""Bounds of what a search can give: the passages that the data names as right, and all that there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from evalkit.retrieval.base import Hit, Passage, Query


class Oracle:
    """Finds the passages of a sample's relevant documents: the upper bound of what retrieval can give."""

    signature = "oracle"

    def index(self, passages: Sequence[Passage]) -> OracleIndex:
        """Remember where each document's passages are."""
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, passage in enumerate(passages):
            places[passage.id].append(place)
        return OracleIndex(places)


class All:
    """Shows the passages as they come, without looking at the question; for samples that bring a few."""

    signature = "all"

    def index(self, passages: Sequence[Passage]) -> AllIndex:
        """Count them."""
        return AllIndex(len(passages))


class AllIndex:
    """The places of all passages."""

    def __init__(self, n: int) -> None:
        self._n = n

    def search(self, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        """Return the first k passages for each query."""
        return [[Hit(place, 1.0) for place in range(min(self._n, k))] for _ in queries]


class OracleIndex:
    """Places of passages by their document's id."""

    def __init__(self, places: dict[str, list[int]]) -> None:
        self._places = places

    def search(self, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        """Return the relevant passages in the order in which their documents are named."""
        return [
            [Hit(place, 1.0) for one in query.relevant for place in self._places.get(one, ())][:k]
            for query in queries
        ]
