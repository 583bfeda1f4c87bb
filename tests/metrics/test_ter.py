from __future__ import annotations

import itertools
import random
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
from sacrebleu.metrics.ter import TER

from evalkit.errors import MetricError
from evalkit.metrics.ter import Ter
from evalkit.metrics.text import reference_streams

if TYPE_CHECKING:
    from metrics.conftest import Rows

SACREBLEUS = {"normalized": False, "asian_support": False}
OPTIONS: list[dict[str, Any]] = [
    SACREBLEUS,
    {"normalized": True, "asian_support": False},
    {"normalized": True, "asian_support": True, "no_punct": True},
    {**SACREBLEUS, "no_punct": True},
    {**SACREBLEUS, "case_sensitive": True},
]


def sacrebleu_score(hypotheses: Sequence[str], targets: Sequence[Sequence[str]], **options: Any) -> float:
    streams = reference_streams([tuple(target) for target in targets])
    return float(TER(**options).corpus_score(list(hypotheses), streams).score)


# From sacrebleu's test/test_ter.py.
@pytest.mark.parametrize(
    ("hypotheses", "targets", "published"),
    [
        (["aaaa bbbb cccc dddd"], ["aaaa bbbb cccc dddd"], 0.0),
        (["dddd eeee ffff"], ["aaaa bbbb cccc"], 1.0),
        ([""], ["a"], 1.0),
        (["d e f g h a b c"], ["a b c d e f g h"], 1 / 8),
    ],
)
def test_published_figures(hypotheses: list[str], targets: list[str], published: float) -> None:
    found = values_of(Ter(**SACREBLEUS), hypotheses, targets)["ter"]
    assert found == pytest.approx(100 * published, abs=1e-9)


# The worked examples of the `ter` module of Hugging Face's evaluate: edits, reference length, score.
HYPOTHESES = [
    "does this sentence match??",
    "what about this sentence?",
    "What did the TER metric user say to the developer?",
]
TARGETS = [
    ["does this sentence match", "does this sentence match!?!"],
    ["wHaT aBoUt ThIs SeNtEnCe?", "wHaT aBoUt ThIs SeNtEnCe?"],
    ["Your jokes are...", "...TERrible"],
]


@pytest.mark.parametrize(
    ("n", "options", "edits", "length", "score"),
    [
        (3, {"case_sensitive": True}, 15, 10.0, 150.0),
        (2, {"case_sensitive": True}, 5, 8.0, 62.5),
        (2, {"normalized": True, "case_sensitive": True}, 6, 10.5, 57.14285714285714),
        (2, {"no_punct": True}, 0, 8.0, 0.0),
        (3, {"no_punct": True}, 10, 10.0, 100.0),
    ],
)
def test_worked_examples(n: int, options: dict[str, Any], edits: int, length: float, score: float) -> None:
    metric = Ter(**SACREBLEUS | options)
    assert rows_of(metric, HYPOTHESES[:n], TARGETS[:n]).sum(axis=0).tolist() == [edits, length]
    assert values_of(metric, HYPOTHESES[:n], TARGETS[:n])["ter"] == pytest.approx(score, abs=1e-9)


def test_statistics_are_edits_to_the_nearest_and_the_mean_length_of_the_references() -> None:
    """`a b` is one deletion from `a b c` and three substitutions and insertions from `x y z w v`: 1 of 4."""
    assert rows_of(Ter(), ["a b"], [["a b c", "x y z w v"]]).tolist() == [[1, 4]]


def test_a_shift_is_one_edit() -> None:
    assert rows_of(Ter(), ["b c d a"], ["a b c d"]).tolist() == [[1, 4]]


@pytest.mark.parametrize(
    ("hypotheses", "targets", "value"),
    [([""], ["two words"], 100.0), (["a b c"], [""], 100.0), ([""], [""], 0.0), (["a", ""], ["a", ""], 0.0)],
)
def test_empty_sides_score_as_in_sacrebleu(hypotheses: list[str], targets: list[str], value: float) -> None:
    assert values_of(Ter(), hypotheses, targets) == {"ter": value}
    assert sacrebleu_score(hypotheses, [[one] for one in targets]) == value


@pytest.mark.parametrize("options", OPTIONS)
def test_corpus_score_equals_sacrebleu_on_random_texts(options: dict[str, Any]) -> None:
    hypotheses = random_texts(1, 80)
    pool = iter(random_texts(2, 300))
    rng = random.Random(3)
    targets = [list(itertools.islice(pool, rng.randint(1, 3))) for _ in hypotheses]
    found = values_of(Ter(**options), hypotheses, targets)["ter"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets, **options), abs=1e-9)


@pytest.mark.parametrize("text", EDGE_TEXTS)
@pytest.mark.parametrize("options", OPTIONS)
def test_edge_texts_score_as_in_sacrebleu_against_all_others(text: str, options: dict[str, Any]) -> None:
    for other in EDGE_TEXTS:
        found = values_of(Ter(**options), [text], [other])["ter"]
        assert found == pytest.approx(sacrebleu_score([text], [[other]], **options), abs=1e-9)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.lists(st.tuples(texts(), references()), min_size=1, max_size=6))
def test_any_texts_score_as_in_sacrebleu(pairs: list[tuple[str, list[str]]]) -> None:
    hypotheses, targets = [one for one, _ in pairs], [many for _, many in pairs]
    found = values_of(Ter(**SACREBLEUS), hypotheses, targets)["ter"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets), abs=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("pair", "asian"), [("en-de", False), ("en-fr", False), ("zh-en", False), ("en-zh", True)]
)
def test_translations_score_as_in_sacrebleu(shared_rows: Rows, pair: str, *, asian: bool) -> None:
    """Each target with its halves swapped and the next one's first words: edits and shifts of every kind."""
    # The shortest: sacrebleu's search for shifts takes a tenth of a second and more for a long sentence.
    targets = sorted((row["target"] for row in shared_rows(f"translation_ntrex_{pair}")), key=len)[:60]
    hypotheses = [
        own[len(own) // 2 :] + " " + own[: len(own) // 2] + other[:20]
        for own, other in itertools.pairwise([*targets, targets[0]])
    ]
    found = values_of(Ter(), hypotheses, targets)["ter"]
    wanted = sacrebleu_score(hypotheses, [[one] for one in targets], normalized=asian, asian_support=asian)
    assert found == pytest.approx(wanted, abs=1e-9)
    assert Ter().bind(samples(targets)).asian_support is asian


@pytest.mark.shared
def test_summaries_with_several_references_score_as_in_sacrebleu(shared_rows: Rows) -> None:
    rows = random.Random(5).sample(shared_rows("summarization_scitldr"), 60)
    hypotheses = [row["title"] for row in rows]
    targets = [row["references"] for row in rows]
    found = values_of(Ter(), hypotheses, targets)["ter"]
    assert found == pytest.approx(sacrebleu_score(hypotheses, targets), abs=1e-9)


def test_signature_is_sacrebleus() -> None:
    changed = {"normalized": True, "asian_support": True, "no_punct": True, "case_sensitive": True}
    for options in (SACREBLEUS, changed):
        oracle = TER(**options)
        oracle.corpus_score(["a"], [["b"], ["c"]])
        assert Ter(**options).bind(samples([["b", "c"]])).signature == str(oracle.get_signature())


@pytest.mark.parametrize(
    ("target", "asian"),
    [("今天天气很好", True), ("今日はいい天気", True), ("fine", False), ("한국어", False)],
)
def test_auto_splits_scripts_in_which_a_sentence_would_be_one_word(target: str, *, asian: bool) -> None:
    bound = Ter().bind(samples([target]))
    assert (bound.normalized, bound.asian_support) == (asian, asian)


def test_lower_is_better_so_the_worst_that_is_assumed_of_a_failed_sample_is_100() -> None:
    bound = Ter().bind(samples(["one two three"]))
    assert not bound.higher_is_better
    worst, best = bound.bounds(samples(["one two three"])[0])
    assert (bound.finish(worst[np.newaxis])[0, 0], bound.finish(best[np.newaxis])[0, 0]) == (100.0, 0.0)


def test_unparsed_counts_as_an_empty_hypothesis() -> None:
    assert rows_of(Ter(), [None], ["one two three"]).tolist() == [[3, 3]]


def test_no_weight_at_all_gives_nan_but_empty_texts_zero() -> None:
    rows = rows_of(Ter(), ["", ""], ["", ""])
    values = Ter().aggregate(rows, np.array([[1.0, 1.0], [0.0, 0.0]]))
    assert values[0, 0] == 0.0
    assert np.isnan(values[1, 0])


def test_explain_counts_the_edits() -> None:
    sample = samples(["the cat sat down"])[0]
    assert (
        Ter().bind([sample]).explain(generation("the cat"), sample)
        == "2 edits turn 'the cat' into the reference of 4 words"
    )


def test_an_option_that_is_neither_yes_nor_no_is_refused() -> None:
    with pytest.raises(MetricError, match="asian_support must be true, false or auto, not 'yes'"):
        Ter(asian_support="yes")
