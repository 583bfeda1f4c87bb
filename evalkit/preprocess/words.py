"""Tokenisation, and removal of the words that say little."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import ConfigError
from evalkit.preprocess.base import Step, choice
from evalkit.preprocess.stopwords import LISTS
from evalkit.records import content_hash

SPLITS = ("unicode", "space", "regex")
# Written without spaces between words: Thai to Khmer, Han, kana. Each character is a word of its own.
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u30ff\u31f0-\u31ff"
    r"\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af]"
)
_APOSTROPHES = "'’"


class Words(Step):
    """Split a text into words: a list.

    `by`: "unicode": runs of letters and digits (an apostrophe inside a word is part of it), each Chinese,
    Japanese, Thai, … character for itself; "space": at white space; "regex": whatever matches `pattern`.
    `punctuation` keeps marks as words of their own ("unicode" only).
    """

    name = "words"
    joint = " "

    def __init__(self, *, by: str = "unicode", pattern: str | None = None, punctuation: bool = False) -> None:
        self._by = choice(self.name, "by", by, SPLITS)
        if (pattern is not None) != (by == "regex"):
            raise ConfigError(
                "pre-processing step words: by=regex needs a pattern, and nothing else takes one"
            )
        if punctuation and by != "unicode":
            raise ConfigError(f"pre-processing step words: punctuation goes with by=unicode, not by={by}")
        self._punctuation = punctuation
        try:
            self._pattern = re.compile(pattern or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"pre-processing step words: bad pattern {pattern!r} ({error})") from None

    @property
    def details(self) -> tuple[str, ...]:
        """How the text is split; a pattern by its hash."""
        hashed = (content_hash(self._pattern.pattern)[:12],) if self._by == "regex" else ()
        return (self._by, *hashed, *(("punctuation",) if self._punctuation else ()))

    @property
    def gives_list(self) -> bool:
        """Always."""
        return True

    def __call__(self, value: Any) -> list[str]:
        if self._by == "space":
            return str(value).split()
        if self._by == "regex":
            return [found.group() for found in self._pattern.finditer(str(value)) if found.group()]
        return _unicode_words(str(value), punctuation=self._punctuation)


class StopWords(Step):
    """Remove the words of a stop list, whatever their case: from a list, or from a text split by `words`.

    `lists` names lists of evalkit's own (english, chinese; see evalkit/preprocess/stopwords.py), `words` and
    `file` (one word a line, `#` begins a comment) give more. Idempotent.
    """

    name = "stop_words"
    of_lists = True
    joint = " "

    def __init__(
        self,
        *,
        lists: Sequence[str] = ("english", "chinese"),
        words: Sequence[str] = (),
        file: str | None = None,
    ) -> None:
        names = [lists] if isinstance(lists, str) else list(lists)
        found: set[str] = set()
        for name in names:
            found |= LISTS[choice(self.name, "lists", name, tuple(LISTS))]
        own = {words} if isinstance(words, str) else {str(one) for one in words}
        if file is not None:
            own |= _read(file)
        self._words = frozenset(map(_fold, found | own))
        if not self._words:
            raise ConfigError("pre-processing step stop_words: no words; name lists, words or a file")
        hashed = (content_hash(sorted(self._words))[:12],)
        self._details = (*names, *(hashed if own else ()))
        self._split = Words()

    @property
    def details(self) -> tuple[str, ...]:
        """The lists; with words of the user's own the hash of all."""
        return self._details

    @property
    def gives_list(self) -> bool:
        """Always."""
        return True

    def __call__(self, value: Any) -> list[str]:
        words = value if isinstance(value, list) else self._split(value)
        return [word for word in words if _fold(word) not in self._words]


def _fold(word: str) -> str:
    return word.casefold().replace("’", "'")


def _unicode_words(text: str, *, punctuation: bool) -> list[str]:
    words: list[str] = []
    letters: list[str] = []

    def close() -> None:
        if letters:
            words.append("".join(letters))
            letters.clear()

    for place, char in enumerate(text):
        kind = unicodedata.category(char)[0]
        if kind in "LN":
            if _UNSPACED.match(char) or (letters and _UNSPACED.match(letters[0])):
                close()
            letters.append(char)
        elif letters and (kind == "M" or (char in _APOSTROPHES and text[place + 1 : place + 2].isalpha())):
            letters.append(char)
        else:
            close()
            if punctuation and not char.isspace():
                words.append(char)
    close()
    return words


def _read(file: str) -> set[str]:
    try:
        lines = Path(file).expanduser().read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"pre-processing step stop_words: {file}: cannot be read ({error})") from None
    return {word for line in lines if (word := line.partition("#")[0].strip())}
