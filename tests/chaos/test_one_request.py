"""One kind of fault at a time, at every attempt of its sample: the table of docs/faults.md, row by row."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply
from faulty_runs import ask, lasting, sample_of, samples

if TYPE_CHECKING:
    from commands import Commands

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"
ATTEMPTS = 3

# What the page says the server does -> the faults that it means, the failure's kind, whether it is retried.
TABLE: dict[str, tuple[list[str], str, bool]] = {
    "408": (["408"], "timeout", True),
    "409": (["409"], "conflict", True),
    "429, with or without `Retry-After`": (["429", "429 retry-after"], "rate_limited", True),
    "500, 502, 503, 504, 529": (["500", "502", "503", "504", "529"], "server_error", True),
    "closes the connection before or inside the body, or speaks no HTTP": (
        ["drop_before", "drop_in_body", "garbage_wire"],
        "connection",
        True,
    ),
    "says nothing, or so slowly that `model.timeout` passes": (
        ["stall:30", "slow_body:30"],
        "timeout",
        True,
    ),
    "sends an empty body, a web page, an error, noise or half of the JSON, with status 200": (
        ["empty_200", "html_200", "error_200", "garbage_bytes", "invalid_utf8", "truncated_json"],
        "bad_response",
        True,
    ),
    'sends `"choices": null`, no choice, or a choice without a message': (
        ["choices_null", "no_choices", "missing_message"],
        "bad_response",
        True,
    ),
    "400, 413, 422": (["400", "413", "422"], "bad_request", False),
    "says that the context is too long": (["context_length_exceeded"], "context_length", False),
    "refuses the prompt by its content filter (400)": (["content_filter"], "content_filter", False),
}
EXPECTED = {name: (kind, ATTEMPTS if again else 1) for names, kind, again in TABLE.values() for name in names}
RETRIED = {name: tries for name, (_, tries) in EXPECTED.items()}
# One sample that is answered as ever, and one whose answer only looks wrong.
FINE = {"fine", "wrong_content_type"}
ANSWERS = {
    "fine": Reply("yes"),
    "filtered": Reply("", finish_reason="content_filter"),
    "refusal": Reply(None, refusal="I cannot help with that."),
    "cut": Reply("yes and", finish_reason="length"),
}


def fault(name: str) -> Fault:
    return Fault.status(429, retry_after=0.05) if name == "429 retry-after" else Fault.named(name)


def misbehaving() -> FakeOpenAI:
    """Every sample but one meets its own fault, whenever it is asked for."""
    names = [*EXPECTED, "wrong_content_type"]
    return FakeOpenAI("yes", faults=lasting({name: fault(name) for name in names}))


def test_fault_that_stays_is_a_failure_of_its_kind_and_nothing_else(evalkit: Commands) -> None:
    samples([*EXPECTED, *FINE])
    with misbehaving() as server:
        asked = ask(evalkit, server, "executor.concurrency=40", "model.timeout=2")
    assert asked.failures == EXPECTED
    assert asked.outputs == dict.fromkeys(FINE, "yes")
    assert asked.requests == RETRIED | dict.fromkeys(FINE, 1)
    assert asked.kept == FINE
    assert asked.ran.code == 5
    assert (asked.report["counts"]["answered"], asked.report["counts"]["failed"]) == (2, len(EXPECTED))
    assert asked.report["metrics"]["exact_match"]["n"] == 2
    assert f"{len(EXPECTED)} of {len(EXPECTED) + 2} requests failed" in asked.ran.err
    assert "more than max_failed=0.01 of the requests failed: exit code 5" in asked.ran.err


def test_next_run_asks_only_for_what_failed_and_repairs_it(evalkit: Commands) -> None:
    samples([*EXPECTED, *FINE])
    with misbehaving() as server:
        ask(evalkit, server, "executor.concurrency=40", "executor.attempts=1", "model.timeout=2")
        server.settings.faults = ()
        again = ask(evalkit, server)
    assert again.failures == {}
    assert again.requests == dict.fromkeys(EXPECTED, 1)
    assert again.ran.code == 0
    assert again.report["metrics"]["exact_match"]["value"] == 1.0


def test_what_the_model_withholds_is_kept_as_what_it_is(evalkit: Commands) -> None:
    samples(ANSWERS)
    with FakeOpenAI(lambda body: ANSWERS[sample_of(body)]) as server:
        first = ask(evalkit, server)
        again = ask(evalkit, server)
        assert server.count == len(ANSWERS)
    for asked in first, again:
        assert asked.failures == {"filtered": ("content_filter", 1)}
        assert asked.outputs == {"fine": "yes", "refusal": "", "cut": "yes and"}
        assert asked.kept == set(ANSWERS)
        counts = asked.report["counts"]
        assert (counts["refused"], counts["cut_off"], counts["failed"]) == (1, 1, 1)
        assert asked.report["metrics"]["exact_match"]["n"] == 3


def test_failures_within_what_is_allowed_end_well(evalkit: Commands) -> None:
    """Two in fifty, and the settings allow one in twenty."""
    samples(["500", "empty_200", *(f"fine {number}" for number in range(48))])
    with FakeOpenAI("yes", faults=lasting({"500": fault("500"), "empty_200": fault("empty_200")})) as server:
        asked = ask(evalkit, server, "max_failed=0.05")
    assert asked.ran.code == 0
    assert asked.report["status"] == "complete_with_failures"
    assert "2 of 50 requests failed (1 bad_response, 1 server_error) and are not scored" in asked.ran.err


@pytest.mark.parametrize(
    "name", ["429", "503", "drop_in_body", "truncated_json", "empty_200", "choices_null"]
)
def test_more_failures_in_a_row_than_attempts_are_repaired_by_the_next_run(
    name: str, evalkit: Commands
) -> None:
    """Four bad answers for each sample, three attempts: the second run's first fails too, its second not."""
    names = {"a", "b", "c"}
    samples(names)
    with FakeOpenAI("yes", faults=FaultPlan.attempts(*[Fault.named(name)] * (ATTEMPTS + 1))) as server:
        first = ask(evalkit, server)
        assert (first.ran.code, set(first.failures), first.kept) == (5, names, set())
        second = ask(evalkit, server)
    assert (second.ran.code, second.failures, second.kept) == (0, {}, names)
    assert second.requests == dict.fromkeys(names, 2)


def test_page_says_what_is_tested() -> None:
    said = {
        cells[0]: (re.findall(r"failure `(\w+)`", cells[2]), cells[1] == "yes")
        for cells in table("One request")
        if "an answer" not in cells[2] and "kept" not in cells[2]
    }
    assert said == {row: ([kind], again) for row, (_, kind, again) in TABLE.items()}


def table(heading: str) -> list[list[str]]:
    """The rows of a section's table."""
    section = PAGE.read_text("utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
