from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.material import EDGE_TEXTS, random_texts, references, rows_of, samples, texts, values_of
from sacrebleu.metrics.chrf import CHRF

from evalkit.errors import MetricError
from evalkit.metrics.chrf import ChrF
from evalkit.metrics.text import reference_streams

if TYPE_CHECKING:
    from metrics.conftest import Rows

OPTIONS: list[dict[str, Any]] = [
    {},
    {"word_order": 2},
    {"char_order": 3, "beta": 3},
    {"lowercase": True, "whitespace": True},
    {"eps_smoothing": True, "word_order": 1},
    {"char_order": 0, "word_order": 2},
]


def sacrebleu_score(hypotheses: Sequence[str], targets: Sequence[Sequence[str]], **options: Any) -> float:
    streams = reference_streams([tuple(target) for target in targets])
    return float(CHRF(**options).corpus_score(list(hypotheses), streams).score)


# From sacrebleu's test/test_chrf.py, all with beta 3.
@pytest.mark.parametrize(
    ("hypotheses", "targets", "published"),
    [
        (["abcdefg"], ["hijklmnop"], 0.0),
        ([""], ["reference"], 0.0),
        (["aa"], ["ab"], 8.3333),
        (["a", "b"], ["a", "c"], 8.3333),
        (["a"], ["a"], 16.6667),
        (["a b c"], ["abc"], 50.0),
        (
            [" Die    Beziehung zwischen  Obama und Netanjahu ist nicht gerade  freundlich. "],
            ["Das Verhältnis zwischen Obama und Netanyahu ist nicht gerade freundschaftlich."],
            64.1302698,
        ),
        (["Niemand hat die Absicht, eine Mauer zu errichten"],) * 2 + (100.0,),
    ],
)
def test_published_figures_with_epsilon_smoothing(
    hypotheses: list[str], targets: list[str], published: float
) -> None:
    found = values_of(ChrF(beta=3, eps_smoothing=True), hypotheses, targets)["chrf"]
    assert found == pytest.approx(published, abs=1e-4)


@pytest.mark.parametrize(
    ("hypotheses", "targets", "published"),
    [
        (["a"], ["a"], 100.0),
        ([""], ["reference"], 0.0),
        (["a b c"], ["abc"], 100.0),
        (["a", "b"], ["a", "c"], 50.0),
        (["aa"], ["ab"], 25.0),
    ],
)
def test_published_figures_with_effective_order(
    hypotheses: list[str], targets: list[str], published: float
) -> None:
    assert values_of(ChrF(beta=3), hypotheses, targets)["chrf"] == pytest.approx(published, abs=1e-4)


def test_published_figure_of_the_readme() -> None:
    """sacrebleu's README: chrF2 = 59.73 for its three sentences with two references each."""
    hypotheses = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
    targets = [
        ["The dog bit the man.", "The dog had bit the man."],
        ["It was not unexpected.", "No one was surprised."],
        ["The man bit him first.", "The man had bitten the dog."],
    ]
    assert values_of(ChrF(), hypotheses, targets)["chrf"] == pytest.approx(59.73, abs=0.005)


def test_statistics_are_triples_by_order() -> None:
    """`aab` and `abb` share a and b (2 of 3 letters), and `ab` of their two bigrams."""
    rows = rows_of(ChrF(char_order=2), ["aab"], ["abb"])
    assert rows.tolist() == [[3, 3, 2, 2, 2, 1]]


@pytest.mark.parametrize("options", OPTIONS)
def test_finish_equals_sacrebleu_on_random_sums(options: dict[str, Any]) -> None:
    rng = np.random.default_rng(11)
    metric, oracle = ChrF(**options), CHRF(**options)
    orders = metric.char_order + metric.word_order
    sums = rng.integers(0, 20, (300, orders, 3))
    sums[rng.random(sums.shape) < 0.2] = 0
    sums[..., 2] = np.minimum(sums[..., 2], sums[..., :2].min(axis=2))
    found = metric.finish(sums.reshape(300, -1).astype(float))[:, 0]
    wanted = [oracle._compute_f_score(row.reshape(-1).tolist()) for row in sums]
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("options", OPTIONS)
def test_corpus_score_equals_sacrebleu_on_random_texts(options: dict[str, Any]) -> None:
    hypotheses = random_texts(1, 60)
    pool = iter(random_texts(2, 200))
    rng = random.Random(3)
    targets = [list(itertools.islice(pool, rng.randint(1, 3))) for _ in hypotheses]
    found = values_of(ChrF(**options), hypotheses, targets)["chrf"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets, **options), abs=1e-9)


@pytest.mark.parametrize("text", EDGE_TEXTS)
def test_edge_texts_score_as_in_sacrebleu_against_all_others(text: str) -> None:
    for other in EDGE_TEXTS:
        found = values_of(ChrF(word_order=2), [text], [other])["chrf"]
        assert found == pytest.approx(sacrebleu_score([text], [[other]], word_order=2), abs=1e-9)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(texts(), references()), min_size=1, max_size=6))
def test_any_texts_score_as_in_sacrebleu(pairs: list[tuple[str, list[str]]]) -> None:
    hypotheses, targets = [one for one, _ in pairs], [many for _, many in pairs]
    found = values_of(ChrF(), hypotheses, targets)["chrf"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets), abs=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize("pair", ["en-de", "en-fr", "en-zh"])
def test_translations_score_as_in_sacrebleu(shared_rows: Rows, pair: str) -> None:
    rows = random.Random(5).sample(shared_rows(f"translation_ntrex_{pair}"), 150)
    targets = [row["target"] for row in rows]
    hypotheses = [*targets[1:], targets[0]]
    found = values_of(ChrF(), hypotheses, targets)["chrf"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, [[one] for one in targets]), abs=1e-9)


@pytest.mark.shared
def test_summaries_with_several_references_score_as_in_sacrebleu(shared_rows: Rows) -> None:
    rows = random.Random(5).sample(shared_rows("summarization_scitldr"), 120)
    hypotheses = [row["title"] for row in rows]
    targets = [row["references"] for row in rows]
    found = values_of(ChrF(), hypotheses, targets)["chrf"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets), abs=1e-9)


def test_signature_is_sacrebleus() -> None:
    changed: dict[str, Any] = {"word_order": 2, "lowercase": True, "whitespace": True, "eps_smoothing": True}
    for options in ({}, changed):
        oracle = CHRF(**options)
        oracle.corpus_score(["a"], [["b"], ["c"]])
        assert ChrF(**options).bind(samples([["b", "c"]])).signature == str(oracle.get_signature())
    assert "|beta:3|" in ChrF(beta=3).signature


@pytest.mark.parametrize("options", [{"char_order": 0}, {"char_order": -1}, {"word_order": -1}, {"beta": 0}])
def test_impossible_orders_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(MetricError, match="char_order and word_order must be"):
        ChrF(**options)


def test_unparsed_counts_as_an_empty_hypothesis() -> None:
    assert rows_of(ChrF(char_order=2), [None], ["abc"]).tolist() == [[0, 3, 0, 0, 2, 0]]


def test_no_weight_at_all_gives_nan_but_empty_texts_zero() -> None:
    rows = rows_of(ChrF(), ["", ""], ["", ""])
    values = ChrF().aggregate(rows, np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert values[0, 0] == 0.0
    assert np.isnan(values[1, 0])
