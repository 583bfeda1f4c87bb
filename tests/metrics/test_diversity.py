from __future__ import annotations

import pytest
from metrics.material import generation, generations, samples, values_of

from evalkit.errors import MetricError
from evalkit.metrics.base import Metric
from evalkit.metrics.diversity import Distinct, Length, Repetition
from evalkit.records import Generation, Response, Usage


def test_distinct_n_counts_different_n_grams_of_each_text() -> None:
    """'I am what I am': 3 of 5 words and 3 of 4 pairs (I am, am what, what I, I am), all 3 triples differ."""
    found = values_of(Distinct(), ["I am what I am."], [None])
    assert found == pytest.approx({"distinct_1": 3 / 5, "distinct_2": 3 / 4, "distinct_3": 1.0})


def test_distinct_n_is_the_mean_of_texts() -> None:
    assert values_of(Distinct(n=[1]), ["a b", "a a"], [None, None]) == {"distinct_1": 0.75}


def test_a_chinese_character_is_a_word() -> None:
    """好好学习: 3 of 4 characters and all 3 pairs differ."""
    assert values_of(Distinct(n=[1, 2]), ["好好学习！"], [None]) == {"distinct_1": 0.75, "distinct_2": 1.0}


def test_short_empty_and_unparsed_answers() -> None:
    assert values_of(Distinct(n=[3]), ["two words"], [None]) == {"distinct_3": 1.0}
    assert (
        values_of(Distinct(n=[1]), [""], [None])
        == values_of(Distinct(n=[1]), [None], [None])
        == {"distinct_1": 0.0}
    )
    assert values_of(Repetition(n=[4]), ["three words only"], [None]) == {"repetition_4": 0.0}
    assert values_of(Repetition(n=[4]), [""], [None]) == {"repetition_4": 0.0}
    assert values_of(Repetition(n=[4]), [None], [None]) == {"repetition_4": 1.0}


def test_repetition_is_the_share_of_n_grams_that_came_before() -> None:
    """'a b c a b c a b c' has six 4-grams, three of them different: 1 - 3/6 (Welleck et al. 2020)."""
    assert values_of(Repetition(n=[4]), ["a b c a b c a b c"], [None]) == {"repetition_4": 0.5}
    assert values_of(Repetition(n=[1]), ["a b a b"], [None]) == {"repetition_1": 0.5}


def test_lengths_are_those_of_the_whole_answer() -> None:
    answer = Generation("0", 0, Response("Two words, 你好", usage=Usage(9, 12, 0, 5)), "Two")
    asked = samples([None])
    metric = Length(types=["words", "characters", "tokens"])
    assert metric.statistics([answer], asked).tolist() == [[4.0, 13.0, 7.0, 1.0]]
    assert metric.names == ("length_words", "length_characters", "length_tokens")
    assert (metric.headline, metric.unit, metric.bounds(asked[0])) == ((), "", None)
    assert metric.explain(answer, asked[0]) == "4 words, 4 of them different"


def test_tokens_of_several_answers_of_one_request_are_averaged() -> None:
    first = Generation("0", 0, Response("a", usage=Usage(5, 30)), "a")
    rows = Length(types="tokens").statistics(
        [first, Generation("0", 1, Response("b"), "b")], samples([None] * 2)
    )
    assert Length(types="tokens").combine(rows).tolist() == [15.0, 1.0]
    with pytest.raises(MetricError, match='sample "0" has no token count'):
        Length(types="tokens").statistics(generations(["a"]), samples([None]))


@pytest.mark.parametrize(
    ("kind", "options"),
    [(Distinct, {"n": 0}), (Distinct, {"n": []}), (Repetition, {"n": True}), (Distinct, {"n": [1, 1]})],
)
def test_orders_below_1_and_twice_the_same_are_refused(
    kind: type[Metric], options: dict[str, object]
) -> None:
    with pytest.raises(MetricError, match=r"n must be at least 1|names an order twice"):
        kind(**options)


def test_explanations_count_words() -> None:
    (asked,) = samples([None])
    assert Distinct().explain(generation("a b a"), asked) == "3 words, 2 of them different"
    assert Repetition(n=[4]).explain(generation(None), asked) is None


def test_three_orders_of_repetition_are_given_and_the_longest_gates() -> None:
    metric = Repetition()
    assert values_of(metric, ["a b a b a b"], [None]) == pytest.approx(
        {"repetition_2": 1 - 2 / 5, "repetition_3": 1 - 2 / 4, "repetition_4": 1 - 2 / 3}
    )
    assert metric.headline == ("repetition_4",)
