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

NONE = 2**32 - 1
KEY = 16  # bytes that are kept of a key
FEW = 10_000  # keys that need no numpy to be compared: to import it delays the first request


class Outcomes(Sequence[Outcome]):
    """One outcome for each place up to the last that has one; LookupError for one that is not there yet.

    An outcome that is put where there is one already is that of the next question of a conversation.
    """

    def __init__(self) -> None:
        self._spool: Spool[Outcome] = Spool()
        self._at: array[int] | None = None  # None as long as they come in order

    def put(self, place: int, outcome: Outcome) -> None:
        """Take in what became of the request at a place."""
        if self._at is None:
            if place == len(self._spool):
                self._spool.append(outcome)
                return
            self._at = array("I", range(len(self._spool)))
        missing = place + 1 - len(self._at)
        if missing > 0:
            self._at.extend([NONE] * missing)
        elif self._at[place] != NONE:
            outcome = replace(outcome, earlier=self[place].turns)
        self._at[place] = len(self._spool)
        self._spool.append(outcome)

    def __len__(self) -> int:
        return len(self._spool) if self._at is None else len(self._at)

    @overload
    def __getitem__(self, place: int) -> Outcome: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Outcome]: ...

    def __getitem__(self, place: int | slice) -> Outcome | Sequence[Outcome]:
        if self._at is None:
            return self._spool[place]
        if isinstance(place, slice):
            return [self._outcome(one) for one in self._at[place]]
        return self._outcome(self._at[place])

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self._spool) if self._at is None else map(self._outcome, self._at)

    def _outcome(self, at: int) -> Outcome:
        if at == NONE:
            raise LookupError("not answered yet")
        return self._spool[at]


class Keys:
    """SHA-256 keys in order, the first 16 bytes of each: a million take 16 MB."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes) // KEY

    def add(self, key: str) -> None:
        """Take in a key in hex."""
        self._bytes += bytes.fromhex(key[: 2 * KEY])

    @property
    def differ(self) -> bool:
        """Whether surely no two are equal; found in a sixteenth of the memory that sorting all would take."""
        if len(self) <= FEW:
            return len(set(memoryview(self._bytes).cast("Q")[::2])) == len(self)
        import numpy as np

        parts = np.frombuffer(self._bytes, dtype=np.uint8)[::KEY] & 15
        halves = np.frombuffer(self._bytes, dtype=np.uint64)[::2]
        for part in range(16):
            some = np.sort(halves[parts == part])
            if (some[1:] == some[:-1]).any():
                return False
        return True

    def firsts(self) -> NDArray[np.intp]:
        """Return (n,) numbers: for each key that of the first one equal to it, from 0."""
        import numpy as np

        halves = np.frombuffer(self._bytes, dtype=np.uint64).reshape(-1, 2)
        order = np.lexsort((halves[:, 1], halves[:, 0]))  # stable: of equal ones the first stays first
        ordered = halves[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        begins = np.maximum.accumulate(np.where(new, np.arange(len(order)), 0))
        firsts = np.empty(len(order), dtype=np.intp)
        firsts[order] = order[begins]
        return firsts


class Seen:
    """Which keys came before, by their first eight bytes: 16 to 32 bytes a key.

    Among a billion keys two that differ are taken for one with a chance of 3%: good for sums, and not for
    answers. A hash table with linear probing; a key is its own hash.
    """

    def __init__(self) -> None:
        self._slots = array("Q", bytes(8 * 1024))  # 0 is nothing
        self._count = 0

    def add(self, key: str) -> bool:
        """Take in a key in hex; return whether it is new."""
        number = int(key[:16], 16) or 1
        slot = self._slot(number)
        if self._slots[slot]:
            return False
        self._slots[slot] = number
        self._count += 1
        if 2 * self._count > len(self._slots):
            self._grow()
        return True

    def _slot(self, number: int) -> int:
        """Return where the number is, or the free slot for it."""
        slots, mask = self._slots, len(self._slots) - 1
        slot = number & mask
        while slots[slot] not in {0, number}:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        numbers = self._slots
        self._slots = array("Q", bytes(16 * len(numbers)))
        for number in numbers:
            if number:
                self._slots[self._slot(number)] = number
