"""`evalkit plan` as a user meets it: numbers that hold in the run that follows, and nothing sent."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, Ran, asking, write, write_lines
from fake_openai import FakeOpenAI, Reply

from evalkit.records import Request
from evalkit.tokens import estimate

N = 200


REASONING = "model.accepts={temperature:true,max_tokens:true,reasoning_effort:[low,high]}"


def answer(body: Mapping[str, Any]) -> Reply:
    """Right on 90% of the samples; between 5 and 45 tokens long; prompts counted as the API counts them."""
    found = re.search(r"number (\d+) is (\w+)", str(body["messages"]))
    assert found is not None
    number, label = int(found[1]), found[2]
    prompt, _ = estimate(Request("", "", body))
    usage = {"prompt_tokens": prompt, "completion_tokens": 5 + number * 7 % 41}
    return Reply("neutral" if number % 10 == 3 else label, usage=usage)


@pytest.fixture
def data(tmp_path: Path, server: FakeOpenAI) -> str:
    server.settings.answer = answer
    rows = [
        {"id": f"s{one}", "text": f"number {one} is {label}", "label": label}
        for one, label in ((one, ("positive", "negative")[one % 2]) for one in range(N))
    ]
    return write_lines(tmp_path / "data.jsonl", *rows)


def words(server: FakeOpenAI, data: str, *more: str) -> list[str]:
    """A task without a schema, at GPT-4o's prices."""
    _, *rest = asking(server, "task=sentiment", "prompt=sentiment_text", "dataset=jsonl")
    return [
        *rest,
        *(f"dataset.path={data}", "dataset.input.text=text", "dataset.target=label"),
        *("metrics=[accuracy]", "resamples=20", "model.params.max_tokens=64"),
        *("model.prices.input=2.5", "model.prices.output=10", *more),
    ]


def planned(ran: Ran) -> dict[str, Any]:
    assert ran.code == 0, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    return found


def test_nothing_is_sent_written_or_needed(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    ran = evalkit("plan", "model=gpt-4o", "dataset.limit=20")  # OpenAI itself, and no key
    assert ran.code == 0, ran.err
    assert "20: 0 in the cache, 20 to send" in ran.out
    assert evalkit("plan", *words(server, data)).code == 0
    assert server.count == 0
    assert sorted(one.name for one in evalkit.folder.iterdir()) == ["data.jsonl"]


def test_prompt_tokens_are_those_that_the_run_then_uses(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    (plan,) = planned(evalkit("plan", *words(server, data, "trials=2"), "--json"))["plans"]
    assert plan["usage"]["prompt_counted"] == "exact"
    assert plan["usage"]["encoding"] == "o200k_base"
    assert evalkit("run", *words(server, data, "trials=2")).code == 0
    report = evalkit.report()
    assert plan["usage"]["prompt"] == report["usage"]["prompt"]
    assert plan["counts"]["requests"] == report["counts"]["requests"] == 2 * N
    cost = plan["cost"]
    assert cost["low_usd"] < report["cost"]["paid_usd"] <= cost["worst_usd"]


def test_an_earlier_run_tells_completion_tokens_within_a_tenth(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    assert evalkit("run", *words(server, data, "dataset.limit=60")).code == 0
    earlier = evalkit.report()
    (plan,) = planned(evalkit("plan", *words(server, data), "--json"))["plans"]
    assert plan["counts"] == {"requests": N, "cached": 60, "to_send": N - 60}
    assert plan["usage"]["completion_source"] == f"as in run {earlier['run_id']}"
    assert evalkit("run", *words(server, data)).code == 0
    used = evalkit.report()["usage"]["completion"] - earlier["usage"]["completion"]
    assert plan["usage"]["completion"] == pytest.approx(used, rel=0.1)
    paid = evalkit.report()["cost"]["paid_usd"]
    assert plan["cost"]["usd"] == pytest.approx(paid, rel=0.1)
    # The same samples with another prompt: each is expected to be answered as at length as before.
    (other,) = planned(
        evalkit("plan", *words(server, data, "prompt.system='Answer with one word.'"), "--json")
    )["plans"]
    assert other["usage"]["completion"] == evalkit.report()["usage"]["completion"]


def test_everything_cached_costs_nothing(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    assert evalkit("run", *words(server, data)).code == 0
    ran = evalkit("plan", *words(server, data), "--max-usd", "0")
    assert ran.code == 0
    assert f"{N}: {N} in the cache, 0 to send" in ran.out
    assert "nothing is to be paid" in ran.out
    refreshed = evalkit("plan", *words(server, data, "cache=refresh"))
    assert f"{N}: 0 in the cache, {N} to send" in refreshed.out


def test_equal_samples_are_one_request_to_send(evalkit: Commands, server: FakeOpenAI, tmp_path: Path) -> None:
    row = {"text": "number 1 is positive", "label": "positive"}
    data = write_lines(tmp_path / "twins.jsonl", row, row, {**row, "text": "number 2 is positive"})
    (plan,) = planned(evalkit("plan", *words(server, data), "--json"))["plans"]
    assert plan["counts"] == {"requests": 3, "cached": 0, "to_send": 2}


def test_several_choices_share_their_prompt(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    (one,) = planned(evalkit("plan", *words(server, data), "--json"))["plans"]
    (four,) = planned(evalkit("plan", *words(server, data, "model.params.n=4"), "--json"))["plans"]
    assert four["counts"] == {"requests": 4 * N, "cached": 0, "to_send": N}
    assert four["usage"]["prompt"] == one["usage"]["prompt"]
    assert four["usage"]["completion"] == 4 * one["usage"]["completion"]
    assert four["usage"]["completion_most"] == 4 * 64 * N


@pytest.mark.parametrize(
    ("overrides", "expected", "source"),
    [
        ([], N, "as long as the targets"),  # "positive" and "negative" are one token each
        ([REASONING], 32 * N, "half of what is allowed"),
        (
            [REASONING, "model.params.max_tokens=null"],
            None,
            "set model.params.max_tokens, or make a small run first",
        ),
    ],
)
def test_without_an_earlier_run_the_plan_says_what_it_expects_by(
    overrides: list[str], expected: int | None, source: str, evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    ran = evalkit("plan", *words(server, data, *overrides), "--json")
    (plan,) = planned(ran)["plans"]
    assert plan["usage"]["completion"] == expected
    assert plan["usage"]["completion_source"] == source


def test_max_usd_sets_the_exit_code(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    (plan,) = planned(evalkit("plan", *words(server, data), "--json"))["plans"]
    cost = plan["cost"]["usd"]
    assert evalkit("plan", *words(server, data), "--max-usd", f"{1.01 * cost}").code == 0
    above = evalkit("plan", *words(server, data), f"--max-usd={0.99 * cost}")
    assert above.code == 5
    assert f"the expected cost of {cost:.4f} USD is above --max-usd" in above.err
    assert "low" in above.out  # the plan itself is printed all the same


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--max-usd", "nan"], "US dollars, 0 or more"),
        (["--max-usd", "-1"], "US dollars, 0 or more"),
        (
            ["--max-usd=1", "model.prices.input=null", "model.prices.output=null"],
            "no price is known for gpt-4o",
        ),
        (["budget.usd=1", "model.params.max_tokens=null"], "nothing limits the length of an answer"),
        (["metrics=[nope]"], "nope"),
        (["-m", "task=a=b"], "task=a=b"),
    ],
)
def test_mistakes_are_one_line(
    more: list[str], said: str, evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    ran = evalkit("plan", *words(server, data), *more)
    assert ran.code == 2
    assert said in ran.err.splitlines()[-1]
    assert "Traceback" not in ran.err


def test_sweep_is_planned_job_by_job_and_shared_requests_once(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    swept = words(server, data, "metrics=[accuracy],[f1]", "model.params.temperature=0,1")
    found = planned(evalkit("plan", "-m", *swept, "--json"))
    counts = [one["counts"]["to_send"] for one in found["plans"]]
    assert sorted(counts) == [0, 0, N, N]  # the second metric finds the first one's answers
    assert found["total"]["counts"] == {"requests": 4 * N, "cached": 2 * N, "to_send": 2 * N}
    single = planned(evalkit("plan", *words(server, data), "--json"))["plans"][0]
    assert found["total"]["cost"]["usd"] == pytest.approx(2 * single["cost"]["usd"])
    assert "metrics=[accuracy]" in found["plans"][0]["overrides"]

    shown = evalkit("plan", "-m", *swept).out
    lines = shown.splitlines()
    assert len(lines) == 1 + 4 + 1 + 1
    assert re.search(rf"^ +all +{4 * N} +{2 * N} +{2 * N} ", lines[5])
    assert "dataset.path" not in shown  # what all jobs share is not repeated
    assert evalkit("run", "-m", *swept).code == 0
    assert server.count == 2 * N


def test_study_is_planned_as_the_sweep_that_it_is(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    text = "# @package _global_\nsweep: {model.params.temperature: [0.0, 0.5, 1.0]}\n"
    write(evalkit.folder / "configs" / "experiment" / "heat.yaml", text)
    found = planned(evalkit("plan", *words(server, data, "experiment=heat"), "--json"))
    assert [one["overrides"][-1] for one in found["plans"]] == [
        f"model.params.temperature={one}" for one in ("0.0", "0.5", "1.0")
    ]


def test_time_is_by_limits_or_by_an_earlier_runs_latency(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    assert "unknown: no earlier run tells the latency" in evalkit("plan", *words(server, data)).out
    (limited,) = planned(evalkit("plan", *words(server, data, "limits.rpm=40"), "--json"))["plans"]
    assert limited["timing"] == {"seconds": 300.0, "source": "at limits.rpm=40"}
    (tokens,) = planned(evalkit("plan", *words(server, data, "limits.tpm=600"), "--json"))["plans"]
    usage = tokens["usage"]
    assert tokens["timing"]["seconds"] == pytest.approx((usage["prompt"] + usage["completion"]) / 10)

    assert evalkit("run", *words(server, data, "dataset.limit=5")).code == 0
    latencies = [line["latency"] for line in evalkit.samples()]
    (known,) = planned(evalkit("plan", *words(server, data, "executor.concurrency=10"), "--json"))["plans"]
    waves = 20  # 195 to send, ten at once
    assert known["timing"]["seconds"] == pytest.approx(waves * sum(latencies) / 5, rel=1e-3)
    assert "10 at once" in known["timing"]["source"]


def test_detectable_effect_by_hand(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    """Accuracy 0.9 on 200 samples, alpha 0.05 one-sided, power 0.8: 7.46 points.

    That is (1.645 + 0.842) sqrt(2 x 0.09 / 200); the sample's variance and Student's t make it 7.5.
    """
    assert "no earlier run of the task" in evalkit("plan", *words(server, data)).out
    assert evalkit("run", *words(server, data)).code == 0
    run = evalkit.report()["run_id"]
    shown = evalkit("plan", *words(server, data)).out
    assert f"with 80% power a loss of accuracy 7.5 points at the most (by run {run})" in shown
    (plan,) = planned(evalkit("plan", *words(server, data), "--json"))["plans"]
    assert plan["detectable"]["accuracy"]["effect"] == pytest.approx(0.0746, abs=0.0008)


def test_two_measurements_tell_the_detectable_effect_of_their_difference(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    """The second prompt breaks 10 of 200 samples, each a loss of 1: the standard deviation is about 0.218.

    (1.645 + 0.842) x 0.2184 / sqrt(200) = 3.84 points; Student's t adds a little.
    """
    assert evalkit("run", *words(server, data)).code == 0
    assert evalkit("accept", "latest", "--reason", "start").code == 0

    def harmed(body: Mapping[str, Any]) -> Reply:
        number = int(re.search(r"number (\d+)", str(body["messages"]))[1])  # type: ignore[index]
        right = answer(body)
        return Reply("neutral", usage=right.usage) if number % 20 == 0 else right

    server.settings.answer = harmed
    assert evalkit("run", *words(server, data, "prompt.system='Answer badly.'")).code == 0
    (plan,) = planned(evalkit("plan", *words(server, data), "--json"))["plans"]
    found = plan["detectable"]["accuracy"]
    assert found["paired"]
    assert found["source"].startswith("baseline main and run ")
    assert found["effect"] == pytest.approx(0.0386, abs=0.0004)


def test_local_model_has_no_price(evalkit: Commands) -> None:
    ran = evalkit("plan", "--max-usd", "0")
    assert ran.code == 0, ran.err
    assert "none: its tokens have no price" in ran.out
    assert re.search(r"prompt tokens +about \d+ \(estimated from the bytes; at most \d+\)", ran.out)


def test_recorded_outputs_send_nothing(evalkit: Commands, tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "out.jsonl", {"id": "a", "text": "x", "label": "positive", "said": "positive"}
    )
    ran = evalkit(
        *("plan", "task=sentiment", "dataset=jsonl", f"dataset.path={path}", "dataset.input.text=text"),
        *(
            "dataset.target=label",
            "dataset.id=id",
            "model=recorded",
            f"model.path={path}",
            "model.output=said",
        ),
    )
    assert ran.code == 0, ran.err
    assert "recorded outputs: nothing is sent" in ran.out


def test_plan_says_when_a_budget_may_not_suffice(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    tight = evalkit("plan", *words(server, data, "budget.usd=0.01"))
    assert "the worst case is above budget.usd=0.01: the run may end over_budget" in tight.out
    assert "over_budget" not in evalkit("plan", *words(server, data, "budget.usd=10")).out


def test_damaged_report_and_baseline_do_not_stop_a_plan(
    evalkit: Commands, server: FakeOpenAI, data: str
) -> None:
    assert evalkit("run", *words(server, data)).code == 0
    assert evalkit("accept", "latest", "--reason", "start").code == 0
    (evalkit.last_run() / "report.json").write_text("{")
    (evalkit.folder / "results" / "baselines" / "main" / "manifest.json").write_text("{")
    assert evalkit("plan", *words(server, data)).code == 0


def test_choices_of_an_earlier_run_are_answers_each(evalkit: Commands, server: FakeOpenAI, data: str) -> None:
    """Usage stands at the first of a request's choices and is that of all."""
    both = words(server, data, "model.params.n=2")
    assert evalkit("run", *both, "dataset.limit=80").code == 0
    before = evalkit.report()["usage"]["completion"]
    (plan,) = planned(evalkit("plan", *both, "--json"))["plans"]
    assert evalkit("run", *both).code == 0
    used = evalkit.report()["usage"]["completion"] - before
    assert used > 0
    assert plan["usage"]["completion"] == pytest.approx(used, rel=0.1)
