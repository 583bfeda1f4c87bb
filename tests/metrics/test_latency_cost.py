from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metrics.material import samples

from evalkit.budget import price
from evalkit.client.base import Prices
from evalkit.errors import MetricError
from evalkit.metrics.base import Metric
from evalkit.metrics.cost import CostUsd
from evalkit.metrics.latency import Latency
from evalkit.records import Generation, Response, Usage

SECONDS = [0.8, 0.31, 2.4, 0.9, 0.75, 11.0, 0.31]
PRICES = {"input": 2.5, "output": 10.0, "cached_input": 1.25, "batch_discount": 0.5}


def answer(
    seconds: float | None = None, first: float | None = None, usage: Usage | None = None
) -> Generation:
    return Generation("0", 0, Response("x", usage=usage, latency=seconds, time_to_first_token=first), "x")


def values(metric: Metric, found: Sequence[Generation]) -> dict[str, float]:
    asked = samples([None] * len(found))
    bound = metric.bind(asked)
    rows = bound.statistics(found, asked)
    by_sample = np.stack([bound.combine(row[np.newaxis]) for row in rows])
    return dict(
        zip(bound.names, bound.aggregate(by_sample, np.ones((1, len(rows))))[0].tolist(), strict=True)
    )


def test_latencies_are_numpys_quantiles_as_in_the_reports_timing() -> None:
    found = values(Latency(), [answer(one, one / 4) for one in SECONDS])
    assert found == pytest.approx(
        {
            "latency_mean": np.mean(SECONDS),
            "latency_p50": np.quantile(SECONDS, 0.5),
            "latency_p95": np.quantile(SECONDS, 0.95),
            "time_to_first_token_p50": np.quantile(SECONDS, 0.5) / 4,
        },
        abs=1e-12,
    )


def test_whole_weights_repeat_answers() -> None:
    metric = Latency()
    rows = metric.statistics([answer(one) for one in SECONDS], samples([None] * len(SECONDS)))
    weights = np.random.default_rng(0).multinomial(7, np.full(7, 1 / 7), size=6).astype(float)
    for weight, (mean, middle, late, first) in zip(weights, metric.aggregate(rows, weights), strict=True):
        drawn = np.repeat(SECONDS, weight.astype(int))
        assert (mean, middle, late) == pytest.approx((drawn.mean(), *np.quantile(drawn, [0.5, 0.95])))
        assert np.isnan(first)  # nothing was streamed


def test_what_nobody_timed_is_left_out_and_nothing_known_is_no_value() -> None:
    assert values(Latency(types=["p50"]), [answer(2.0), answer()]) == {"latency_p50": 2.0}
    assert np.isnan(list(values(Latency(), [answer()]).values())).all()


def test_trials_and_turns_are_averaged() -> None:
    metric = Latency(types=["mean", "first_token_mean"])
    asked = samples([None] * 3)
    rows = metric.statistics([answer(1.0, 0.5), answer(3.0), answer()], asked)
    assert metric.combine(rows).tolist() == [2.0, 1.0, 0.5, 1.0]
    turns = replace(answer(1.0), earlier=(answer(4.0).response,))
    assert metric.statistics([turns], asked[:1]).tolist() == [[2.5, 1.0, 0.0, 0.0]]


def test_latency_types_name_their_values() -> None:
    metric = Latency(types=["p5", "first_token_p95"])
    assert metric.names == ("latency_p5", "time_to_first_token_p95")
    assert (metric.headline, Latency().headline) == (("latency_p5",), ("latency_p95",))
    assert Latency(**json.loads(json.dumps(metric.options))).key == metric.key
    with pytest.raises(MetricError, match='unknown type "median"; use mean, p50'):
        Latency(types=["median"])
    (asked,) = samples([None])
    assert metric.explain(answer(1.234, 0.2), asked) == "1.23 s, first token after 0.2 s"
    assert metric.explain(answer(), asked) == "the time was not taken"
    assert metric.bounds(asked) is None


@given(
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.booleans(),
    st.none() | st.just(1.25),
)
def test_costs_are_those_of_the_budget(
    prompt: int,
    completion: int,
    cached: int,
    batch: bool,  # noqa: FBT001
    cached_input: float | None,
) -> None:
    usage = Usage(prompt, completion, min(cached, prompt), completion // 2)
    prices = {**PRICES, "cached_input": cached_input}
    found = values(CostUsd(prices=prices, batch=batch), [answer(usage=usage)])
    wanted = price(usage, Prices(2.5, 10.0, cached_input, batch_discount=0.5), batch=batch)
    assert found == pytest.approx({"cost_usd": wanted, "cost_usd_total": wanted}, rel=1e-12)


def test_the_mean_is_of_samples_with_all_trials_and_turns_and_the_total_of_all() -> None:
    """Two trials of 1,000 and of 2,000 prompt tokens at 2.5 USD a million: 0.0075 USD a sample."""
    metric = CostUsd(prices=PRICES)
    first, second = answer(usage=Usage(1000)), answer(usage=Usage(2000))
    rows = metric.statistics([first, second], samples([None] * 2))
    by_sample = np.stack([metric.combine(rows), metric.combine(rows)])
    assert metric.aggregate(by_sample, np.ones((1, 2)))[0] == pytest.approx([0.0075, 0.015])
    conversation = replace(second, earlier=(first.response,))
    assert values(metric, [conversation])["cost_usd"] == pytest.approx(0.0075)
    assert values(metric, [conversation, answer()])["cost_usd"] == pytest.approx(0.0075)
    assert np.isnan(values(metric, [answer()])["cost_usd_total"])


def test_prices_come_from_the_model_unless_given_and_must_be_known() -> None:
    with pytest.raises(MetricError, match=r"no prices are known for this model; set model\.prices\.input"):
        CostUsd().bind(samples([None]))
    known = {**PRICES, "recorded": "2026-01-01", "source": ""}
    assert CostUsd().priced(known, batch=True).signature == (
        "per:sample|prices:input=2.5,output=10,cached_input=1.25,batch_discount=0.5|batch:yes"
    )
    own = CostUsd(prices={"input": 1, "output": 2})
    assert own.priced(known, batch=False) is own
    assert CostUsd(**json.loads(json.dumps(own.options))).signature == own.signature
    assert own.key == CostUsd(prices=PRICES).key == "per:sample"  # models are compared by what each costs


@pytest.mark.parametrize(
    ("prices", "message"),
    [
        ({"input": 1.0}, "need both input and output"),
        ({"input": 1.0, "output": -1}, r"prices\.output must be a number of 0 or more, not -1"),
        ({"input": 1.0, "output": 2.0, "cached": 1}, r'unknown price "cached"'),
        ({"input": None, "output": 2.0}, r"prices\.input must be a number"),
    ],
)
def test_prices_that_cannot_be_meant_are_named(prices: dict[str, float], message: str) -> None:
    with pytest.raises(MetricError, match=message):
        CostUsd(prices=prices)


def test_a_cost_is_explained_by_its_tokens() -> None:
    why = CostUsd(prices=PRICES).explain(answer(usage=Usage(1000, 100, 800)), samples([None])[0])
    assert why == "1000 prompt tokens (800 cached) and 100 of the answer: 0.0025 USD"
