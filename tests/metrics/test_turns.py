"""A metric turn by turn, against rouge-score and sacrebleu called on each turn by themselves."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU

from evalkit.errors import ConfigError, MetricError
from evalkit.metrics.turns import Turns
from evalkit.records import Generation, Response, Sample

BLEU_2 = {"_target_": "evalkit.metrics.bleu.Bleu", "tokenize": "13a"}
ACCURACY = {"_target_": "evalkit.metrics.accuracy.Accuracy"}


def conversation(name: str, *targets: Any) -> Sample:
    return Sample(name, {"turns": [f"question {place}" for place, _ in enumerate(targets)]}, list(targets))


def said(name: str, *replies: str | None, trial: int = 0) -> Generation:
    """An answer with these replies; None is one that could not be parsed."""
    *earlier, last = replies
    return Generation(
        name,
        trial,
        Response(last or ""),
        last,
        "nothing" if last is None else None,
        tuple(Response(one or "") for one in earlier),
        tuple(earlier),
    )


SAMPLES = [
    conversation("a", "the cat sat on the mat", "it was a red cat"),
    conversation("b", None, "two dogs ran away"),
    conversation("c", ["good morning", "hello there"], "see you", "bye bye now"),
]
ANSWERS = [
    said("a", "the cat sat on a mat", "it was red"),
    said("b", "whatever", "the two dogs ran"),
    said("c", "hello there", "see you soon", "good bye now"),
]


def values(metric: Turns, rows: Any, weights: Any = None) -> dict[str, float]:
    ones = np.ones((1, len(rows))) if weights is None else np.array([weights], dtype=float)
    return dict(zip(metric.names, metric.aggregate(rows, ones)[0].tolist(), strict=True))


def rouge(target: list[str], reply: str) -> float:
    return float(RougeScorer(["rougeL"]).score_multi(target, reply)["rougeL"].fmeasure)


def test_each_turn_scores_as_in_rouge_score_and_conversations_count_alike() -> None:
    metric = Turns().bind(SAMPLES)
    found = values(metric, metric.statistics(ANSWERS, SAMPLES))
    first = [rouge(["the cat sat on the mat"], "the cat sat on a mat"), 1.0]
    second = [
        rouge(["it was a red cat"], "it was red"),
        rouge(["two dogs ran away"], "the two dogs ran"),
        rouge(["see you"], "see you soon"),
    ]
    third = rouge(["bye bye now"], "good bye now")
    whole = [(first[0] + second[0]) / 2, second[1], (first[1] + second[2] + third) / 3]
    assert found == pytest.approx(
        {
            "rougeL@1": np.mean(first),
            "rougeL@2": np.mean(second),
            "rougeL@3": third,
            "rougeL@mean": np.mean(whole),
        }
    )


def test_a_corpus_metric_pools_the_counts_of_each_turn_as_sacrebleu_does() -> None:
    samples = [conversation(name, *targets) for name, *targets in (
        ("a", "the cat sat on the mat today", "it was a red cat on it"),
        ("b", "two dogs ran away from us", "they were two big dogs"),
    )]  # fmt: skip
    answers = [
        said("a", "the cat sat on a mat today", "it was a red cat on a mat"),
        said("b", "two dogs ran from us", "they were two very big dogs"),
    ]
    metric = Turns(metric=BLEU_2).bind(samples)
    found = values(metric, metric.statistics(answers, samples))
    for turn in (0, 1):
        theirs = BLEU(tokenize="13a").corpus_score(
            [one.replies[turn] for one in answers], [[one.target[turn] for one in samples]]
        )
        assert found[f"bleu@{turn + 1}"] == pytest.approx(theirs.score)
    every = BLEU(tokenize="13a").corpus_score(
        [text for one in answers for text in one.replies],
        [[text for one in samples for text in one.target]],
    )
    assert found["bleu@mean"] == pytest.approx(every.score)


def test_weights_are_those_of_conversations() -> None:
    """A bootstrap that draws the first twice, the second never, the third once; and one that draws none."""
    metric = Turns().bind(SAMPLES)
    rows = metric.statistics(ANSWERS, SAMPLES)
    drawn = values(metric, rows[[0, 0, 2]])
    assert values(metric, rows, [2, 0, 1]) == pytest.approx(drawn)
    assert np.isnan(list(values(metric, rows, [0, 0, 0]).values())).all()
    only_second = values(metric, rows, [0, 1, 0])
    assert np.isnan([only_second["rougeL@1"], only_second["rougeL@3"]]).all()
    assert only_second["rougeL@mean"] == only_second["rougeL@2"]


def test_a_missing_or_unparsed_reply_is_wrong() -> None:
    sample = conversation("a", "x", "y", "z")
    metric = Turns(metric=ACCURACY).bind([sample])
    for answer, right in (
        (said("a", "x", "y", "z"), [1, 1, 1]),
        (said("a", "x", None, "z"), [1, 0, 1]),
        (said("a", "x", "y"), [1, 1, 0]),
        (said("a", "x", "y", None), [1, 1, 0]),
        (said("a", "z"), [0, 0, 1]),
    ):
        found = values(metric, metric.statistics([answer], [sample]))
        assert [found[f"accuracy@{turn}"] for turn in (1, 2, 3)] == right
        assert found["accuracy@mean"] == pytest.approx(sum(right) / 3)


def test_trials_are_averaged_turn_by_turn() -> None:
    sample = conversation("a", "x", None, "z")
    metric = Turns(metric=ACCURACY).bind([sample])
    rows = metric.statistics([said("a", "x", "?", "z"), said("a", "x", "?", "no", trial=1)], [sample] * 2)
    found = values(metric, metric.combine(rows)[np.newaxis])
    assert found["accuracy@1"] == 1.0
    assert np.isnan(found["accuracy@2"])
    assert (found["accuracy@3"], found["accuracy@mean"]) == (0.5, 0.75)


def test_stored_options_build_it_again_without_the_data() -> None:
    metric = Turns(metric={**BLEU_2, "tokenize": "auto"}, turns=2).bind(SAMPLES)
    rows = metric.statistics(ANSWERS, SAMPLES)
    again = Turns(**json.loads(json.dumps(metric.options)))
    assert (again.names, again.headline) == (metric.names, ("bleu@mean",))
    assert (again.maximum, again.higher_is_better) == (100.0, True)
    np.testing.assert_array_equal(
        again.aggregate(rows, np.ones((1, 3))), metric.aggregate(rows, np.ones((1, 3)))
    )
    np.testing.assert_array_equal(again.statistics(ANSWERS, SAMPLES), rows)
    free = conversation("f", None, None)  # a batch without any reference has rows of the same width
    assert again.statistics([said("f", "x", "y")], [free]).shape == (1, rows.shape[1])


def test_a_failed_conversation_could_have_been_all_wrong_or_all_right() -> None:
    metric = Turns().bind(SAMPLES)
    ends = metric.aggregate(np.stack(metric.bounds(SAMPLES[1]) or ()), np.eye(2))
    names = dict(zip(metric.names, ends.T.tolist(), strict=True))
    assert (names["rougeL@2"], names["rougeL@mean"]) == ([0.0, 1.0], [0.0, 1.0])
    assert np.isnan(names["rougeL@1"]).all()


def test_explain_goes_from_turn_to_turn() -> None:
    metric = Turns(metric=ACCURACY).bind(SAMPLES)
    assert metric.explain(ANSWERS[1], SAMPLES[1]) == (
        "turn 2: predicted 'the two dogs ran', target 'two dogs ran away'"
    )


def test_what_cannot_be_scored_is_told() -> None:
    with pytest.raises(MetricError, match="no sample has a reference for a turn"):
        Turns().bind([conversation("a", None, None)])
    with pytest.raises(MetricError, match="turns=0 must be at least 1"):
        Turns(turns=0)
    with pytest.raises(MetricError, match=r"write \{_target_"):
        Turns(metric={"types": ["rougeL"]})
    with pytest.raises(ConfigError, match="configs may run code only from evalkit"):
        Turns(metric={"_target_": "os.path.Thing"})
