"""N-grams that hypotheses share with their references, counted for many segments at once.

A text is an array of numbers, one a character or token: equal numbers for equal symbols. All windows of the
longest n-gram are packed into integers, with the segment in front, and sorted: windows that begin with the
same n-gram then stand together for every shorter n-gram too, so that one sort counts all orders. Numbers are
packed side by side and never hashed: counts are exact.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.later import np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    IntArray = NDArray[np.int64]
    KeyArray = NDArray[np.uint64]

KEY_BITS = 64
# Symbols sorted at once, whole segments: many short sorts are three times as fast as a long one.
_RUN = 1 << 9
# The places behind a hypothesis and behind a reference hold numbers of their own. An n-gram that runs over
# the end of its text holds the number of its side: it is in no text of the other side, and never common.
_REFERENCE_END, _FIRST = 1, 2


@dataclass(frozen=True)
class Segments:
    """Texts one after the other: for each segment the hypothesis, then its references.

    `symbols`: numbers of at least 0 for each text's symbols, and one place of any number after each text.
    `lengths`: (t,) symbols of each text. `sizes`: (s,) texts of each segment, at least 2.
    """

    symbols: NDArray[Any]
    lengths: IntArray
    sizes: IntArray


def common_ngrams(segments: Segments, order: int) -> IntArray:
    """Return (s, order): n-grams that a hypothesis shares with its references, for n = 1 … order.

    Each n-gram counts as often as it is in the hypothesis, or in the reference that has it most often,
    whichever is less.
    """
    found = np.zeros((len(segments.sizes), order), dtype=np.int64)
    grams = _Windows(segments)
    done = 0
    while done < order:
        counts = grams.lengthen(order - done)
        found[:, done : done + counts.shape[1]] = counts
        done += counts.shape[1]
    return found


def in_parts(
    count: Callable[[Sequence[tuple[str, ...]]], IntArray],
    segments: Sequence[tuple[str, ...]],
    *,
    characters: int,
) -> IntArray:
    """Return (s, k) counts of segments, given by the texts of each: a part of them at a time.

    `count` maps some of the segments to their rows. A part has up to so many characters, or one segment, so
    that memory is bounded. Parts are counted one after the other: on arrays this short much of the work is
    the interpreter's, and a second thread gained nothing that could be measured for up to 1.7 times the CPU.
    """
    ends = np.cumsum([sum(map(len, own)) for own in segments])
    rows, first = [], 0
    while first < len(segments):
        most = characters + (ends[first - 1] if first else 0)
        last = max(first + 1, int(np.searchsorted(ends, most, side="right")))
        rows.append(count(segments[first:last]))
        first = last
    return np.concatenate(rows)


def firsts_of(sizes: IntArray) -> IntArray:
    """Return where each of several runs of these sizes begins, one after the other."""
    return np.asarray(np.cumsum(sizes) - sizes, dtype=np.int64)


def dense(symbols: NDArray[Any], *, least: int) -> tuple[KeyArray, int]:
    """Number the symbols that occur from `least` on, in their order; and the bits of the greatest number."""
    seen = np.zeros(int(symbols.max()) + 1, dtype=bool)
    seen[symbols] = True
    numbers = np.cumsum(seen, dtype=np.uint64)
    numbers += np.uint64(least - 1)
    return numbers[symbols], int(numbers[-1]).bit_length()


def windows(symbols: KeyArray, width: int, bits: int, ids: KeyArray | None = None) -> KeyArray:
    """Return (n,) the `width` symbols from each place on side by side, zeros where there are no more.

    `ids`: (n,) numbers to put in front of them; overwritten.
    """
    keys = np.zeros_like(symbols) if ids is None else ids
    for place in range(width):
        keys <<= np.uint64(bits)
        keys[: max(0, len(symbols) - place)] |= symbols[place:]
    return keys


def ranks(keys: KeyArray, starts: IntArray) -> IntArray:
    """Number keys, equal ones alike within a segment; `starts`: (s,) the first key of each."""
    if not len(keys):
        return np.zeros(0, dtype=np.int64)
    runs = _runs(starts, len(keys))
    order = _order(keys, runs)
    ordered = keys[order]
    rank = np.zeros(len(keys), dtype=np.int64)
    np.cumsum(ordered[1:] != ordered[:-1], out=rank[1:])
    rank -= np.repeat(rank[[run.start for run in runs]], [run.stop - run.start for run in runs])
    found = np.empty_like(rank)
    found[order] = rank
    return found


class _Windows:
    """The symbols from each place on: n-grams whose order grows by as many symbols as fit into an integer."""

    def __init__(self, segments: Segments) -> None:
        firsts = firsts_of(segments.sizes)
        # 0 for a hypothesis, 1, 2, … for the references of its segment.
        sides = np.arange(len(segments.lengths)) - np.repeat(firsts, segments.sizes)
        places = segments.lengths + 1
        extents = np.add.reduceat(places, firsts)
        self._symbols, self._bits = dense(segments.symbols, least=_FIRST)
        self._symbols[np.cumsum(places) - 1] = np.minimum(sides, _REFERENCE_END)
        self._starts = firsts_of(extents)
        self._runs = _runs(self._starts, len(self._symbols))
        self._sides = int(sides.max()) + 1
        self._side = np.repeat(sides.astype(np.uint64), places)
        # Equal for windows of one segment that are equal so far, and in the order of the segments.
        self._ids = np.repeat(np.arange(len(extents), dtype=np.uint64), extents)
        self._done = 0

    def lengthen(self, most: int) -> IntArray:
        """Make the windows up to `most` symbols longer; return (s, symbols) common n-grams at each step."""
        side_bits = (self._sides - 1).bit_length()
        # Room for one symbol at least: symbols and ids are numbered through, and a segment has few texts.
        room = KEY_BITS - side_bits - int(self._ids.max()).bit_length()
        width = min(most, room // self._bits)
        keys = windows(self._symbols[self._done :], width, self._bits, self._ids)
        keys <<= np.uint64(side_bits)
        keys |= self._side
        self._done += width
        if width == most:
            for run in self._runs:
                keys[run].sort()
            changes = _changes(keys, side_bits)
        else:
            order = _order(keys, self._runs)
            keys = keys[order]
            changes = _changes(keys, side_bits)
            self._ids = np.empty_like(keys)
            self._ids[order] = np.cumsum(changes > 0, dtype=np.uint64)
        return self._common(changes, keys & np.uint64((1 << side_bits) - 1), width)

    def _common(self, changes: KeyArray, side: KeyArray, width: int) -> IntArray:
        """Return (s, width) common n-grams by the sorted windows' changes and sides, the shortest first."""
        found = np.empty((len(self._starts), width), dtype=np.int64)
        before = np.zeros((self._sides, len(side) + 1), dtype=np.int32)
        for one in range(self._sides):
            np.cumsum(side == one, dtype=np.int32, out=before[one, 1:])
        at = np.arange(len(side) + 1)
        for place in reversed(range(width)):
            least = np.uint64(1 << self._bits * (width - 1 - place))
            kept = np.flatnonzero(changes >= least)
            changes, at = changes[kept], at[np.append(kept, len(at) - 1)]
            edges = before.take(at, axis=1)  # six times as fast as before[:, at]
            counts = edges[:, 1:] - edges[:, :-1]
            common = np.minimum(counts[0], counts[1:].max(axis=0))
            found[:, place] = np.add.reduceat(common, np.searchsorted(at, self._starts))
        return found


def _changes(keys: KeyArray, skipped: int) -> KeyArray:
    """Return (n,) bits in which each key differs from the one before, without its last `skipped` bits.

    The highest of them says up to which symbol both are the same; all bits are set for the first key.
    """
    found = np.empty_like(keys)
    found[0] = ~np.uint64(0)
    np.bitwise_xor(keys[1:], keys[:-1], out=found[1:])
    found >>= np.uint64(skipped)
    return found


def _order(keys: KeyArray, runs: list[slice]) -> IntArray:
    """Return the places of the keys in order, run by run."""
    return np.concatenate([np.argsort(keys[run]) + run.start for run in runs])


def _runs(starts: IntArray, count: int) -> list[slice]:
    """Return runs of whole segments, about as long as is sorted fastest; one segment where it is longer."""
    first = starts[np.flatnonzero(np.diff(starts // _RUN, prepend=-1))].tolist()
    return [slice(*ends) for ends in itertools.pairwise([*first, count]) if ends[0] < ends[1]]
