"""Tokens and dollars of a run."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.budget import price
from evalkit.client.base import Prices
from evalkit.records import Failure, Outcome, Response, Usage
from evalkit.report.make import cost_of
from evalkit.totals import Tokens

GPT_4O = Prices(input=2.5, output=10.0, cached_input=1.25, recorded="2026-06-21")


def answered(key: str, usage: Usage | None, *, cached: bool = False) -> Outcome:
    return Outcome("s", 0, 64 * key, response=Response("x", usage=usage), cached=cached)


FAILED = Outcome("s", 0, "f", failure=Failure("s", 0, "timeout", "slow"))


def costs(*outcomes: Outcome) -> dict[str, Any] | None:
    tokens = Tokens(outcomes)
    return cost_of(tokens.total(), tokens.total(fresh=True), GPT_4O)


def test_price_by_hand() -> None:
    """GPT-4o, 400 fresh and 600 cached prompt tokens, 200 completion tokens: 0.001 + 0.00075 + 0.002."""
    assert price(Usage(prompt=1000, completion=200, cached=600, reasoning=150), GPT_4O) == pytest.approx(
        0.00375
    )


def test_cached_prompt_tokens_cost_the_input_price_where_there_is_no_other() -> None:
    assert price(Usage(prompt=1000, cached=600), Prices(2.5, 10.0)) == pytest.approx(0.0025)


def test_more_cached_than_prompt_tokens_never_lower_the_price() -> None:
    """A gateway that counts cached tokens beside the prompt's, not within."""
    assert price(Usage(prompt=10, cached=100), GPT_4O) == pytest.approx(100 * 1.25e-6)


def test_usage_adds_up_answers_that_told_it() -> None:
    outcomes = [
        answered("a", Usage(1, 2, 3, 4)),
        answered("b", None),
        FAILED,
        answered("c", Usage(10, 20, 30, 40)),
    ]
    assert Tokens(outcomes).total() == Usage(11, 22, 33, 44)


def test_samples_that_share_one_request_pay_once() -> None:
    usage = Usage(1_000_000, 0)
    twins = [answered("a", usage), answered("a", usage, cached=True), answered("b", usage)]
    cost = costs(*twins)
    assert cost is not None
    assert (cost["usd"], cost["paid_usd"]) == (pytest.approx(5.0), pytest.approx(5.0))


def test_answers_from_the_cache_cost_then_and_not_now() -> None:
    usage = Usage(1_000_000, 100_000)
    cost = costs(answered("a", usage, cached=True), answered("b", usage))
    assert cost is not None
    assert (cost["usd"], cost["paid_usd"]) == (pytest.approx(7.0), pytest.approx(3.5))
    assert cost["prices"]["recorded"] == "2026-06-21"


def test_without_prices_there_is_no_cost_and_not_zero() -> None:
    assert cost_of(Usage(1, 1), Usage(1, 1), None) is None


def test_nothing_answered_costs_nothing() -> None:
    cost = costs(FAILED)
    assert cost is not None
    assert (cost["usd"], cost["paid_usd"]) == (0.0, 0.0)
