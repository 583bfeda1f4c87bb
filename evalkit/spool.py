"""Records in order: few in memory, many in a temporary file, so that a run's memory has a bound.

The file has no name (it is gone with the process, however that ends) and lies where `TMPDIR` says.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, Generic, TypeVar, overload

from evalkit.errors import EvalkitError

T = TypeVar("T")

HELD = 16 * 2**20
"""Bytes, as pickled, that are held in memory before records go to the file."""
SHORT = 2**20
"""The same for short texts, which take more in memory than as pickled."""
LOOKED_AT = 64  # the first records, and then one of so many, are pickled to know how large they are
FOUR_BYTES = 2**32 - 1
AHEAD = 2**15  # bytes read at least
PIECE = 2**20  # bytes read or written at once


class Spool(Sequence[T], Generic[T]):
    """A sequence that grows by `append`; any record is read by its place, all of them in order.

    `held` bytes of records, as pickled, stay in memory (16 MB).

    Records must be plain data that pickle knows. Once the file is in use a record that is read is a copy, and
    no change to it is kept.
    """

    def __init__(self, records: Iterable[T] = (), *, held: int | None = None) -> None:
        self._held = HELD if held is None else held
        self._memory: list[T] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None  # not buffered: closing it must have nothing to write
        self._ends = array("Q")
        self._buffer = bytearray()
        self._written = 0
        self._ahead, self._begins = memoryview(b""), 0
        self.extend(records)

    def append(self, record: T) -> None:
        """Take in one more."""
        if self._file is not None:
            self._put(record)
            return
        self._memory.append(record)
        first = len(self._memory) <= LOOKED_AT
        if first or len(self._memory) % LOOKED_AT == 0:
            self._bytes += len(_packed(record)) * (1 if first else LOOKED_AT)
            if self._bytes > self._held:
                self._spill()

    def extend(self, records: Iterable[T]) -> None:
        """Take in several."""
        for record in records:
            self.append(record)

    @property
    def whole(self) -> Sequence[T]:
        """The records: a tuple of them where they are in memory."""
        return self if self._file is not None else tuple(self._memory)

    def __len__(self) -> int:
        return len(self._memory) if self._file is None else len(self._ends)

    @overload
    def __getitem__(self, place: int) -> T: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...

    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        if self._file is None:
            return self._memory[place]
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step == 1:
                return list(self._from(start, stop))
            return [self[one] for one in range(start, stop, step)]
        if not -len(self._ends) <= place < len(self._ends):
            raise IndexError("no such record")
        return self._one(place % len(self._ends))

    def __iter__(self) -> Iterator[T]:
        if self._file is None:
            return iter(self._memory)
        return self._from(0, len(self))

    def _one(self, place: int) -> T:
        assert self._file is not None
        first, end = self._ends[place - 1] if place else 0, self._ends[place]
        if end > self._written:
            self._flush()
        begins = self._begins
        if not begins <= first <= end <= begins + len(self._ahead):  # whoever reads one often reads the next
            size = max(end - first, min(AHEAD, self._written - first))
            self._ahead, self._begins = memoryview(_read(self._file.fileno(), first, size)), first
            begins = first
        record: T = pickle.loads(self._ahead[first - begins : end - begins])  # noqa: S301 - we wrote it
        return record

    def _from(self, start: int, stop: int) -> Iterator[T]:
        """Yield the records of these places, read a piece at a time."""
        assert self._file is not None
        self._flush()
        ends, number = self._ends, self._file.fileno()
        while start < stop:
            first = ends[start - 1] if start else 0
            last = start + 1
            while last < stop and ends[last] - first <= PIECE:
                last += 1
            piece = memoryview(_read(number, first, ends[last - 1] - first))
            begin = first
            for end in ends[start:last]:
                yield pickle.loads(piece[begin - first : end - first])  # noqa: S301 - we wrote it
                begin = end
            start = last

    def _put(self, record: T) -> None:
        packed = _packed(record)
        self._buffer += packed
        self._ends.append(self._written + len(self._buffer))
        if len(self._buffer) >= PIECE:
            self._flush()

    def _flush(self) -> None:
        if not self._buffer:
            return
        assert self._file is not None
        try:
            rest = memoryview(bytes(self._buffer))
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _full(error) from error
        self._written += len(self._buffer)
        self._buffer.clear()

    def _spill(self) -> None:
        try:
            file = tempfile.TemporaryFile(prefix="evalkit-", buffering=0)  # noqa: SIM115 - closed with the spool
        except OSError as error:
            raise _full(error) from error
        self._file = file
        weakref.finalize(self, file.close)
        records, self._memory = self._memory, []
        for record in records:
            self._put(record)


def _packed(record: Any) -> bytes:
    return pickle.dumps(record, pickle.HIGHEST_PROTOCOL)


def _read(number: int, start: int, size: int) -> bytes:
    """Return `size` bytes of the file: one read may give fewer."""
    found = os.pread(number, size, start)
    while len(found) < size:
        found += os.pread(number, size - len(found), start + len(found))
    return found


def _full(error: OSError) -> EvalkitError:
    return EvalkitError(
        f"{tempfile.gettempdir()}: samples cannot be kept there ({error.strerror or error}); free space, or "
        "set TMPDIR to a folder with more; answers that came are in the cache"
    )


class Places:
    """Where each of many names stands: 20 to 28 bytes a name, and the names themselves in a spool.

    A hash table of places with linear probing; a dict of a million names would take 200 MB. Four bytes of a
    hash are kept, and whatever they find is compared with the name itself.
    """

    def __init__(self) -> None:
        self._names: Spool[str] = Spool(held=SHORT)
        self._hashes = array("I")
        self._slots = array("I", bytes(array("I").itemsize * 1024))  # a place + 1, or 0 for none

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, name: str) -> int | None:
        """Give a name the next place, 0 first; return the place of one that is there already instead."""
        place, slot = self._look(name)
        if place is not None:
            return place
        self._names.append(name)
        self._hashes.append(hash(name) & FOUR_BYTES)
        self._slots[slot] = len(self._hashes)
        if 2 * len(self._hashes) > len(self._slots):
            self._grow()
        return None

    def __getitem__(self, place: int) -> str:
        """Return the name at a place."""
        return self._names[place]

    def find(self, name: str) -> int | None:
        """Return a name's place; None for a name that is not there."""
        return self._look(name)[0]

    def _look(self, name: str) -> tuple[int | None, int]:
        """Return the name's place, or None and the slot that is free for it."""
        wanted, mask = hash(name) & FOUR_BYTES, len(self._slots) - 1
        slot = wanted & mask
        while number := self._slots[slot]:
            if self._hashes[number - 1] == wanted and self._names[number - 1] == name:
                return number - 1, slot
            slot = (slot + 1) & mask
        return None, slot

    def _grow(self) -> None:
        slots = array("I", bytes(2 * self._slots.itemsize * len(self._slots)))
        mask = len(slots) - 1
        for number, wanted in enumerate(self._hashes, start=1):
            slot = wanted & mask
            while slots[slot]:
                slot = (slot + 1) & mask
            slots[slot] = number
        self._slots = slots
