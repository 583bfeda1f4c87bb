"""Long documents cut into passages of so many tokens, at white space (or between Chinese characters)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evalkit import tokens
from evalkit.errors import ConfigError
from evalkit.retrieval.base import Passage

# A word with the space before it, or a character of a script without spaces: where a text may be cut.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef"
    "\U00020000-\U000323af"
)
_UNIT = re.compile(rf"\s*(?:[{_UNSPACED}]|[^\s{_UNSPACED}]+)")


@dataclass(frozen=True)
class Chunks:
    """Passages of at most `size` tokens, each of which repeats about `overlap` tokens of the one before.

    Tokens are counted word by word with OpenAI's vocabulary o200k_base, or as a quarter of the bytes where
    that is not at hand. A single word of more tokens stands alone.
    """

    size: int
    overlap: int = 0
    _known: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap < self.size:
            raise ConfigError(
                f"retrieval.chunk: tokens={self.size} must be 1 or more, and overlap={self.overlap} "
                "from 0 to less than that"
            )

    @property
    def signature(self) -> str:
        """For example `chunk:200|overlap:20|tokens:o200k_base`."""
        counted = tokens.O200K if tokens.counter(tokens.O200K) else "bytes/4"
        return f"chunk:{self.size}|overlap:{self.overlap}|tokens:{counted}"

    def cut(self, documents: Sequence[Passage]) -> Iterator[Passage]:
        """Yield the passages of each document, in order, under the document's id."""
        for document in documents:
            for text in self.parts(document.text):
                yield Passage(document.id, text)

    def parts(self, text: str) -> list[str]:
        """Return a text's parts without white space around them; the text itself where it is short enough."""
        units = _UNIT.findall(text)
        sizes = self._sizes(units)
        if sum(sizes) <= self.size:
            return [text]
        found = []
        start = 0
        while start < len(units):
            # Without the space before it, a word may have one token more.
            end, total = start + 1, max(sizes[start], *self._sizes([units[start].lstrip()]))
            while end < len(units) and total + sizes[end] <= self.size:
                total += sizes[end]
                end += 1
            found.append("".join(units[start:end]).strip())
            if end == len(units):
                break
            start = self._back(sizes, start, end)
        return found

    def _back(self, sizes: Sequence[int], start: int, end: int) -> int:
        """Return where the next part starts: so far before the last one's end that `overlap` is repeated."""
        # The next part must have room for something new.
        room = min(self.overlap, self.size - sizes[end])
        repeated = 0
        while end - 1 > start and repeated + sizes[end - 1] <= room:
            end -= 1
            repeated += sizes[end]
        return end

    def _sizes(self, units: Sequence[str]) -> list[int]:
        new = list({unit for unit in units if unit not in self._known})
        if new:
            count = tokens.counter(tokens.O200K)
            counts = [-(-len(unit.encode()) // 4) for unit in new] if count is None else count(new)
            self._known.update(zip(new, counts, strict=True))
        return [self._known[unit] for unit in units]
