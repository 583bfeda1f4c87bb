"""Scores kept in a file and looked up again, and the metrics whose rows are."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from metrics.material import generations, samples

from evalkit.cache.scores import ScoreStore
from evalkit.metrics.abstention import Abstention
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import Metric
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.chrf import ChrF
from evalkit.metrics.diversity import Distinct, Repetition
from evalkit.metrics.edit import Cer, EditSimilarity, Wer
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.numeric_match import NumericMatch
from evalkit.metrics.rouge import Rouge
from evalkit.metrics.sentence import SentenceBleu, SentenceChrF, SentenceTer
from evalkit.metrics.ter import Ter
from evalkit.metrics.token_f1 import TokenF1
from evalkit.records import Generation, Sample

KEPT: list[Metric] = [
    *(ExactMatch(), ExactMatch(normalize="squad", no_answer="none"), Accuracy(), TokenF1(), Abstention()),
    *(NumericMatch(symbolic=True), EditSimilarity(), Wer(), Cer(), Distinct(), Repetition()),
    *(Rouge(), Rouge(types=["rouge2"], use_stemmer=True, tokenizer="unicode")),
    *(Bleu(), Bleu(tokenize="char", smooth_method="floor"), ChrF(word_order=2), Ter()),
    *(SentenceBleu(), SentenceChrF(), SentenceTer()),
]


def rows_of(
    path: Path, metric: Metric, answers: Sequence[Generation], asked: Sequence[Sample]
) -> tuple[Any, int]:
    """The rows by a store that is opened for them, and how many of them were scored."""
    said: list[str] = []
    store = ScoreStore(path, say=said.append)
    try:
        rows = store.rows(metric.bind(asked), answers, asked)
    finally:
        store.close()
    assert not said
    assert store.looked_up == len(answers)
    return rows, store.scored


def scored(path: Path, metric: Metric, predictions: Sequence[Any], targets: Sequence[Any]) -> int:
    asked = samples(targets)
    return rows_of(path, metric, generations(predictions), asked)[1]


def trouble_with(path: Path, **options: Any) -> tuple[list[str], int]:
    """What is said, and how many of two answers are scored; the rows are right in any case."""
    said: list[str] = []
    with closing(ScoreStore(path, say=said.append, **options)) as store:
        for _ in range(2):
            rows = store.rows(ExactMatch(), generations(["a", "b"]), samples(["a", "a"]))
            assert rows.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    return said, store.scored
