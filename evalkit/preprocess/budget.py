"""Steps that keep to a number of tokens, counted by a vocabulary of OpenAI's models."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any

from evalkit.errors import ConfigError
from evalkit.preprocess.base import Step, choice, count
from evalkit.preprocess.sentences import sentence_spans
from evalkit.tokens import CL100K, O200K, Counter, counter

KEEP = ("head", "tail", "both")
BORDERS = ("token", "sentence")
CHUNK_BORDERS = ("paragraph", "sentence", "token")
ENCODINGS = (O200K, CL100K)
GAP = "\n[…]\n"
"""What stands for the middle that was left out."""

_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n")
_LOOK_AHEAD = 8  # characters: a word's last letters can make it one token instead of three

Span = tuple[int, int]


class Budget:
    """Counts tokens, and finds the longest part of a text that has no more than so many."""

    def __init__(self, step: str, encoding: str) -> None:
        self.encoding = choice(step, "encoding", encoding, ENCODINGS)
        self._step = step
        self._counter()  # what is missing is missing now

    def _counter(self) -> Counter:
        found = counter(self.encoding)
        if found is None:
            raise ConfigError(
                f"pre-processing step {self._step}: the vocabulary {self.encoding} is not on this machine, "
                "and other tokens would cut elsewhere; pip install toktok-rs"
            )
        return found

    def count(self, text: str) -> int:
        """Return the tokens of a text."""
        return self._counter()([text])[0] if text else 0

    def head(self, text: str, tokens: int) -> int:
        """Return the end of the longest beginning, found by halving, with at most so many tokens."""
        return self._longest(len(text), tokens, lambda size: text[:size])

    def tail(self, text: str, tokens: int) -> int:
        """Return the start of the longest ending with at most so many tokens."""
        return len(text) - self._longest(len(text), tokens, lambda size: text[len(text) - size :])

    def _longest(self, size: int, tokens: int, part: Any) -> int:
        counted = self._counter()
        low, high = 0, size
        while low < high:
            middle = (low + high + 1) // 2
            if counted([part(middle)])[0] <= tokens:
                low = middle
            else:
                high = middle - 1
        # A longer part may have fewer tokens: "toke" has two, "token" one.
        further = range(low + 1, min(size, low + _LOOK_AHEAD) + 1)
        fitting = [
            one
            for one, n in zip(further, counted([part(one) for one in further]), strict=True)
            if n <= tokens
        ]
        return max(fitting, default=low)


class Truncate(Step):
    """Cut a text to at most `tokens` tokens. Idempotent: a text within the budget stays as it is.

    `keep`: its head, its tail, or both (half of each, with a mark for what is left out, which counts).
    `borders`: "token" cuts anywhere, "sentence" after a sentence (where not even one fits, it is cut).
    `encoding`: whose tokens, o200k_base (GPT-4o and later) or cl100k_base (GPT-4, GPT-3.5).
    """

    name = "truncate"

    def __init__(
        self, *, tokens: int, keep: str = "head", borders: str = "token", encoding: str = O200K
    ) -> None:
        self._tokens = count(self.name, "tokens", tokens)
        self._keep = choice(self.name, "keep", keep, KEEP)
        self._by_sentence = choice(self.name, "borders", borders, BORDERS) == "sentence"
        self._budget = Budget(self.name, encoding)
        self._gap = self._budget.count(GAP)
        if keep == "both" and tokens < self._gap + 2:
            raise ConfigError(
                f"pre-processing step truncate: keep=both needs at least {self._gap + 2} tokens, got {tokens}"
            )

    @property
    def details(self) -> tuple[str, ...]:
        """The budget, and what is otherwise than usual."""
        others = ((self._keep, KEEP[0]), (self._budget.encoding, O200K))
        changed = [given for given, usual in others if given != usual]
        return (str(self._tokens), *changed, *(("sentence",) if self._by_sentence else ()))

    def __call__(self, value: Any) -> str:
        text = str(value)
        if self._budget.count(text) <= self._tokens:
            return text
        spans = sentence_spans(text) if self._by_sentence else []
        if self._keep == "head":
            return self._head(text, self._tokens, spans)
        if self._keep == "tail":
            return self._tail(text, self._tokens, spans)
        return self._both(text, spans)

    def _head(self, text: str, tokens: int, spans: Sequence[Span]) -> str:
        end = self._budget.head(text, tokens)
        whole = bisect_right([stop for _, stop in spans], end)
        return text[: spans[whole - 1][1]] if whole else text[:end]

    def _tail(self, text: str, tokens: int, spans: Sequence[Span]) -> str:
        start = self._budget.tail(text, tokens)
        begin = next((begin for begin, _ in spans if begin >= start), start)
        return text[begin:]

    def _both(self, text: str, spans: Sequence[Span]) -> str:
        room = self._tokens - self._gap
        while room > 0:
            tail = self._tail(text, room // 2, spans) if room > 1 else ""
            made = self._head(text, room - room // 2, spans) + GAP + tail
            # Tokens may merge over the seams, and also come apart there.
            if self._budget.count(made) <= self._tokens:
                return made
            room -= 1
        return self._head(text, self._tokens, spans)


class Chunks(Step):
    """Cut a text into pieces of at most `tokens` tokens: a list.

    Whole paragraphs are put together as long as they fit; a longer one is cut between sentences, a longer
    sentence anywhere (`borders`: "sentence" or "token" begin with these). Up to `overlap` tokens of a piece,
    whole sentences where there are any, stand again at the beginning of the next.
    """

    name = "chunks"
    joint = "\n\n"

    def __init__(
        self, *, tokens: int, overlap: int = 0, borders: str = "paragraph", encoding: str = O200K
    ) -> None:
        self._tokens = count(self.name, "tokens", tokens)
        self._overlap = count(self.name, "overlap", overlap, 0)
        self._borders = choice(self.name, "borders", borders, CHUNK_BORDERS)
        if 2 * overlap > tokens:
            raise ConfigError(
                f"pre-processing step chunks: overlap={overlap} is more than half of tokens={tokens}"
            )
        self._budget = Budget(self.name, encoding)

    @property
    def details(self) -> tuple[str, ...]:
        """The budget, and what is otherwise than usual."""
        overlap = (f"overlap{self._overlap}",) if self._overlap else ()
        others = ((self._borders, CHUNK_BORDERS[0]), (self._budget.encoding, O200K))
        return (str(self._tokens), *overlap, *(given for given, usual in others if given != usual))

    @property
    def gives_list(self) -> bool:
        """Always."""
        return True

    def __call__(self, value: Any) -> list[str]:
        text = str(value)
        pieces = self._packed(text, self._units(text, CHUNK_BORDERS.index(self._borders), (0, len(text))))
        return [text[start:end] for start, end in pieces]

    def _units(self, text: str, level: int, span: Span) -> list[Span]:
        """Return parts that fit, as large as the borders allow."""
        start, end = span
        if not text[start:end].strip():
            return []
        if self._budget.count(text[start:end]) <= self._tokens - self._overlap and level:
            return [_bare(text, span)]
        if level == len(CHUNK_BORDERS) - 1:
            return self._cut(text, span)
        parts = _paragraphs(text, span) if level == 0 else _sentences(text, span)
        return [unit for part in parts for unit in self._units(text, level + 1, part)]

    def _cut(self, text: str, span: Span) -> list[Span]:
        found = []
        start, end = span
        room = self._tokens - self._overlap
        while start < end:
            # Never nothing: one character may have more tokens than there is room for.
            size = max(1, self._budget.head(text[start:end], room))
            found.append((start, start + size))
            start += size
        return [_bare(text, one) for one in found if text[slice(*one)].strip()]

    def _packed(self, text: str, units: Sequence[Span]) -> list[Span]:
        """Put neighbours together; each piece begins with what it repeats of the one before."""
        pieces: list[Span] = []
        place = 0
        while place < len(units):
            start = self._repeated(text, units, place, pieces[-1] if pieces else None)
            last = place
            while last + 1 < len(units) and self._fits(text, (start, units[last + 1][1])):
                last += 1
            if not self._fits(text, (start, units[last][1])):  # tokens that come apart at a seam
                start = units[place][0]
            pieces.append((start, units[last][1]))
            place = last + 1
        return pieces

    def _fits(self, text: str, span: Span) -> bool:
        return self._budget.count(text[slice(*span)]) <= self._tokens

    def _repeated(self, text: str, units: Sequence[Span], place: int, before: Span | None) -> int:
        """Return where a piece begins: up to `overlap` tokens before its first unit."""
        first = units[place][0]
        if before is None or not self._overlap:
            return first
        begins = [begin for begin, _ in _sentences(text, before) if begin > before[0]]
        fitting = [one for one in begins if self._budget.count(text[one : before[1]]) <= self._overlap]
        if fitting:
            return fitting[0]
        return before[0] + self._budget.tail(text[slice(*before)], self._overlap)


def _bare(text: str, span: Span) -> Span:
    """Return the span without the white space around it."""
    part = text[slice(*span)]
    return span[0] + len(part) - len(part.lstrip()), span[0] + len(part.rstrip())


def _paragraphs(text: str, span: Span) -> list[Span]:
    breaks = [found.start() for found in _PARAGRAPHS.finditer(text, *span)]
    return list(zip([span[0], *breaks], [*breaks, span[1]], strict=True))


def _sentences(text: str, span: Span) -> list[Span]:
    return [(span[0] + start, span[0] + end) for start, end in sentence_spans(text[slice(*span)])]
