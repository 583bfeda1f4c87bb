from __future__ import annotations

import random
import time
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics.material import generation, rows_of, samples, values_of

from evalkit.metrics.base import Metric
from evalkit.metrics.edit import Cer, EditSimilarity, Wer, levenshtein

# Distance and Levenshtein.normalized_similarity of rapidfuzz 3.14.6.
RAPIDFUZZ = [
    ("kitten", "sitting", 3, 0.5714285714285714),
    ("", "abc", 3, 0.0),
    ("", "", 0, 1.0),
    ("The quick brown fox", "the quick brown fox jumps", 7, 0.72),
    ("今天天气很好", "今天天气不好，我们走吧", 6, 0.4545454545454546),
    ("naïve café 👍", "naive cafe 👎", 3, 0.75),
    ("a", "b", 1, 0.0),
    ("completely different", "xyz", 19, 0.050000000000000044),
]
# Hypothesis, reference, wer and cer of each pair by jiwer 4.0.0, and of all pairs together.
JIWER = [
    ("the cat sat on a mat", "the cat sat on the mat", 0.16666666666666666, 0.13636363636363635),
    ("", "an empty answer", 1.0, 1.0),
    ("hello  world", "hello world", 0.0, 0.09090909090909091),
    ("今天 天气 不错", "今天 天气 很 好", 0.5, 0.3333333333333333),
    ("What? No!", "what no", 1.0, 0.5714285714285714),
    ("one two three four five six seven", "one three two four", 1.25, 1.1666666666666667),
]
JIWER_WER, JIWER_CER = 0.6190476190476191, 0.573170731707317


def by_table(one: Sequence[str], other: Sequence[str]) -> int:
    """Wagner and Fischer's table, a cell at a time."""
    row = list(range(len(other) + 1))
    for place, left in enumerate(one, start=1):
        above, row[0] = row[0], place
        for at, right in enumerate(other, start=1):
            above, row[at] = row[at], min(row[at] + 1, row[at - 1] + 1, above + (left != right))
    return row[-1]


@pytest.mark.parametrize(("one", "other", "distance", "similarity"), RAPIDFUZZ)
def test_distance_and_similarity_are_rapidfuzzs(
    one: str, other: str, distance: int, similarity: float
) -> None:
    assert levenshtein(one, other) == levenshtein(other, one) == distance
    assert values_of(EditSimilarity(), [one], [other])["edit_similarity"] == pytest.approx(
        similarity, abs=1e-12
    )


@given(st.lists(st.sampled_from("abc"), max_size=90), st.lists(st.sampled_from("abc"), max_size=90))
def test_the_bits_say_what_the_table_says(one: list[str], other: list[str]) -> None:
    assert levenshtein(one, other) == by_table(one, other)


def test_two_texts_of_2000_characters_take_milliseconds() -> None:
    rng = random.Random(0)
    one, other = ("".join(rng.choices("abcdefgh ", k=2000)) for _ in range(2))
    start = time.perf_counter()
    assert 1000 < levenshtein(one, other) < 2000
    assert time.perf_counter() - start < 0.5


@pytest.mark.parametrize(("hypothesis", "reference", "wer", "cer"), JIWER)
def test_error_rates_of_a_pair_are_jiwers(hypothesis: str, reference: str, wer: float, cer: float) -> None:
    assert values_of(Wer(), [hypothesis], [reference])["wer"] == pytest.approx(wer, abs=1e-12)
    assert values_of(Cer(), [hypothesis], [reference])["cer"] == pytest.approx(cer, abs=1e-12)


def test_error_rates_of_a_corpus_are_jiwers() -> None:
    hypotheses, references = [one[0] for one in JIWER], [one[1] for one in JIWER]
    assert values_of(Wer(), hypotheses, references)["wer"] == pytest.approx(JIWER_WER, abs=1e-12)
    assert values_of(Cer(), hypotheses, references)["cer"] == pytest.approx(JIWER_CER, abs=1e-12)
    # jiwer: 6 substitutions, 4 deletions, 3 insertions; 11 + 6 + 4 words in the references.
    assert rows_of(Wer(), hypotheses, references).sum(axis=0).tolist() == [13.0, 21.0]


def test_the_reference_with_the_fewest_errors_for_its_length_counts() -> None:
    """'a b' is one edit from 'a c' (1/2) and two from 'x b c d e y z z' (6 edits of 8)."""
    assert rows_of(Wer(), ["a b"], [["x b c d e y z z", "a c"]]).tolist() == [[1.0, 2.0]]
    assert values_of(EditSimilarity(), ["kitten"], [["dog", "sitten"]])["edit_similarity"] == pytest.approx(
        5 / 6
    )


def test_options_ignore_case_and_punctuation() -> None:
    plain = Wer(ignore_case=True, ignore_punctuation=True)
    assert values_of(plain, ["What? No!"], ["what no"]) == {"wer": 0.0}
    assert values_of(Cer(ignore_punctuation=True), ["你好，世界。"], ["你好世界"]) == {"cer": 0.0}
    assert values_of(EditSimilarity(ignore_case=True), ["ABC"], ["abc"]) == {"edit_similarity": 1.0}
    assert values_of(EditSimilarity(strip=False), ["ab "], ["ab"])["edit_similarity"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("metric", [Wer(), Cer()])
def test_an_unparsed_answer_counts_as_an_empty_one(metric: Metric) -> None:
    targets = ["three short words"]
    np.testing.assert_array_equal(rows_of(metric, [None], targets), rows_of(metric, [""], targets))
    assert list(values_of(metric, [None], targets).values()) == [1.0]


def test_explanations_tell_the_edits() -> None:
    (asked,) = samples(["sitting"])
    assert EditSimilarity().explain(generation("kitten"), asked) == "3 edits between 'kitten' and 'sitting'"
    assert Cer().explain(generation("kitten"), asked) == "3 edits, 7 in the reference"
    assert Wer().explain(generation(None), asked) == "1 edits, 1 in the reference"
