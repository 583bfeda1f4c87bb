"""Perplexity, mean log-probability and calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from metrics.material import samples

from evalkit.errors import MetricError
from evalkit.metrics.base import Metric
from evalkit.metrics.calibration import Calibration
from evalkit.metrics.perplexity import MeanLogprob, Perplexity
from evalkit.records import Generation, Response, Sample

LN2 = math.log(2)


def told(text: str, logprobs: Sequence[float | None] | None, prediction: Any = "") -> Generation:
    """An answer with the log-probabilities of its tokens as chat completions give them."""
    content: list[dict[str, Any]] = [
        {"token": f"t{place}", "logprob": one, "bytes": None, "top_logprobs": []}
        for place, one in enumerate(logprobs or [])
    ]
    given = None if logprobs is None else {"content": content, "refusal": None}
    return Generation("0", 0, Response(text, logprobs=given), text if prediction == "" else prediction)


def value(metric: Metric, found: Sequence[Generation], asked: Sequence[Sample]) -> dict[str, float]:
    bound = metric.bind(asked)
    rows = bound.statistics(found, asked)
    return dict(zip(bound.names, bound.aggregate(rows, np.ones((1, len(rows))))[0].tolist(), strict=True))


def test_perplexity_is_that_of_all_tokens_together() -> None:
    """Probabilities 1/2, 1/4 and 1/8, and 1/16 alone: exp(10 ln 2 / 4) = 2 ** 2.5, not a mean of texts."""
    found = [told("a", [-LN2, -2 * LN2, -3 * LN2]), told("b", [-4 * LN2])]
    asked = samples([None, None])
    assert value(Perplexity(), found, asked)["perplexity"] == pytest.approx(2**2.5, abs=1e-12)
    assert value(MeanLogprob(), found, asked)["mean_logprob"] == pytest.approx(-2.5 * LN2, abs=1e-12)


def test_an_echoed_prompts_first_token_has_none_and_is_left_out() -> None:
    found = [told("the prompt and more", [None, -LN2, -LN2])]
    assert value(Perplexity(), found, samples([None]))["perplexity"] == pytest.approx(2.0)
    assert Perplexity().statistics(found, samples([None])).tolist() == [[-2 * LN2, 2.0]]


def test_all_turns_of_a_conversation_count() -> None:
    first, last = told("a", [-LN2]), told("b", [-3 * LN2])
    both = replace(last, earlier=(first.response,), earlier_predictions=("a",))
    assert value(Perplexity(), [both], samples([None]))["perplexity"] == pytest.approx(4.0)


@pytest.mark.parametrize("metric", [Perplexity(), MeanLogprob(), Calibration()])
def test_an_answer_without_logprobs_says_how_to_get_them(metric: Metric) -> None:
    with pytest.raises(
        MetricError, match=r'sample "0" has no log-probabilities; .*model\.params\.logprobs=true'
    ):
        metric.statistics([told("a", None)], samples(["a"]))


def test_no_token_gives_no_value_and_an_impossible_one_a_number() -> None:
    empty = Generation("0", 0, Response("", logprobs={"content": None}), "")
    assert np.isnan(value(Perplexity(), [empty], samples([None]))["perplexity"])
    assert value(MeanLogprob(), [told("a", [-math.inf])], samples([None])) == {"mean_logprob": -9999.0}
    assert value(Perplexity(), [told("a", [-math.inf])], samples([None])) == {"perplexity": math.inf}


def test_perplexity_names_the_least_likely_token() -> None:
    why = Perplexity().explain(told("a b", [-0.1, -3.0]), samples([None])[0])
    assert why == "2 tokens, the least likely 't1' with probability 0.05"
    assert (Perplexity.unit, MeanLogprob.unit, Perplexity.higher_is_better) == ("", "nats per token", False)


# Brier score by scikit-learn 1.9.1 (brier_score_loss); ECE by the published code of Guo et al. 2017
# (github.com/gpleiss/temperature_scaling, ECELoss) carried over to numpy.
CONFIDENCES = [0.95, 0.9, 0.85, 0.3, 0.6, 0.55, 0.2, 0.1, 1.0, 0.75]
RIGHT = [1, 1, 0, 0, 1, 0, 0, 1, 1, 1]
BRIER, ECE = 0.22000000000000003, {15: 0.28, 5: 0.21000000000000002}


@pytest.mark.parametrize("bins", ECE)
def test_brier_and_ece_are_the_reference_codes(bins: int) -> None:
    found = [
        told("yes", [math.log(one)], "yes" if right else "no")
        for one, right in zip(CONFIDENCES, RIGHT, strict=True)
    ]
    values = value(Calibration(bins=bins), found, samples(["yes"] * len(found)))
    assert values == pytest.approx({"brier": BRIER, "ece": ECE[bins]}, abs=1e-12)


def test_a_bin_holds_its_upper_end() -> None:
    """0.3 belongs to the third of ten bins, 0.0 to the first."""
    asked = samples(["x"] * 3)
    metric = Calibration(bins=10, confidence="stated")
    predictions = [{"answer": "x", "confidence": one} for one in (0.3, 0.0, 1.0)]
    found = [Generation(str(place), 0, Response(""), one) for place, one in enumerate(predictions)]
    rows = metric.statistics(found, asked)
    assert [int(np.argmax(row[2:12])) for row in rows] == [2, 0, 9]


def test_an_answers_probability_is_the_product_or_the_mean_of_its_tokens() -> None:
    answer = told("a", [math.log(0.5), math.log(0.02)])
    asked = samples(["a"])
    assert value(Calibration(), [answer], asked)["brier"] == pytest.approx(0.99**2)
    assert value(Calibration(confidence="per_token"), [answer], asked)["brier"] == pytest.approx(0.9**2)


@pytest.mark.parametrize(
    ("stated", "brier"),
    [
        *((0.8, 0.04), ("0.8", 0.04), (80, 0.04), ("80%", 0.04), ("80 %", 0.04), (1, 0.0), (0, 1.0)),
        *((None, 1.0), ("sure", 1.0), (180, 1.0), (True, 1.0), (-0.2, 1.0)),
    ],
)
def test_a_stated_confidence_is_a_share_or_percent_and_else_counts_as_wrong(
    stated: Any, brier: float
) -> None:
    answer = Generation("0", 0, Response(""), {"answer": " yes", "confidence": stated})
    assert value(Calibration(confidence="stated"), [answer], samples(["yes"]))["brier"] == pytest.approx(
        brier
    )


def test_a_stated_confidence_may_stand_in_the_metadata() -> None:
    asked = [replace(samples(["yes"])[0], metadata={"sure": "60%"})]
    answer = Generation("0", 0, Response("yes"), "yes")
    metric = Calibration(confidence="stated", field="sure")
    assert value(metric, [answer], asked)["brier"] == pytest.approx(0.16)
    assert metric.signature == "conf:stated[sure]|bins:15|norm:strip|case:mixed"
    assert metric.explain(answer, asked[0]) == "confidence 0.6, right: predicted 'yes', target 'yes'"


def test_an_unparsed_answer_is_wrong_with_the_confidence_it_had() -> None:
    answer = Generation("0", 0, told("?", [math.log(0.25)]).response, None, "no label")
    assert value(Calibration(), [answer], samples(["a"]))["brier"] == pytest.approx(0.0625)


def test_calibration_bounds_are_sure_and_wrong_or_right() -> None:
    metric = Calibration(bins=3)
    worst, best = metric.bounds(samples(["a"])[0])
    assert metric.finish(np.stack([worst, best])).tolist() == [[1.0, 1.0], [0.0, 0.0]]


def test_calibration_compares_as_exact_match_does() -> None:
    answer = told("x", [0.0], "The Broncos!")
    assert value(Calibration(normalize="squad"), [answer], samples(["broncos"]))["brier"] == 0.0
    assert value(Calibration(), [answer], samples(["broncos"]))["brier"] == 1.0
    with pytest.raises(MetricError, match="bins must be a whole number of at least 1"):
        Calibration(bins=0)
