"""Outcomes by place in dataset order, whenever they come; and which requests are equal."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, overload

from evalkit.records import Outcome
from evalkit.spool import Spool

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NONE = -1


class Outcomes(Sequence[Outcome]):
    """One outcome for each of `count` places; LookupError for one that is not there yet.

    An outcome that is put where there is one already is that of the next question of a conversation.
    """

    def __init__(self, count: int) -> None:
        self._spool: Spool[Outcome] = Spool()
        self._at = array("q", [NONE]) * count

    def put(self, place: int, outcome: Outcome) -> None:
        """Take in what became of the request at a place."""
        if self._at[place] != NONE:
            outcome = replace(outcome, earlier=self[place].turns)
        self._at[place] = len(self._spool)
        self._spool.append(outcome)

    def __len__(self) -> int:
        return len(self._at)

    @overload
    def __getitem__(self, place: int) -> Outcome: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Outcome]: ...

    def __getitem__(self, place: int | slice) -> Outcome | Sequence[Outcome]:
        if isinstance(place, slice):
            return [self._outcome(one) for one in self._at[place]]
        return self._outcome(self._at[place])

    def __iter__(self) -> Iterator[Outcome]:
        return map(self._outcome, self._at)

    def _outcome(self, at: int) -> Outcome:
        if at == NONE:
            raise LookupError("not answered yet")
        return self._spool[at]


class Keys:
    """SHA-256 keys in order, the first 16 bytes of each: a million take 16 MB."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // 16

    def add(self, key: str) -> None:
        """Take in a key in hex."""
        self._bytes += bytes.fromhex(key[:32])

    def firsts(self, places: NDArray[np.intp] | None = None) -> NDArray[np.intp]:
        """Return (n,) numbers: for each key that of the first one equal to it, from 0.

        With `places` only the keys there count, (n,) of them.
        """
        import numpy as np

        halves = np.frombuffer(self._bytes, dtype=np.uint64).reshape(-1, 2)
        if places is not None:
            halves = halves[places]
        alone = np.sort(halves[:, 0])
        if (alone[1:] != alone[:-1]).all():  # the usual case, in a third of the memory
            return np.arange(len(halves))
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: of equal ones the first stays first
        ordered = halves[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        begins = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        firsts = np.empty(len(order), dtype=np.intp)
        firsts[order] = order[begins]
        return firsts
