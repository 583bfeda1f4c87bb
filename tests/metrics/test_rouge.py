from __future__ import annotations

import itertools
import random
import string
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics.material import (
    EDGE_TEXTS,
    generation,
    random_texts,
    references,
    rows_of,
    samples,
    texts,
    values_of,
)
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer

from evalkit.errors import MetricError
from evalkit.metrics.rouge import COMPILED, TYPES, Rouge, compiled

if TYPE_CHECKING:
    from metrics.conftest import Rows


@pytest.fixture(autouse=True, params=["compiled", "reference"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds with the compiled code, and where it is not installed."""
    if request.param == "reference":
        monkeypatch.setitem(sys.modules, COMPILED, None)
    assert compiled() is (request.param == "compiled")


def package_means(
    predictions: Sequence[str], targets: Sequence[Sequence[str]], *, use_stemmer: bool = False
) -> dict[str, float]:
    """What rouge-score itself gives: the mean over samples of score_multi's F1."""
    scorer = RougeScorer(list(TYPES), use_stemmer=use_stemmer)
    scores = [scorer.score_multi(many, one) for one, many in zip(predictions, targets, strict=True)]
    return {name: float(np.mean([score[name].fmeasure for score in scores])) for name in TYPES}


def assert_as_the_package(
    predictions: Sequence[str], targets: Sequence[Sequence[str]], **options: Any
) -> None:
    found = values_of(Rouge(tokenizer="rouge_score", **options), predictions, targets)
    assert found == pytest.approx(package_means(predictions, targets, **options), abs=1e-9)


@pytest.mark.parametrize(
    ("name", "prediction", "published"),
    [
        ("rouge1", "testing", 1 / 2),
        ("rouge2", "testing one", 2 / 3),
        ("rougeL", "testing one", 4 / 5),
        ("rougeL", "testing two", 4 / 5),
        ("rougeLsum", "", 0.0),
        ("rougeLsum", "/", 0.0),
    ],
)
def test_figures_of_rouge_scores_own_tests(name: str, prediction: str, published: float) -> None:
    """Google's rouge_scorer_test.py, all against the target `testing one two`."""
    found = values_of(Rouge(), [prediction], ["testing one two"])
    assert found[name] == pytest.approx(published, abs=1e-9)


def test_summary_level_subsequences_of_lins_paper() -> None:
    """Lin 2004, section 3.2: recall 4/5, precision 4/10, so F1 = 8/15."""
    found = values_of(Rouge(), ["w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5"], ["w1 w2 w3 w4 w5"])
    assert found["rougeLsum"] == pytest.approx(8 / 15, abs=1e-9)


def test_each_type_takes_its_own_best_reference() -> None:
    """`a b c` shares all words with `c b a` (rouge1 = 1) but more bigrams with `a b x y` (2 of 5: 2/5)."""
    found = values_of(Rouge(), ["a b c"], [["c b a", "a b x y"]])
    assert found["rouge1"] == 1.0
    assert found["rouge2"] == pytest.approx(2 / 5, abs=1e-9)


def test_rougelsum_of_one_line_is_rougel() -> None:
    found = values_of(Rouge(), ["今天天气好。我们出去。"], ["今天天气很好。我们不出去。"])
    assert found["rougeLsum"] == found["rougeL"]


@pytest.mark.parametrize("use_stemmer", [False, True])
def test_random_texts_score_as_in_rouge_score(*, use_stemmer: bool) -> None:
    predictions = random_texts(1, 150)
    pool = iter(random_texts(2, 500))
    rng = random.Random(3)
    targets = [list(itertools.islice(pool, rng.randint(1, 3))) for _ in predictions]
    assert_as_the_package(predictions, targets, use_stemmer=use_stemmer)


@pytest.mark.parametrize("text", EDGE_TEXTS)
def test_edge_texts_score_as_in_rouge_score_against_all_others(text: str) -> None:
    assert_as_the_package([text] * len(EDGE_TEXTS), [[other] for other in EDGE_TEXTS], use_stemmer=True)


@settings(deadline=None, max_examples=80, derandomize=True)
@given(texts(), references(), st.booleans())
def test_any_text_scores_as_in_rouge_score(prediction: str, many: list[str], use_stemmer: bool) -> None:  # noqa: FBT001
    assert_as_the_package([prediction], [many], use_stemmer=use_stemmer)


@pytest.mark.shared
@pytest.mark.parametrize("use_stemmer", [False, True])
def test_summaries_score_as_in_rouge_score(shared_rows: Rows, *, use_stemmer: bool) -> None:
    rows = random.Random(5).sample(shared_rows("summarization_scitldr"), 200)
    predictions = [row["title"] + "\n" + row["document"][:200] for row in rows]
    assert Rouge().bind(samples([row["references"] for row in rows])).tokenizer == "rouge_score"
    assert_as_the_package(predictions, [row["references"] for row in rows], use_stemmer=use_stemmer)


@pytest.mark.shared
def test_long_recorded_answers_score_as_in_rouge_score(shared_rows: Rows) -> None:
    rows = random.Random(5).sample(shared_rows("recorded_vicuna80_outputs"), 20)
    predictions = [row["outputs"]["vicuna-13b"] for row in rows]
    assert_as_the_package(predictions, [[row["outputs"]["gpt-3.5-turbo"]] for row in rows])


@pytest.mark.shared
def test_chinese_translations_score_one_against_themselves(shared_rows: Rows) -> None:
    targets = [row["target"] for row in random.Random(5).sample(shared_rows("translation_ntrex_en-zh"), 40)]
    assert values_of(Rouge(), targets, targets) == dict.fromkeys(TYPES, 1.0)
    assert values_of(Rouge(tokenizer="rouge_score"), targets, targets)["rouge1"] < 1.0


def test_chinese_counts_characters() -> None:
    """`今天天气好` has 今 天 天 气 好, all in the reference's 6 characters: P = 1, R = 5/6, F1 = 10/11.

    Bigrams: 今天 天天 天气 of 4, of the reference's 5: F1 = 2 * 3 / 9 = 2/3.
    """
    found = values_of(Rouge(), ["今天天气好"], ["今天天气很好。"])
    assert found["rouge1"] == pytest.approx(10 / 11, abs=1e-9)
    assert found["rouge2"] == pytest.approx(2 / 3, abs=1e-9)
    assert found["rougeL"] == pytest.approx(10 / 11, abs=1e-9)


ascii_texts = st.text(alphabet=string.printable, max_size=60) | st.lists(
    st.sampled_from(["running", "Dogs'", "the", "flies", "U.S.", "x_y", "42nd", "\n", "don't"])
).map(" ".join)


@settings(deadline=None, max_examples=150, derandomize=True)
@given(ascii_texts, st.booleans())
def test_ascii_has_the_same_tokens_in_both_tokenizers(text: str, use_stemmer: bool) -> None:  # noqa: FBT001
    ours = Rouge(tokenizer="unicode", use_stemmer=use_stemmer)._tokenizer.tokenize(text)
    assert ours == DefaultTokenizer(use_stemmer).tokenize(text)


@pytest.mark.parametrize(
    ("targets", "tokenizer"),
    [
        (["The cat sat."], "rouge_score"),
        (["Die Straße ist naïve façade."], "rouge_score"),
        (["今天天气很好"], "unicode"),
        (["Привет, мир"], "unicode"),
        (["مرحبا"], "unicode"),
        (["the α of a long English sentence with more words" + " and more" * 40], "rouge_score"),
        (["English"] * 99 + ["中文"], "rouge_score"),
        (["English"] * 49 + ["中文"] * 2, "unicode"),
        (["👍", "", "42"], "rouge_score"),
    ],
)
def test_auto_follows_the_script_of_the_targets(targets: list[str], tokenizer: str) -> None:
    assert Rouge().bind(samples(targets)).tokenizer == tokenizer


@pytest.mark.parametrize("tokenizer", ["rouge_score", "unicode"])
@pytest.mark.parametrize("text", ["", "👍🏽🎉", "❤️", "?!"])
def test_texts_without_words_score_zero_even_against_themselves(tokenizer: str, text: str) -> None:
    assert set(values_of(Rouge(tokenizer=tokenizer), [text], [text]).values()) == {0.0}


def test_types_choose_the_names() -> None:
    assert list(values_of(Rouge(types=["rougeL", "rouge3"]), ["a b c"], ["a b c"])) == ["rougeL", "rouge3"]
    assert Rouge(types="rougeLsum").names == ("rougeLsum",)


def test_unknown_options_are_refused_with_the_nearest() -> None:
    with pytest.raises(MetricError, match=r'unknown type "rougel" \(did you mean "rougeL'):
        Rouge(types=["rougel"])
    with pytest.raises(MetricError, match=r'unknown tokenizer "unicod" \(did you mean "unicode"\?\)'):
        Rouge(tokenizer="unicod")
    with pytest.raises(MetricError, match="none twice"):
        Rouge(types=["rouge1", "rouge1"])
    with pytest.raises(MetricError, match="at least one type"):
        Rouge(types=[])


def test_auto_is_refused_before_bind() -> None:
    with pytest.raises(MetricError, match="bind the metric first"):
        Rouge().statistics([generation("a")], samples(["a"]))


def test_bounds_know_that_one_word_has_no_bigram() -> None:
    sample = samples([["one", "word"]])[0]
    worst, best = Rouge(tokenizer="rouge_score").bounds(sample)
    assert worst.tolist() == [0, 0, 0, 0, 1]
    assert best.tolist() == [1, 0, 1, 1, 1]


def test_ten_thousand_words_are_scored() -> None:
    """Of 10,000 words the two of the target are the first: P = 2/10000, R = 1."""
    prediction = "two words " + "more " * 9998
    found = values_of(Rouge(), [prediction], ["two words"])
    assert found["rouge1"] == pytest.approx(2 * 0.0002 / 1.0002, abs=1e-12)
    assert rows_of(Rouge(tokenizer="unicode"), ["two words"], [prediction])[0, 2] == found["rougeL"]


def test_pairs_are_equal_to_the_last_digit_however_they_are_scored() -> None:
    """Random words and all pairs of edge cases, with stemming; benchmarks/speed/rouge.py has 20,000 pairs."""
    rng = random.Random(5)
    known = [
        "the",
        "a",
        "dogs",
        "barked",
        "barking",
        "agreed",
        "happily",
        "3.14",
        "don't",
        "\n",
        ".",
        "天",
        "é",
    ]
    pairs = list(itertools.product(EDGE_TEXTS, EDGE_TEXTS))
    pairs += [(" ".join(rng.choices(known, k=rng.randrange(60))), " ".join(rng.choices(known, k=60)))
              for _ in range(300)]  # fmt: skip
    metric = Rouge(use_stemmer=True, tokenizer="rouge_score")
    rows = rows_of(metric, [one for one, _ in pairs], [other for _, other in pairs])
    scorer = RougeScorer(list(TYPES), use_stemmer=True)
    for row, (prediction, reference) in zip(rows, pairs, strict=True):
        scores = scorer.score(reference, prediction)
        assert row[:-1].tolist() == [scores[name].fmeasure for name in TYPES]
