"""A budget is never exceeded: by the arithmetic, and by what a server says it was asked for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, evalkit, server, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply
from hypothesis import given
from hypothesis import strategies as st

from evalkit.budget import Budget, add, price
from evalkit.client.base import Prices
from evalkit.records import Request, Usage
from evalkit.tokens import estimate

__all__ = ["evalkit", "server"]  # fixtures

GPT_4O = Prices(input=2.5, output=10.0, cached_input=1.25, batch_discount=0.5)
N = 200
COMPLETION = 500


def request(text: str = "hello", **body: Any) -> Request:
    return Request("s", "chat", {"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **body})


def test_batch_has_its_discount_on_all_tokens() -> None:
    """GPT-4o: 1 million prompt tokens, 600,000 of them cached, 0.1 million answered: 1 + 0.75 + 1 USD."""
    usage = Usage(1_000_000, 100_000, cached=600_000)
    assert price(usage, GPT_4O) == pytest.approx(2.75)
    assert price(usage, GPT_4O, batch=True) == pytest.approx(1.375)
    assert price(usage, Prices(2.5, 10.0, 1.25), batch=True) == pytest.approx(2.75)


def test_worst_case_is_set_aside_and_use_takes_its_place() -> None:
    budget = Budget(tokens=100, count=lambda _: (10, 40))
    one = request()
    assert budget.reserve(one)
    assert budget.reserve(one)
    assert not budget.reserve(one)  # 2 x 50 are set aside
    budget.settle(one, Usage(10, 5))
    assert not budget.reserve(one)  # 15 + 50 + 50
    budget.settle(one, Usage(10, 5))
    assert budget.reserve(one)
    assert budget.used == Usage(20, 10)


def test_worst_case_stays_where_nobody_told_what_was_used() -> None:
    budget = Budget(GPT_4O, tokens=100, count=lambda _: (10, 40))
    one = request()
    assert budget.reserve(one)
    budget.settle(one, None)
    assert (budget.spent, budget.unknown_attempts) == (Usage(10, 40), 1)
    assert budget.facts()["unknown_usd"] == pytest.approx((10 * 2.5 + 40 * 10) / 1e6)
    assert budget.reserve(one)
    assert not budget.reserve(one)


def test_nothing_charged_gives_everything_back() -> None:
    budget = Budget(tokens=50, count=lambda _: (10, 40))
    for _ in range(3):
        assert budget.reserve(request())
        budget.settle(request(), Usage())
    assert budget.spent == Usage()


def test_longest_answer_of_the_model_bounds_a_request_without_a_limit() -> None:
    budget = Budget(tokens=1000, max_output=300)
    assert budget.worst(request()).completion == 300
    assert budget.worst(request(n=2)).completion == 600
    assert budget.worst(request(n=2, max_tokens=7)).completion == 14


def test_dollars_are_spent_to_the_last_one_and_not_beyond() -> None:
    """0.3 is not 3 x 0.1 in floating point."""
    budget = Budget(Prices(0.0, 0.1), usd=0.3, count=lambda _: (0, 1_000_000))
    for _ in range(3):
        assert budget.reserve(request())
        budget.settle(request(), Usage(0, 1_000_000))
    assert not budget.reserve(request())


def test_without_limits_nothing_is_counted_or_refused() -> None:
    def never(_: Request) -> tuple[int, int]:
        raise AssertionError

    budget = Budget(GPT_4O, count=never)
    assert budget.reserve(request())
    budget.settle(request(), Usage(3, 4))
    assert budget.used == Usage(3, 4)


PLANS = st.lists(
    st.tuples(st.integers(1, 200), st.integers(1, 200), st.floats(0, 1), st.booleans(), st.booleans()),
    max_size=60,
)


@given(PLANS, st.integers(1, 2000), st.floats(1e-6, 0.01))
def test_no_order_of_sending_and_answering_spends_more(
    plan: list[tuple[int, int, float, bool, bool]], tokens: int, usd: float
) -> None:
    """Whatever is in flight together, answers within the limits of their requests keep the budget."""
    sizes = {str(place): one[:2] for place, one in enumerate(plan)}
    budget = Budget(GPT_4O, usd, tokens, count=lambda one: sizes[one.body["messages"][0]["content"]])
    flight, spent = [], Usage()
    for place, (prompt, completion, share, told, wait) in enumerate(plan):
        one = request(str(place))
        if budget.reserve(one):
            used = Usage(prompt, int(share * completion))
            spent = add(spent, used)
            flight.append((one, used if told else None))
        if not wait and flight:
            budget.settle(*flight.pop())
    for landed in flight:
        budget.settle(*landed)
    assert spent.prompt + spent.completion <= tokens
    assert price(spent, GPT_4O) <= usd + 1e-12
    assert budget.spent.prompt >= spent.prompt


def charged(body: Mapping[str, Any]) -> Reply:
    """Answers as long as a model's, with the tokens that the API would count."""
    prompt, _ = estimate(Request("", "", body))
    return Reply("positive", usage={"prompt_tokens": prompt, "completion_tokens": COMPLETION})


def paid(server: FakeOpenAI) -> float:
    """What the server's bill says, at GPT-4o's prices."""
    usages = [Usage(estimate(Request("", "", one.body))[0], COMPLETION) for one in server.requests]
    return sum(price(usage, GPT_4O) for usage in usages)


@pytest.fixture
def data(tmp_path: Path) -> str:
    rows = [{"id": f"s{one}", "text": f"text number {one}", "label": "positive"} for one in range(N)]
    return write_lines(tmp_path / "data.jsonl", *rows)


def words(server: FakeOpenAI, data: str, *more: str) -> list[str]:
    return [
        *asking(server, "task=sentiment", "prompt=sentiment_text", "dataset=jsonl", f"dataset.path={data}"),
        *("dataset.input.text=text", "dataset.target=label", "metrics=[accuracy]", "resamples=20"),
        *("model.prices.input=2.5", "model.prices.output=10", "model.params.max_tokens=600", *more),
    ]


def test_run_that_would_cost_a_dollar_stops_below_five_cents_and_goes_on_from_the_cache(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    server.settings.answer = charged
    ran = evalkit(*words(server, data, "budget.usd=0.05"))
    assert ran.code == 5, ran.err
    report, first = evalkit.report(), server.count
    assert report["status"] == "over_budget"
    assert 0.045 < paid(server) <= 0.05
    assert report["cost"]["paid_usd"] == pytest.approx(paid(server))
    assert report["cost"]["budget"] == {"usd": 0.05, "tokens": None}
    # Everything that was answered is scored, everything else is told apart.
    assert report["counts"]["answered"] == first
    assert report["failures"] == {"over_budget": N - first}
    assert report["metrics"]["accuracy"]["n"] == first
    assert f"{N - first} of {N} requests not asked" in ran.err
    assert "budget.usd=0.05: 0.04" in ran.err

    again = evalkit(*words(server, data, "budget.usd=0.05"))
    assert again.code == 5
    assert evalkit.report()["counts"]["cached"] == first
    assert paid(server) <= 2 * 0.05

    last = evalkit(*words(server, data, "budget.usd=2"))
    assert last.code == 0, last.err
    assert evalkit.report()["status"] == "complete"
    assert server.count == N  # nothing was asked twice
    assert paid(server) > 1.0
    free = evalkit(*words(server, data, "budget.usd=0.0001"))
    assert (free.code, server.count) == (0, N)  # answers from the cache cost nothing


def test_tokens_are_a_budget_too_without_any_price(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    server.settings.answer = charged
    ran = evalkit(
        *words(server, data, "model.prices.input=null", "model.prices.output=null", "budget.tokens=9000")
    )
    assert ran.code == 5
    assert evalkit.report()["status"] == "over_budget"
    used = [estimate(Request("", "", one.body))[0] + COMPLETION for one in server.requests]
    assert 9000 - 700 < sum(used) <= 9000
    assert evalkit("gate", "latest").code != 0


def test_attempts_that_may_have_been_charged_count(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    """Answers torn off in the body were paid for, and nobody knows how much: at their worst they count."""
    server.settings.answer = charged
    server.settings.faults = FaultPlan.attempts(Fault.truncated_json())
    ran = evalkit(*words(server, data, "budget.usd=0.05"))
    assert ran.code == 5
    assert paid(server) <= 0.05
    cost = evalkit.report()["cost"]
    assert cost["unknown_attempts"] > 0
    assert cost["paid_usd"] + cost["unknown_usd"] == pytest.approx(0.05, abs=0.007)
    assert "attempts of unknown usage" in ran.err


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["model.prices.input=null", "model.prices.output=null", "budget.usd=1"],
            "no price is known for gpt-4o",
        ),
        (["model.params.max_tokens=null", "budget.usd=1"], "set model.params.max_tokens=N"),
        (["model.params.max_tokens=null", "budget.tokens=100"], "budget.tokens=100: nothing limits"),
        (["budget.usd=0"], "budget.usd=0.0: more than 0"),
        (["budget.tokens=-5"], "budget.tokens=-5: more than 0"),
        (["budget.usd=1", "model.params.service_tier=priority"], "service_tier=priority"),
        (["budget.eur=1"], "eur"),
    ],
)
def test_budget_that_could_not_be_held_is_refused_before_anything_is_sent(
    overrides: list[str], said: str, evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    assert said in evalkit(*words(server, data, *overrides)).error
    assert server.count == 0


def test_longest_answer_in_the_models_config_is_enough(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    """GPT-4o's config says 16,384 tokens: 0.16 USD in the worst case, more than this budget has."""
    ran = evalkit(*words(server, data, "model=gpt-4o", "model.params.max_tokens=null", "budget.usd=0.1"))
    assert ran.code == 5
    assert server.count == 0
    assert "the next could have used" in ran.err
    assert json.loads((evalkit.last_run() / "report.json").read_text())["status"] == "over_budget"
