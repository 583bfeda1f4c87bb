"""BM25 by the package bm25s, which scores every word of every passage once."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np

from evalkit.errors import ConfigError, DatasetError, did_you_mean
from evalkit.retrieval.base import Hit, Passage, Query
from evalkit.retrieval.words import Words, missing

if TYPE_CHECKING:
    from numpy.typing import NDArray

METHODS = ("lucene", "robertson", "atire")


class Bm25:
    """Ranks passages by BM25 (Robertson et al. 1995; variants as in Kamphuis et al. 2020).

    `method`: "lucene" log(1 + (N - df + 0.5) / (df + 0.5)) · tf / (tf + k1 (1 - b + b length / mean length));
    "robertson" the same with log((N - df + 0.5) / (df + 0.5)), at least 0; "atire" with log(N / df) (k1 + 1).
    A word that the question repeats counts each time. `tokenizer`, `stemmer` and `stopwords` as
    `Words` takes them, alike for passages and questions.

    A passage with a score of 0 has no word in common with the question (or, but for lucene, none that tells
    passages apart) and is no hit.
    """

    def __init__(
        self,
        *,
        method: str = "lucene",
        k1: float = 1.5,
        b: float = 0.75,
        tokenizer: str = "bigrams",
        stemmer: str | None = "english",
        stopwords: str | Sequence[str] | None = "english",
    ) -> None:
        try:
            import bm25s  # noqa: F401 - a missing package shows before anything is read
        except ImportError:
            raise ConfigError(missing()) from None
        if method not in METHODS:
            raise ConfigError(
                f'retrieval.options.method="{method}"{did_you_mean(str(method), METHODS)}: '
                f"must be {', '.join(METHODS)}"
            )
        if not k1 >= 0 or not 0 <= b <= 1:
            raise ConfigError(f"retrieval.options: k1={k1} must be 0 or more, and b={b} from 0 to 1")
        self._method, self._k1, self._b = method, float(k1), float(b)
        self._words = Words(tokenizer, stemmer, stopwords)
        name = f"jieba-{version('jieba')}" if tokenizer == "jieba" else tokenizer
        self._of_words = f"tok:{name}|stem:{stemmer or 'none'}|stop:{_told(stopwords)}"

    @property
    def signature(self) -> str:
        """For example `bm25:lucene|k1:1.5|b:0.75|tok:bigrams|stem:english|stop:english|version:bm25s-0.3`."""
        name = f"bm25:{self._method}|k1:{self._k1:g}|b:{self._b:g}"
        return f"{name}|{self._of_words}|version:bm25s-{version('bm25s')}"

    def index(self, passages: Sequence[Passage]) -> Bm25Index:
        """Count the words of the passages."""
        import bm25s

        words = [self._words(passage.text) for passage in passages]
        if not any(words):
            raise DatasetError(
                f"none of the {len(passages)} passages has a word to search by; is the right column read as "
                "their text (retrieval.text=<column>)?"
            )
        made = bm25s.BM25(k1=self._k1, b=self._b, method=self._method)
        made.index(words, create_empty_token=False, show_progress=False)
        return Bm25Index(made, self._words)


class Bm25Index:
    """Scores of words by passage."""

    def __init__(self, scores: Any, words: Words) -> None:
        self._scores = scores
        self._words = words

    def search(self, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        """Return each query's best passages; none where it shares no word with any."""
        return [self._best(query.text, k) for query in queries]

    def _best(self, text: str, k: int) -> list[Hit]:
        # bm25s gives arbitrary passages for words that it does not know, and breaks ties as it likes.
        known = self._scores.get_tokens_ids(self._words(text))
        if not known:
            return []
        scores = self._scores.get_scores_from_ids(known)
        return [Hit(int(place), float(scores[place])) for place in best(scores, k)]


def best(scores: NDArray[np.float32], k: int) -> NDArray[np.intp]:
    """Return the places of the k highest scores above 0, the highest first, equal ones in order."""
    k = min(k, len(scores))
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    found = np.flatnonzero((scores >= least) & (scores > 0))
    order = np.argsort(-scores[found], kind="stable")[:k]
    return np.asarray(found[order], dtype=np.intp)


def _told(stopwords: str | Sequence[str] | None) -> str:
    if stopwords is None or isinstance(stopwords, str):
        return stopwords or "none"
    return ",".join(sorted(str(word).lower() for word in stopwords)) or "none"
