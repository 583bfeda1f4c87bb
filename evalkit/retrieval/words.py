"""Words that texts are searched by: of any script, stemmed, without stop words."""

from __future__ import annotations

import functools
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from evalkit.errors import ConfigError, did_you_mean
from evalkit.preprocess.segment import Segment

LIST = "STOPWORDS_"
EXTRA = "pip install 'evalkit[retrieval]'"

# Written without spaces between words: Thai and Lao, Myanmar, Khmer, Han and kana (as in metrics.text).
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b"
    "\u3041-\u30ff\u31f0-\u31ff\u3400-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff"
    "\U0001aff0-\U0001b16f\U00020000-\U000323af"
)
_ASCII_WORD = re.compile("[a-z0-9]+")

Splitter = Callable[[str], list[str]]


def characters(run: str) -> list[str]:
    """Each character, with its marks, is a word."""
    return _units(run)


def bigrams(run: str) -> list[str]:
    """Return overlapping pairs of characters, as Lucene's CJKAnalyzer makes them; a single one as itself."""
    units = _units(run)
    return [a + b for a, b in pairwise(units)] or units


def jieba(run: str) -> list[str]:
    """Return words as jieba cuts them for search engines: long words, and the words in them."""
    return _segment()(run)


TOKENIZERS: Mapping[str, Splitter] = {"bigrams": bigrams, "characters": characters, "jieba": jieba}
"""How a run of a script without spaces is split."""


class Words:
    """Splits texts: NFKC, lower case, runs of letters, marks and digits; stop words out, then stemmed.

    `tokenizer` says how runs of scripts without spaces are split (see TOKENIZERS); other scripts are split
    at what is no letter or digit. `stemmer` is a language of Snowball (english, german, …) or None;
    `stopwords` a list that bm25s has (english, german, …), words, or None.
    """

    def __init__(
        self,
        tokenizer: str = "bigrams",
        stemmer: str | None = None,
        stopwords: str | Sequence[str] | None = None,
    ) -> None:
        if tokenizer not in TOKENIZERS:
            raise ConfigError(
                f'retrieval.options.tokenizer="{tokenizer}"{did_you_mean(str(tokenizer), TOKENIZERS)}: '
                f"must be {', '.join(TOKENIZERS)}"
            )
        self._split = TOKENIZERS[tokenizer]
        if tokenizer == "jieba":
            _segment()  # a missing package shows now
        self._stem = _stemmer(stemmer)
        self._stopwords = _stopwords(stopwords)
        self._stems: dict[str, str] = {}

    def __call__(self, text: str) -> list[str]:
        """Return the words of a text, in order, repeated ones too."""
        found = [word for word in self._words(text) if word not in self._stopwords]
        if self._stem is None:
            return found
        stems = self._stems
        for word in found:
            if word not in stems:
                stems[word] = self._stem(word)
        return [stems[word] for word in found]

    def _words(self, text: str) -> Iterator[str]:
        for piece in text.split():
            if piece.isascii():
                yield from _ASCII_WORD.findall(piece.lower())
                continue
            for run in _pattern().findall(unicodedata.normalize("NFKC", piece).lower()):
                for spaced, unspaced in _scripts().findall(run):
                    if spaced:
                        yield spaced
                    else:
                        yield from self._split(unspaced)


@functools.cache
def _marks() -> str:
    """Return all combining marks (they belong to the letter before) as the inside of a character class."""
    marks = (code for code in range(0x300, sys.maxunicode) if unicodedata.category(chr(code))[0] == "M")
    return "".join(map(chr, marks))


@functools.cache
def _pattern() -> re.Pattern[str]:
    """Runs of letters, digits and their marks."""
    return re.compile(rf"[^\W_](?:[^\W_]|[{_marks()}])*")


@functools.cache
def _scripts() -> re.Pattern[str]:
    """Parts of a run: of scripts with spaces, of scripts without."""
    return re.compile(rf"([^{_UNSPACED}]+)|([{_UNSPACED}]+)")


@functools.cache
def _unit() -> re.Pattern[str]:
    return re.compile(rf".[{_marks()}]*", re.DOTALL)


def _units(run: str) -> list[str]:
    return _unit().findall(run)


def _stemmer(language: str | None) -> Callable[[str], str] | None:
    if language is None:
        return None
    try:
        import Stemmer
    except ImportError:
        raise ConfigError(
            f"retrieval.options.stemmer={language} needs PyStemmer, which is not installed: {EXTRA} "
            "(or set retrieval.options.stemmer=null)"
        ) from None
    known = Stemmer.algorithms()
    if language not in known:
        raise ConfigError(
            f'retrieval.options.stemmer="{language}"{did_you_mean(str(language), known)}: '
            f"null or one of {', '.join(known)}"
        )
    return Stemmer.Stemmer(language).stemWord  # type: ignore[no-any-return]


def _stopwords(chosen: str | Sequence[str] | None) -> frozenset[str]:
    if chosen is None:
        return frozenset()
    if not isinstance(chosen, str):
        return frozenset(str(word).lower() for word in chosen)
    try:
        from bm25s import stopwords as lists
    except ImportError:
        raise ConfigError(missing("the lists of stop words")) from None
    known = {
        {"en": "english", "en_plus": "english_plus"}.get(
            short := name.removeprefix(LIST).lower(), short
        ): words
        for name, words in vars(lists).items()
        if name.startswith(LIST)
    }
    if chosen not in known:
        raise ConfigError(
            f'retrieval.options.stopwords="{chosen}"{did_you_mean(chosen, known)}: null, a list of words, or '
            f"one of bm25s's lists: {', '.join(sorted(known))}"
        )
    return frozenset(known[chosen])


def missing(what: str = "retrieval=bm25") -> str:
    """Return the message about the package that is not there."""
    return f"{what} needs bm25s, which is not installed: {EXTRA} (or ask without passages: retrieval=none)"


@functools.cache
def _segment() -> Segment:
    return Segment(mode="search")
