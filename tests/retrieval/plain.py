"""BM25 once more, in plain Python straight from its formula, for rankings to be held to."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache

import Stemmer
from bm25s.stopwords import STOPWORDS_EN

_STEMMER = Stemmer.Stemmer("english")
_HAN = re.compile("[\u3400-\u9fff]+")


@cache
def tokens(text: str) -> list[str]:
    """Stemmed words without stop words, and pairs of Han characters."""
    found: list[str] = []
    for run in re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).lower()):
        place = 0
        for han in _HAN.finditer(run):
            found += [run[place : han.start()]] if han.start() > place else []
            pairs = [han.group()[i : i + 2] for i in range(len(han.group()) - 1)]
            found += pairs or [han.group()]
            place = han.end()
        found += [run[place:]] if place < len(run) else []
    return [_STEMMER.stemWord(word) for word in found if word not in STOPWORDS_EN]


def rank(passages: Sequence[str], query: str, *, k1: float = 1.5, b: float = 0.75) -> list[tuple[int, float]]:
    """Return (place, score) of the passages with a score, best first, by Lucene's variant.

    score = Σ over the query's words of ln(1 + (N - df + 0.5) / (df + 0.5)) · tf / (tf + k1 (1 - b + b l / L))
    """
    words = [tokens(passage) for passage in passages]
    n, mean = len(words), sum(map(len, words)) / len(words)
    df = Counter(word for some in words for word in set(some))
    scores = []
    for place, some in enumerate(words):
        tf = Counter(some)
        score = sum(
            math.log(1 + (n - df[word] + 0.5) / (df[word] + 0.5))
            * tf[word]
            / (tf[word] + k1 * (1 - b + b * len(some) / mean))
            for word in tokens(query)
            if tf[word]
        )
        if score > 0:
            scores.append((place, score))
    return sorted(scores, key=lambda one: (-one[1], one[0]))
