"""Any metric with pre-processing before it: `metrics.<family>.preprocess`."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from metrics.material import generations, samples
from metrics.test_contract import METRICS, corpus

from evalkit.errors import ConfigError
from evalkit.metrics.base import LabelMetric, MeanMetric, Metric
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.f1 import F1
from evalkit.metrics.prepared import metric_from
from evalkit.metrics.rouge import Rouge
from evalkit.preprocess.steps import build
from evalkit.report.make import family_of

STEPS: list[Any] = ["lower", {"unicode": {"form": "NFKC"}}, "words"]


def with_steps(kind: type[Metric], steps: list[Any] = STEPS, **options: Any) -> Metric:
    target = f"{kind.__module__}.{kind.__qualname__}"
    return metric_from(target, {**options, "preprocess": steps}, "metrics.x")


@pytest.mark.parametrize("kind", METRICS)
def test_statistics_are_those_of_the_texts_that_the_steps_make(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    made = build(STEPS, "x").text
    before = samples([[made(text) for text in one] for one in targets])
    answers = generations([None if one is None else made(one) for one in predictions])
    plain, steps = kind().bind(before), with_steps(kind).bind(asked)
    rows = steps.statistics(generations(predictions), asked)
    np.testing.assert_array_equal(rows, plain.statistics(answers, before))
    assert steps.names == plain.names
    for sample, other in zip(asked[:5], before[:5], strict=True):
        bounds, others = steps.bounds(sample), plain.bounds(other)
        assert bounds is not None
        assert others is not None
        np.testing.assert_array_equal(np.stack(bounds), np.stack(others))


@pytest.mark.parametrize("kind", METRICS)
def test_a_report_rebuilds_it_from_class_and_options(kind: type[Metric]) -> None:
    predictions, targets = corpus()
    asked = samples(targets)
    bound = with_steps(kind).bind(asked)
    stored = json.loads(json.dumps(family_of(bound)))
    again = metric_from(stored["target"], stored["options"], "metrics.x").bind(asked)
    assert (again.signature, again.key, again.names) == (bound.signature, stored["key"], bound.names)
    assert isinstance(again, kind)
    rows = again.statistics(generations(predictions), asked)
    np.testing.assert_array_equal(rows, bound.statistics(generations(predictions), asked))


@pytest.mark.parametrize("kind", METRICS)
def test_it_can_be_pickled(kind: type[Metric]) -> None:
    bound = with_steps(kind).bind(samples(["a b"]))
    again = pickle.loads(pickle.dumps(bound))
    assert type(again) is type(bound)
    assert again.signature == bound.signature


def test_signature_and_key_say_so_before_the_version() -> None:
    bound = with_steps(Rouge, types=["rougeL"], tokenizer="unicode")
    assert bound.key == "types:rougeL|stem:no|tok:unicode|pre:lower+unicode:NFKC+words:unicode"
    assert bound.signature.startswith(f"{bound.key}|version:")
    assert with_steps(ExactMatch, ["strip"]).key == "norm:strip|case:mixed|pre:strip"


def test_it_stays_what_it_is() -> None:
    assert isinstance(with_steps(ExactMatch), MeanMetric)
    assert isinstance(with_steps(F1), LabelMetric)
    assert with_steps(Bleu).maximum == 100


def test_labels_are_bound_as_they_are_scored() -> None:
    bound = with_steps(F1, ["lower"]).bind(samples(["Yes", "no", "NO"]))
    assert isinstance(bound, F1)
    assert bound.labels == ("no", "yes")


def test_steps_change_a_value_by_hand() -> None:
    asked = samples(["The Cat", ["a", "THE dog"]])
    answers = generations(["the cat", "the  dog"])
    values = [
        float(metric.statistics(answers, asked)[:, 0].mean())
        for metric in (
            ExactMatch(),
            with_steps(ExactMatch, ["lower"]),
            with_steps(ExactMatch, ["lower", "whitespace"]),
            with_steps(ExactMatch, [{"stop_words": {"lists": "english"}}, "lower"]),
        )
    ]
    assert values == [0.0, 0.5, 1.0, 1.0]


def test_explanations_show_what_was_scored() -> None:
    told = with_steps(ExactMatch, ["lower"]).explain(generations(["YES"])[0], samples(["No"])[0])
    assert told == "predicted 'yes', target 'no'"


def test_no_steps_are_no_steps() -> None:
    assert type(with_steps(Bleu, [])) is Bleu


def test_structured_predictions_are_left_alone() -> None:
    asked = samples([{"a": "B"}])
    assert with_steps(ExactMatch, ["lower"]).statistics(generations([{"a": "B"}]), asked)[0, 0] == 1.0


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ("lower", "metrics.x.preprocess: a list of steps"),
        (["lowr"], 'metrics.x.preprocess[0]: no step "lowr" (did you mean "lower"?)'),
    ],
)
def test_mistakes_name_the_setting(steps: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_steps(Bleu, steps)
    assert said in str(caught.value)
