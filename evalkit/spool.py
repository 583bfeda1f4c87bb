"""Records in order: few in memory, many in a temporary file, so that a run's memory has a bound.

The file has no name (it is gone with the process, however that ends) and lies where `TMPDIR` says.
"""

from __future__ import annotations

import os
import pickle
import tempfile
import weakref
from array import array
from bisect import bisect_right
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
# Records are pickled together: in half of the time that each takes alone, and one place in the file does for
# all of them. Not too many: whoever wants one must unpickle its block.
BLOCK = 2**15  # bytes
MOST = 64  # records
OPENED = 32  # blocks that stay unpickled: answers come nearly, not quite, in the order that they are read in
PIECE = 2**20  # bytes read or written at once


class Spool(Sequence[T], Generic[T]):
    """A sequence that grows by `append`; any record is read by its place, all of them in order.

    `held` bytes of records, as pickled, stay in memory (16 MB).

    Records must be plain data that pickle knows, and must not change: once the file is in use, one that is
    read may be a copy.
    """

    def __init__(self, records: Iterable[T] = (), *, held: int | None = None) -> None:
        self._held = HELD if held is None else held
        self._memory: list[T] = []  # all records, or those that the file does not have yet
        self._bytes = 0
        self._file: _Blocks[T] | None = None
        self._stored = 0
        self._latest: tuple[int, list[T]] = 0, []  # the block that was read last, and the place of its first
        self.extend(records)

    def append(self, record: T) -> None:
        """Take in one more."""
        memory = self._memory
        memory.append(record)
        if self._file is not None:
            if len(memory) >= self._file.room:
                self._store(self._file, memory)
                self._memory = []
            return
        first = len(memory) <= LOOKED_AT
        if first or len(memory) % LOOKED_AT == 0:
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
        return self._stored + len(self._memory)

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
        first, block = self._latest
        if 0 <= place - first < len(block):  # whoever reads one often reads the next
            return block[place - first]
        count = len(self)
        if not -count <= place < count:
            raise IndexError("no such record")
        return self._one(place % count, self._file)

    def __iter__(self) -> Iterator[T]:
        if self._file is None:
            return iter(self._memory)
        return self._from(0, len(self))

    def _one(self, place: int, file: _Blocks[T]) -> T:
        if place >= self._stored:
            return self._memory[place - self._stored]
        self._latest = first, block = file.around(place)
        return block[place - first]

    def _from(self, start: int, stop: int) -> Iterator[T]:
        """Yield the records of these places; more may be appended meanwhile."""
        assert self._file is not None
        while start < min(stop, self._stored):
            for first, block in self._file.since(start):
                yield from block[start - first : stop - first]
                start = first + len(block)
                if start >= stop:
                    return
        if start < stop:
            yield from self._memory[start - self._stored : stop - self._stored]

    def _store(self, file: _Blocks[T], records: list[T]) -> None:
        file.add(records)
        self._stored += len(records)

    def _spill(self) -> None:
        records = self._memory
        self._file = file = _Blocks[T](room=_room(len(records), self._bytes))
        start = 0
        while start < len(records):
            block = records[start : start + file.room]
            self._store(file, block)
            start += len(block)
        self._memory = []


class _Blocks(Generic[T]):
    """Blocks of records in a file without a name; `room` is how many the next one should have."""

    def __init__(self, room: int) -> None:
        try:
            # Not buffered: closing it must have nothing to write.
            self._file: IO[bytes] = tempfile.TemporaryFile(prefix="evalkit-", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise _full(error) from error
        weakref.finalize(self, self._file.close)
        self.room = room
        self._firsts = array("Q", [0])  # the places of each block's first record, and of the next block's
        self._ends = array("Q", [0])  # where each block ends in the file, after a beginning
        self._buffer = bytearray()
        self._written = 0
        self._open: dict[int, list[T]] = {}

    def add(self, records: list[T]) -> None:
        """Take in a block."""
        packed = _packed(records)
        self._buffer += packed
        self._firsts.append(self._firsts[-1] + len(records))
        self._ends.append(self._written + len(self._buffer))
        self.room = _room(len(records), len(packed))
        if len(self._buffer) >= PIECE:
            self._flush()

    def around(self, place: int) -> tuple[int, list[T]]:
        """Return the place of the first record of the block that holds this one, and the block."""
        number = bisect_right(self._firsts, place) - 1
        block = self._open.pop(number, None)
        if block is None:
            if len(self._open) == OPENED:
                del self._open[next(iter(self._open))]  # the one that was not used for longest
            begin, end = self._ends[number], self._ends[number + 1]
            block = _unpacked(self._read(begin, end))
        self._open[number] = block
        return self._firsts[number], block

    def since(self, place: int) -> Iterator[tuple[int, list[T]]]:
        """Yield the same of the block that holds this place and of those after it."""
        ends, number = self._ends, bisect_right(self._firsts, place) - 1
        while number < len(ends) - 1:
            begin, last = ends[number], number + 1
            while last < len(ends) - 1 and ends[last + 1] - begin <= PIECE:
                last += 1
            piece = memoryview(self._read(begin, ends[last]))
            for one in range(number, last):
                yield self._firsts[one], _unpacked(piece[ends[one] - begin : ends[one + 1] - begin])
            number = last

    def _read(self, begin: int, end: int) -> bytes:
        if end > self._written:
            self._flush()
        number = self._file.fileno()
        found = os.pread(number, end - begin, begin)
        while len(found) < end - begin:  # one read may give fewer
            found += os.pread(number, end - begin - len(found), begin + len(found))
        return found

    def _flush(self) -> None:
        try:
            rest = memoryview(bytes(self._buffer))
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _full(error) from error
        self._written += len(self._buffer)
        self._buffer.clear()


def _room(records: int, size: int) -> int:
    """Return how many records a block should have, where so many take `size` bytes."""
    return max(1, min(MOST, BLOCK * records // size))


def _packed(records: Any) -> bytes:
    return pickle.dumps(records, pickle.HIGHEST_PROTOCOL)


def _unpacked(packed: bytes | memoryview) -> Any:
    return pickle.loads(packed)  # noqa: S301 - we wrote it


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
