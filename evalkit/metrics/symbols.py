"""Texts as arrays of numbers whose n-grams `overlap` counts: characters, and tokens as sacrebleu has them.

Texts stand one after the other, with one place after each that is no part of it. `sizes` are the (s,) texts
of each segment: a hypothesis and its references.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from evalkit.later import np
from evalkit.metrics.overlap import KEY_BITS, dense, firsts_of, ranks, windows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evalkit.metrics.overlap import IntArray

    Mask = NDArray[np.bool_]
    Symbols = tuple[NDArray[Any], IntArray]
    """Numbers of the symbols, with one place of any number after each text; and (t,) symbols of each text.

    Equal symbols of a segment (a hypothesis and its references) have equal numbers, and others have others.
    """

# Kinds of characters, as they matter to where a token ends. All others are letters here.
_SPACE, _MARK, _STOP, _HYPHEN, _DIGIT, _QUOTE = range(1, 7)
_KINDS = {
    _MARK: '!"#$%&()*+/:;<=>?@[\\]^_`{|}~',
    _STOP: ".,",
    _HYPHEN: "-",
    _DIGIT: "0123456789",
    _QUOTE: "'",
}
_PUNCTUATION = (_MARK, _STOP, _HYPHEN, _QUOTE)


def characters(texts: Sequence[str], *, whitespace: bool) -> Symbols:
    """Return the code points of texts, with or without white space."""
    found = _Characters.of(texts)
    if whitespace:
        return found.codes, found.lengths
    kept = ~found.space
    kept[found.ends] = True
    last = np.cumsum(kept)[found.ends]
    return found.codes[kept], np.diff(last, prepend=0) - 1


def words(texts: Sequence[str], sizes: IntArray) -> Symbols:
    """Number what stands between white space: the tokens of tokenized texts."""
    return _Characters.of(texts).tokens(sizes)


def words_chrf(texts: Sequence[str], sizes: IntArray) -> Symbols:
    """Number chrF++'s words: a punctuation mark that ends a word is one of its own, else one that begins it.

    Words of one character stay whole. The marks are ASCII's, as in sacrebleu's `_remove_punctuation`.
    """
    found = _Characters.of(texts)
    first, last = found.runs()
    long = last > first
    ends = long & np.isin(found.kinds[last], _PUNCTUATION)
    begins = long & np.isin(found.kinds[first], _PUNCTUATION) & ~ends
    cuts = np.zeros(len(found.codes), dtype=bool)
    cuts[last[ends]] = True
    cuts[first[begins] + 1] = True
    return found.tokens(sizes, cuts)


def tokens_13a(texts: Sequence[str], sizes: IntArray, tokenizer: Any) -> Symbols:
    """Number mteval-v13a's tokens; `tokenizer` is sacrebleu's, asked where a text holds something rare.

    mteval-v13a drops tags, joins lines and reads entities; then four patterns put spaces around what they
    match. Where there is nothing to drop, to join or to read, they come to this:

    1. ASCII punctuation other than `'-.,` is a token of its own.
    2. So is a full stop or comma, except between two digits. The second pattern sets apart those without a
       digit before them, the third those without one behind them. Matches do not overlap, so that the second
       can miss the last of several in a row; the third finds it, unless a digit follows: that is rare.
    3. So is a hyphen behind a digit.

    No pattern looks further than one character, and none takes white space for a digit, so that the texts'
    ends are like white space. A test holds this to sacrebleu's on every short string of these characters.
    """
    found, cuts = _cut_13a(texts, tokenizer)
    return found.tokens(sizes, cuts)


def tokens_zh(texts: Sequence[str], sizes: IntArray, tokenizer: Any) -> Symbols:
    """Number the tokens of sacrebleu's `zh`: as `tokens_13a`, and each Chinese character for itself.

    It drops, joins and reads nothing. Its patterns see nothing before and behind a text, not even a space,
    so that a text is rare too that begins with a full stop or comma, or ends with one behind a digit or
    another of them.
    """
    found, cuts = _cut_zh(texts, tokenizer)
    return found.tokens(sizes, cuts)


def _cut_13a(texts: Sequence[str], tokenizer: Any) -> tuple[_Characters, Mask]:
    """Return the texts, those with something rare as the tokenizer has them, and where to cut them."""
    found = _Characters.of(texts)
    rare = found.texts_at(found.rare_in_13a())
    found = found.replaced(rare, tokenizer)
    return found, found.cuts_outside(rare, found.alone())


def _cut_zh(texts: Sequence[str], tokenizer: Any) -> tuple[_Characters, Mask]:
    """Return the texts and where to cut them, as `_cut_13a`."""
    found = _Characters.of(texts)
    rare = found.texts_at(found.rare_in_zh())
    found = found.replaced(rare, tokenizer)
    codes = np.unique(found.codes).tolist()
    chinese = np.zeros(codes[-1] + 1, dtype=bool)
    chinese[[code for code in codes if tokenizer._is_chinese_char(chr(code))]] = True  # noqa: SLF001
    return found, found.cuts_outside(rare, found.alone() | chinese[found.codes])


@dataclass(frozen=True)
class _Characters:
    """Texts in code points, one after the other.

    `joined`: each of the `texts`, and a NUL behind it. `codes`: (n,) its code points. `ends`: (t,) the places
    of those NULs. `lengths`: (t,).
    """

    texts: Sequence[str]
    joined: str
    codes: NDArray[np.uint32]
    ends: IntArray
    lengths: IntArray

    @classmethod
    def of(cls, texts: Sequence[str]) -> _Characters:
        joined = "\0".join([*texts, ""])
        # A lone surrogate is a code point like others.
        codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        lengths = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
        return cls(texts, joined, codes, np.cumsum(lengths + 1) - 1, lengths)

    @cached_property
    def kinds(self) -> NDArray[np.uint8]:
        """What each is, as far as tokens end at it."""
        return _kinds()[self.codes]

    @cached_property
    def space(self) -> Mask:
        """Where no token is: in white space, and behind a text."""
        found: Mask = self.kinds == _SPACE
        found[self.ends] = True
        return found

    def runs(self, cuts: Mask | None = None) -> tuple[IntArray, IntArray]:
        """Return the first and last places of what stands between white space and, if given, cuts.

        `cuts`: (n,) where a run begins, whatever is before it.
        """
        before = _before(self.space, at_edge=True)
        behind = _behind(self.space, at_edge=True)
        if cuts is not None:
            before |= cuts
            behind |= _behind(cuts)
        return np.flatnonzero(before & ~self.space), np.flatnonzero(behind & ~self.space)

    def texts_at(self, places: Mask) -> list[int]:
        """Return the texts that have a marked place."""
        return list(map(int, np.unique(np.searchsorted(self.ends, np.flatnonzero(places)))))

    def replaced(self, some: Sequence[int], tokenizer: Any) -> _Characters:
        """Return the texts, some of them as a tokenizer has them."""
        if not some:
            return self
        texts = list(self.texts)
        for place in some:
            texts[place] = tokenizer(texts[place].rstrip())
        return _Characters.of(texts)

    def rare_in_13a(self) -> Mask:
        """Return (n,) what may be an entity, a tag or a joined line, and stops in a row before a digit."""
        codes = self.codes
        found: Mask = codes == ord("&")
        found |= (codes == ord("<")) & _behind(codes == ord("s"))
        found |= (codes == ord("-")) & _behind(codes == ord("\n"))
        return found | self._missed_stops()

    def rare_in_zh(self) -> Mask:
        """Return (n,) stops in a row before a digit, and those that white space around a text set apart."""
        found = self._missed_stops()
        first, last = self.runs()
        at = np.searchsorted(first, np.append(0, self.ends))
        filled = np.flatnonzero(np.diff(at))
        first, last = first[at[filled]], last[at[filled + 1] - 1]
        stop = self.kinds == _STOP
        found[first] |= stop[first]
        found[last] |= stop[last] & _before(stop | (self.kinds == _DIGIT))[last]
        return found

    def _missed_stops(self) -> Mask:
        """Return (n,) stops behind a stop and before a digit."""
        stop: Mask = self.kinds == _STOP
        return _before(stop) & stop & _behind(self.kinds == _DIGIT)

    def alone(self) -> Mask:
        """Return (n,) characters that are tokens of their own in 13a."""
        digit = self.kinds == _DIGIT
        after_digit = _before(digit)
        found: Mask = self.kinds == _MARK
        found |= (self.kinds == _STOP) & ~(after_digit & _behind(digit))
        found |= (self.kinds == _HYPHEN) & after_digit
        return found

    def cuts_outside(self, some: Sequence[int], alone: Mask) -> Mask:
        """Return (n,) where to cut around what stands alone, but not in some texts."""
        cuts = alone | _before(alone)
        for place in some:
            cuts[self.ends[place] - self.lengths[place] : self.ends[place]] = False
        return cuts

    def tokens(self, sizes: IntArray, cuts: Mask | None = None) -> Symbols:
        """Number the runs, equal ones alike within a segment of texts."""
        first, last = self.runs(cuts)
        ends = np.searchsorted(first, self.ends)
        lengths = np.diff(ends, prepend=0)
        starts = np.append(0, ends)[firsts_of(sizes)]
        numbers = np.zeros(len(first) + len(lengths), dtype=np.int64)
        places = np.arange(len(first)) + np.repeat(np.arange(len(lengths)), lengths)
        numbers[places] = self._numbers(first, last + 1 - first, starts)
        return numbers, lengths

    def _numbers(self, first: IntArray, sizes: IntArray, starts: IntArray) -> IntArray:
        """Return numbers of the runs by their characters, packed into integers where they fit.

        `starts`: the first run of each segment.
        """
        symbols, bits = dense(self.codes, least=1)
        most = KEY_BITS // bits
        short = np.flatnonzero(sizes <= most)
        keys = windows(symbols, most, bits)[first[short]]
        keys >>= (bits * (most - sizes[short])).astype(np.uint64)
        found = np.empty(len(first), dtype=np.int64)
        found[short] = ranks(keys, np.searchsorted(short, starts))
        long = np.flatnonzero(sizes > most)
        spans = zip(first[long].tolist(), sizes[long].tolist(), strict=True)
        known: dict[str, int] = {}
        above = int(found[short].max(initial=0)) + 1
        found[long] = [
            known.setdefault(self.joined[place : place + size], above + len(known)) for place, size in spans
        ]
        return found


def _before(mask: Mask, *, at_edge: bool = False) -> Mask:
    """Return (n,) whether the place before is marked."""
    found = np.empty_like(mask)
    found[:1] = at_edge
    found[1:] = mask[:-1]
    return found


def _behind(mask: Mask, *, at_edge: bool = False) -> Mask:
    """Return (n,) whether the place behind is marked."""
    found = np.empty_like(mask)
    found[-1:] = at_edge
    found[:-1] = mask[1:]
    return found


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return the kind of each code point."""
    found = np.zeros(sys.maxunicode + 1, dtype=np.uint8)
    for kind, chars in _KINDS.items():
        found[[ord(char) for char in chars]] = kind
    # White space is what Python takes for it; all of it is in the first plane.
    found[[code for code in range(1 << 16) if chr(code).isspace()]] = _SPACE
    return found
