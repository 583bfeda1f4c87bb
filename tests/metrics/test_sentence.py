from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from statistics import fmean
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from metrics.material import EDGE_TEXTS, generation, random_texts, rows_of, samples, values_of
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from evalkit.errors import MetricError
from evalkit.metrics.base import MeanMetric
from evalkit.metrics.sentence import SentenceBleu, SentenceChrF, SentenceTer

if TYPE_CHECKING:
    from metrics.conftest import Rows

PLAIN = {"normalized": False, "asian_support": False}
CASES: list[tuple[MeanMetric, Any]] = [
    (SentenceBleu(tokenize="13a"), BLEU(effective_order=True)),
    (
        SentenceBleu(tokenize="char", lowercase=True, smooth_method="floor", max_ngram_order=3),
        BLEU(effective_order=True, tokenize="char", lowercase=True, smooth_method="floor", max_ngram_order=3),
    ),
    (SentenceChrF(), CHRF()),
    (SentenceChrF(word_order=2, lowercase=True), CHRF(word_order=2, lowercase=True)),
    (SentenceTer(**PLAIN), TER()),
    (SentenceTer(normalized=True, asian_support=True), TER(normalized=True, asian_support=True)),
]
NAMES = [f"{metric.names[0]}-{place}" for place, (metric, _) in enumerate(CASES)]


@pytest.mark.parametrize(("metric", "oracle"), CASES, ids=NAMES)
def test_rows_are_sacrebleus_sentence_scores_and_the_value_their_mean(
    metric: MeanMetric, oracle: Any
) -> None:
    hypotheses = [*random_texts(1, 60), *EDGE_TEXTS]
    pool = iter(random_texts(2, 300))
    rng = random.Random(3)
    targets = [list(itertools.islice(pool, rng.randint(1, 3))) for _ in hypotheses]
    wanted = [oracle.sentence_score(*pair).score for pair in zip(hypotheses, targets, strict=True)]
    rows = rows_of(metric, hypotheses, targets)
    np.testing.assert_allclose(rows, [(one, 1.0) for one in wanted], rtol=0, atol=1e-9)
    assert values_of(metric, hypotheses, targets)[metric.names[0]] == pytest.approx(fmean(wanted), abs=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("metric", "score"),
    [
        (SentenceBleu(), BLEU(effective_order=True, tokenize="zh").sentence_score),
        (SentenceChrF(), CHRF().sentence_score),
        (SentenceTer(), TER(normalized=True, asian_support=True).sentence_score),
    ],
)
def test_chinese_translations_score_as_in_sacrebleu(
    shared_rows: Rows, metric: MeanMetric, score: Callable[[str, list[str]], Any]
) -> None:
    """Each target against the next one with its own first half before it; "auto" finds the tokenization."""
    targets = sorted((row["target"] for row in shared_rows("translation_ntrex_en-zh")), key=len)[:60]
    hypotheses = [own[: len(own) // 2] + other for own, other in itertools.pairwise([*targets, targets[0]])]
    wanted = fmean(score(one, [target]).score for one, target in zip(hypotheses, targets, strict=True))
    assert values_of(metric, hypotheses, targets)[metric.names[0]] == pytest.approx(wanted, abs=1e-9)


def test_published_sentence_bleu() -> None:
    """The first pair of sacrebleu's test/test_bleu.py (sentence-level): the same sentence scores 100."""
    assert values_of(SentenceBleu(), ["am I"], ["am I"])["sentence_bleu"] == pytest.approx(100.0)


def test_an_unparsed_answer_scores_the_worst_in_either_direction() -> None:
    assert rows_of(SentenceBleu(), [None], ["a b"]).tolist() == [[0, 1]]
    assert rows_of(SentenceTer(), [None], ["a b"]).tolist() == [[100, 1]]
    assert rows_of(SentenceTer(), [""], ["a b"]).tolist() == [[100, 1]]


def test_bounds_have_the_worst_first_in_either_direction() -> None:
    sample = samples(["a"])[0]
    assert [one.tolist() for one in SentenceChrF().bounds(sample)] == [[0, 1], [100, 1]]
    assert [one.tolist() for one in SentenceTer().bounds(sample)] == [[100, 1], [0, 1]]


def test_signature_is_sacrebleus_and_says_that_it_is_a_mean() -> None:
    oracle = BLEU(effective_order=True)
    oracle.sentence_score("a", ["b"])
    assert SentenceBleu().bind(samples(["b"])).signature == f"mean:sentences|{oracle.get_signature()}"
    assert SentenceTer().bind(samples(["b"])).key == (
        "mean:sentences|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no"
    )


def test_explain_puts_the_texts_side_by_side() -> None:
    sample = samples([["the cat", "a cat"]])[0]
    assert SentenceChrF().explain(generation("cat"), sample) == "'cat' against 'the cat' or 'a cat'"


def test_bad_options_name_the_metric() -> None:
    with pytest.raises(MetricError, match="sentence_bleu: smooth_value"):
        SentenceBleu(smooth_value=1)
    with pytest.raises(MetricError, match="sentence_chrf: char_order"):
        SentenceChrF(char_order=0)
    with pytest.raises(MetricError, match="sentence_ter: normalized must be"):
        SentenceTer(normalized="no")
