"""Multiple choice: targets in every form, position bias by hand, agreement over orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from evalkit.errors import MetricError
from evalkit.metrics.base import Metric
from evalkit.metrics.choice import ChoiceAccuracy, Consistency, PositionBias
from evalkit.records import Generation, Response, Sample

CITIES = ["Rome", "Oslo", "Lima", "Cairo"]


def question(target: Any, choices: Sequence[Any] = CITIES, name: str = "q") -> Sample:
    return Sample(name, {"question": "Which?", "choices": list(choices)}, target)


def shown(sample: Sample, order: Sequence[int]) -> Sample:
    return replace(sample, added={"order": list(order)})


def answered(prediction: Any, sample: Sample, trial: int = 0) -> Generation:
    unparsed = "no choice" if prediction is None else None
    return Generation(sample.id, trial, Response("raw"), prediction, unparsed)


def values(metric: Metric, pairs: Sequence[tuple[Any, Sample]]) -> dict[str, float]:
    """One answer to each sample, however often it comes: the values of their sums."""
    bound = metric.bind([sample for _, sample in pairs])
    rows = bound.statistics([answered(*pair) for pair in pairs], [sample for _, sample in pairs])
    return dict(zip(bound.names, bound.aggregate(rows, np.ones((1, len(rows))))[0].tolist(), strict=True))


@pytest.mark.parametrize(
    "target", [1, "B", "b", "(B)", " B ", "Oslo", ["B"], [1], [0, 1, 0, 0], ["Oslo", "Oslo"]]
)
def test_a_target_is_a_place_a_letter_or_a_text(target: Any) -> None:
    assert values(ChoiceAccuracy(), [("B", question(target))]) == {"choice_accuracy": 1.0}
    assert values(ChoiceAccuracy(), [("A", question(target))]) == {"choice_accuracy": 0.0}


@pytest.mark.parametrize("target", [["A", "C"], [0, 2], ["Rome", "Lima"], [1, 0, 1, 0]])
def test_several_choices_may_be_right(target: Any) -> None:
    pairs = [(letter, question(target)) for letter in "ABCD"]
    assert values(ChoiceAccuracy(), pairs) == {"choice_accuracy": 0.5}


@pytest.mark.parametrize(
    ("target", "choices", "why"),
    [
        (4, CITIES, "the target 4 is no place of 4 choices, which count from 0"),
        ("E", CITIES, 'the target "E" is neither a letter, A to D, nor the text of a choice'),
        ("Paris", CITIES, 'the target "Paris" is neither a letter, A to D, nor the text of a choice'),
        ("1", CITIES, r"whether numbers count from 0 or 1 nobody knows: dataset.labels=\{0: A, 1: B, …\}"),
        ("A", ["C", "B", "A"], 'the target "A" is a letter and the text of another choice; give a place'),
        ("x", ["x", "y", "x"], 'the target "x" is the text of several choices; give a letter or a place'),
        ([0, 0, 0, 0], CITIES, "names no choice"),
        (True, CITIES, 'the target "true" is neither a letter'),
        (None, CITIES, "no target; set dataset.target=<column>"),
        ("A", "Rome", "choices must be a list of 2 to 26 choices, got 'Rome'"),
        ("A", ["Rome"], "choices must be a list of 2 to 26 choices"),
    ],
)
def test_a_target_that_names_no_choice_is_refused_when_bound(target: Any, choices: Any, why: str) -> None:
    sample = Sample("s7", {"choices": choices}, target)
    with pytest.raises(MetricError, match=rf'choice_accuracy: sample "s7": .*{why}'):
        ChoiceAccuracy().bind([sample])


def test_a_text_that_is_its_own_letter_is_no_riddle() -> None:
    assert values(ChoiceAccuracy(), [("B", question("B", ["C", "B", "A"]))]) == {"choice_accuracy": 1.0}
    assert values(ChoiceAccuracy(), [("C", question("5", ["3", "4", "5"]))]) == {"choice_accuracy": 1.0}
    assert values(ChoiceAccuracy(), [("A", question("true", [True, False]))]) == {"choice_accuracy": 1.0}


@pytest.mark.parametrize("prediction", [None, "E", "", "Oslo", 1, {"answer": "A"}, {"other": "B"}])
def test_what_names_no_right_choice_is_wrong(prediction: Any) -> None:
    assert values(ChoiceAccuracy(), [(prediction, question("B"))]) == {"choice_accuracy": 0.0}


def test_a_prediction_may_come_with_probabilities() -> None:
    told = {"answer": "B", "confidence": 0.8, "probabilities": {"A": 0.2, "B": 0.8}}
    assert values(ChoiceAccuracy(), [(told, question("B"))]) == {"choice_accuracy": 1.0}


def test_the_order_that_was_shown_does_not_matter_to_accuracy() -> None:
    assert values(ChoiceAccuracy(), [("B", shown(question("B"), [3, 2, 1, 0]))]) == {"choice_accuracy": 1.0}


def test_trials_are_averaged_within_the_sample_first() -> None:
    """Two of four orders right in one sample, all three in another: (1/2 + 1) / 2, not 5/7."""
    metric = ChoiceAccuracy().bind([question(0)])
    rows = [np.array([[one, 1.0] for one in sample]) for sample in ([1, 0, 1, 0], [1, 1, 1])]
    combined = np.stack([metric.combine(one) for one in rows])
    assert metric.aggregate(combined, np.ones((1, 2)))[0, 0] == 0.75


def test_explanations_name_letters_and_texts() -> None:
    sample = question("B")
    metric = ChoiceAccuracy()
    assert metric.explain(answered("C", sample), sample) == "chose C (Lima), right is B (Oslo)"
    assert metric.explain(answered(None, sample), sample) == "no choice (no choice), right is B (Oslo)"
    turned = shown(sample, [1, 2, 3, 0])
    told = PositionBias().explain(answered("C", turned), turned)
    assert told == "chose position B, the right choice stood at A"
    assert PositionBias().explain(answered(None, turned), turned) is None


def test_always_the_first_place_is_as_far_off_as_right_choices_stand_elsewhere() -> None:
    """Right choices at A, B, B, D; answers at A, A, A, A: ½(|1 - ¼| + |0 - ½| + 0 + |0 - ¼|) = ¾."""
    found = values(PositionBias(), [("A", question(target)) for target in (0, 1, 1, 3)])
    assert found["position_bias"] == pytest.approx(0.75)
    # Recall is 1 at A, 0 at B and D, unknown at C: mean 1/3, deviation sqrt((4/9 + 1/9 + 1/9) / 3).
    assert found["recall_std"] == pytest.approx(np.sqrt(6 / 27))
    shares = {name: found[name] for name in found if "[" in name}
    assert shares == pytest.approx(
        {"chosen[A]": 1.0, "right[A]": 0.25, "chosen[B]": 0.0, "right[B]": 0.5}
        | {"chosen[C]": 0.0, "right[C]": 0.0, "chosen[D]": 0.0, "right[D]": 0.25}
    )


def test_a_model_that_is_always_right_has_no_bias_however_the_right_choices_stand() -> None:
    found = values(PositionBias(), [("ABCD"[target], question(target)) for target in (0, 0, 0, 3)])
    assert (found["position_bias"], found["recall_std"]) == (0.0, 0.0)


def test_positions_are_those_shown_not_those_of_the_data() -> None:
    """The right choice is C in the data; turned by two it is shown first, and so is the answer."""
    found = values(PositionBias(), [("C", shown(question("C"), [2, 3, 0, 1]))])
    assert (found["chosen[A]"], found["right[A]"], found["chosen[C]"]) == (1.0, 1.0, 0.0)


def test_the_first_place_in_all_four_orders() -> None:
    """Rotations put the right choice at every place once: distance 3/4, recall 1, 0, 0, 0."""
    orders = [[(place + turn) % 4 for place in range(4)] for turn in range(4)]
    pairs = [("ABCD"[order[0]], shown(question("B"), order)) for order in orders]
    found = values(PositionBias(), pairs)
    assert found["position_bias"] == pytest.approx(0.75)
    assert found["recall_std"] == pytest.approx(np.std([1, 0, 0, 0]))
    assert values(ChoiceAccuracy(), pairs)["choice_accuracy"] == 0.25
    sample = values_of_trials(Consistency(), pairs)
    assert sample == {"consistency": 0.0, "circular_accuracy": 0.0}


def test_recall_std_of_a_published_example() -> None:
    """Zheng et al. 2024 define RStd as the standard deviation of the recalls of the option letters.

    Recalls of 0.8, 0.6, 0.4 and 0.6 from five questions each: numpy's population deviation, 0.1414.
    """
    right = {0: 4, 1: 3, 2: 2, 3: 3}
    pairs = [
        ("ABCD"[place if one < hits else (place + 1) % 4], question(place))
        for place, hits in right.items()
        for one in range(5)
    ]
    assert values(PositionBias(), pairs)["recall_std"] == pytest.approx(np.std([0.8, 0.6, 0.4, 0.6]))


def test_several_right_choices_count_for_their_shares() -> None:
    found = values(PositionBias(), [("A", question(["A", "C"]))])
    assert (found["right[A]"], found["right[C]"], found["chosen[A]"]) == (0.5, 0.5, 1.0)
    assert (found["position_bias"], found["recall_std"]) == (0.5, 0.0)


def test_an_unparsed_answer_stands_nowhere_and_is_missed() -> None:
    found = values(PositionBias(), [("A", question("A")), (None, question("B"))])
    assert (found["chosen[A]"], found["right[B]"]) == (1.0, 0.5)
    assert found["recall_std"] == 0.5
    none = values(PositionBias(), [(None, question("A"))])
    assert np.isnan(none["position_bias"])


def test_questions_of_different_lengths_share_their_positions() -> None:
    pairs = [("A", question("A", ["x", "y"])), ("E", question("E", [*CITIES, "Bonn"]))]
    assert len(PositionBias(shares=False).bind([one for _, one in pairs]).names) == 2
    found = values(PositionBias(), pairs)
    assert (found["position_bias"], found["chosen[E]"]) == (0.0, 0.5)


def values_of_trials(metric: Metric, *samples: Sequence[tuple[Any, Sample]]) -> dict[str, float]:
    """Each argument is one sample's answers, a pair a trial."""
    bound = metric.bind([trials[0][1] for trials in samples])
    rows = []
    for trials in samples:
        mine = bound.statistics([answered(*one) for one in trials], [sample for _, sample in trials])
        rows.append(bound.combine(mine))
    found = bound.aggregate(np.stack(rows), np.ones((1, len(rows))))[0]
    return dict(zip(bound.names, found.tolist(), strict=True))


def test_consistency_is_about_choices_and_circular_accuracy_about_right_ones() -> None:
    def trials(letters: Sequence[str | None]) -> list[tuple[Any, Sample]]:
        return [(letter, question("B")) for letter in letters]

    found = values_of_trials(Consistency(), trials("BB"), trials("CC"), trials("BC"), trials(["B", None]))
    assert found == {"consistency": 0.5, "circular_accuracy": 0.25}


def test_any_right_choice_counts_in_every_order() -> None:
    found = values_of_trials(Consistency(), [("A", question(["A", "B"])), ("B", question(["A", "B"]))])
    assert found == {"consistency": 0.0, "circular_accuracy": 1.0}


def test_a_sample_with_one_answer_has_no_consistency() -> None:
    found = values_of_trials(Consistency(), [("A", question("A"))] * 2, [("A", question("A"))])
    assert found == {"consistency": 1.0, "circular_accuracy": 1.0}
    assert np.isnan(values_of_trials(Consistency(), [("A", question("A"))])["consistency"])


def test_worst_and_best_are_worst_and_best() -> None:
    sample = question("A")
    for metric in (ChoiceAccuracy(), Consistency(positions=4)):
        bounds = metric.bounds(sample)
        assert bounds is not None
        worst, best = (metric.aggregate(one[np.newaxis], np.ones((1, 1)))[0] for one in bounds)
        assert (worst == 0.0).all()
        assert (best == 1.0).all()


def test_positions_given_must_hold_the_longest_question() -> None:
    with pytest.raises(MetricError, match=r"position_bias: positions=3, and a question has 4 choices"):
        PositionBias(positions=3).bind([question("A")])
    with pytest.raises(MetricError, match=r"positions must be 2 to 26"):
        PositionBias(positions=1)
    with pytest.raises(MetricError, match=r"consistency: bind the metric to the samples"):
        Consistency().statistics([], [])


@pytest.mark.parametrize("metric", [PositionBias(), Consistency(), ChoiceAccuracy()])
def test_options_of_a_bound_metric_rebuild_it(metric: Metric) -> None:
    bound = metric.bind([question("A")])
    rebuilt = type(metric)(**bound.options)
    rows = bound.statistics([answered("B", question("A"))], [question("A")])
    assert rebuilt.names == bound.names
    assert rebuilt.signature == bound.signature
    weights = np.ones((1, 1))
    np.testing.assert_array_equal(rebuilt.aggregate(rows, weights), bound.aggregate(rows, weights))
