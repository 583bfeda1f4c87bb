"""Sentence splitting by punctuation, for English (and its like) and for Chinese and Japanese."""

from __future__ import annotations

import re
from typing import Any

from evalkit.errors import ConfigError
from evalkit.preprocess.base import Step, Value, count

_CLOSERS = "\"'”’»)\\]」』）】》〉"
_HAN = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af"
# Where a sentence may end: full-width marks anywhere, others before white space or a Han character, and a
# blank line.
_ENDS = re.compile(
    rf"(?P<wide>[。！？｡]+[!?]*[{_CLOSERS}]*)"
    rf"|(?P<mark>[.!?…]+[{_CLOSERS}]*)(?=\s|$)"
    rf"|(?P<before_han>[!?]+[{_CLOSERS}]*)(?=[{_HAN}“「『])"
    r"|(?P<blank>\n[^\S\n]*\n)"
)
_OPENERS = "\"'“‘«(\\[¿¡"
_NEXT = re.compile(rf"\s+[{_OPENERS}]*(\S+)")
_TITLES = "mr mrs ms dr prof rev hon gen col capt lt sgt cmdr sen rep gov pres st mt ft messrs mmes"
_SHORT = (
    "vs etc cf al approx dept est ed eds inc ltd co corp bros "
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
_BEGINNERS = (
    "a an the this that these those it he she we they you i in on at as if when while after before but and "
    "so then there here its his her their our my however"
)
# Before a full stop these do not end a sentence,
TITLES = frozenset(_TITLES.split())
# nor these before a number,
NUMBERED = frozenset({"no", "nos", "fig", "figs", "eq", "eqs", "vol", "vols", "pp", "ch", "sec", "art"})
# these only where the next word is one that sentences begin with.
SHORT, BEGINNERS = frozenset(_SHORT.split()), frozenset(_BEGINNERS.split())
_INITIAL = re.compile(r"(?:^|\W)[^\W\d_]$")
_WORD = re.compile(r"[^\s\"'“‘«(\[]+$")
_ACRONYM = re.compile(r"(?:[^\W\d_]{1,2}\.)+[^\W\d_]{1,2}")
_NUMBER = re.compile(r"\d+")


class Sentences(Step):
    """Split a text into its sentences; `first` or `last` keep so many of them, as they stand in the text.

    A sentence ends at . ! ? … before white space and no small letter (abbreviations, initials and numbers
    of lists apart), at 。！？ anywhere, and at a blank line; closing quotes and brackets belong to it.
    Without `first` or `last` a list, its sentences without line breaks.
    """

    name = "sentences"
    joint = "\n"

    def __init__(self, *, first: int | None = None, last: int | None = None) -> None:
        if first is not None and last is not None:
            raise ConfigError("pre-processing step sentences: first or last, not both")
        self._first = None if first is None else count(self.name, "first", first)
        self._last = None if last is None else count(self.name, "last", last)

    @property
    def details(self) -> tuple[str, ...]:
        """How many are kept, and from where."""
        kept = (("first", self._first), ("last", self._last))
        return tuple(f"{where}{number}" for where, number in kept if number is not None)

    @property
    def gives_list(self) -> bool:
        """A list of all, or a text of some."""
        return self._first is None and self._last is None

    def __call__(self, value: Any) -> Value:
        text = str(value)
        spans = sentence_spans(text)
        if self._first is not None:
            return text[spans[0][0] : spans[: self._first][-1][1]] if spans else ""
        if self._last is not None:
            return text[spans[-self._last :][0][0] : spans[-1][1]] if spans else ""
        return [" ".join(text[start:end].split("\n")) for start, end in spans]


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return start and end of each sentence, without the white space around it; nothing of a blank text."""
    spans: list[tuple[int, int]] = []
    start = 0
    for found in _ENDS.finditer(text):
        if found.lastgroup == "mark" and not _ends(text, start, found):
            continue
        _add(spans, text, start, found.end())
        start = found.end()
    _add(spans, text, start, len(text))
    return spans


def _add(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    part = text[start:end]
    bare = part.strip()
    if bare:
        begin = start + part.index(bare)
        spans.append((begin, begin + len(bare)))


def _ends(text: str, start: int, found: re.Match[str]) -> bool:
    """Say whether a sentence that begins at `start` ends with this mark, which white space follows."""
    following = _NEXT.match(text, found.end())
    if following is None:
        return True
    word = following.group(1)
    if word[0].islower():
        return False
    return found.group() != "." or not _is_short(text[start : found.start()], word)


def _is_short(part: str, word: str) -> bool:
    """Say whether a full stop after this part of a sentence, before this word, is an abbreviation's."""
    before = _WORD.search(part)
    last = before.group().casefold() if before else ""
    if last in TITLES or _NUMBER.fullmatch(part.strip()):  # "Mr. Smith", "1. First"
        return True
    if last in NUMBERED:
        return word[0].isdigit()
    if last in SHORT or _ACRONYM.fullmatch(last) or _INITIAL.search(part):
        return word.strip(".,;:!?").casefold() not in BEGINNERS
    return False
