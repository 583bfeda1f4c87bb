"""The tool_use task from the command line, over each endpoint; refused where a model takes no tools."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI, Reply, ToolCall

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [
    json.loads(line)
    for line in (shipped("benchmarks") / "tool_use" / "data.jsonl").read_text("utf-8").splitlines()
]
SETTINGS = ("task=tool_use", "resamples=10")


def row_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """The benchmark's row that a request asks, by its last message."""
    messages = body.get("messages") or body["input"]
    content = messages[-1]["content"]
    asked = content if isinstance(content, str) else content[-1]["text"]
    return next(row for row in ROWS if row["question"] == asked)


def right(row: Mapping[str, Any]) -> Reply:
    """The wanted calls, with the first of several acceptable values; words where none is right."""
    target = row["target"] if isinstance(row["target"], list) else row["target"]["calls"]
    calls = [
        ToolCall(
            one["name"],
            {
                name: value["any_of"][0] if isinstance(value, dict) and "any_of" in value else value
                for name, value in one["arguments"].items()
                if not (isinstance(value, dict) and value.get("optional"))
            },
        )
        for one in target
    ]
    return Reply(None, tool_calls=calls) if calls else Reply("I cannot do that with what I have.")


def values(evalkit: Commands) -> dict[str, float | None]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


def answering(server: FakeOpenAI, answer: Callable[[dict[str, Any]], Reply]) -> None:
    server.settings.answer = lambda body: answer(row_of(body))


@pytest.mark.parametrize("endpoint", ["chat", "responses"])
def test_right_calls_score_full_marks(endpoint: str, evalkit: Commands, server: FakeOpenAI) -> None:
    answering(server, right)
    ran = evalkit(*asking(server, *SETTINGS, f"model.endpoint={endpoint}"))
    assert ran.code == 0, ran.err
    assert values(evalkit) == dict.fromkeys(values(evalkit), 1.0)
    assert server.count == len(ROWS)
    tool = server.requests[0].body["tools"][0]
    assert (tool["function"] if endpoint == "chat" else tool)["name"] == ROWS[0]["tools"][0]["function"][
        "name"
    ]
    assert ("strict" in tool, tool.get("strict")) == ((False, None) if endpoint == "chat" else (True, False))


def test_right_and_wrong_calls_give_exactly_known_scores(evalkit: Commands, server: FakeOpenAI) -> None:
    """Of the first six samples, by hand.

    Right; the unit's default said, right; 600 s for 390 s; broken JSON; words instead of a call; a function
    that there is not, with three right arguments.
    """

    def answer(row: dict[str, Any]) -> Reply:
        number = ROWS.index(row)
        if number == 2:
            return Reply(None, tool_calls=[ToolCall("set_timer", {"seconds": 600})])
        if number == 3:
            return Reply(None, tool_calls=[ToolCall("set_lamp", '{"room": "kitchen"')])
        if number == 4:
            return Reply("The light is off.")
        if number == 5:
            return Reply(
                None, tool_calls=[ToolCall("convert", {"amount": 250, "source": "USD", "target": "JPY"})]
            )
        return right(row)

    answering(server, answer)
    ran = evalkit(*asking(server, *SETTINGS, "dataset.limit=6"))
    assert ran.code == 0, ran.err
    report = evalkit.report()
    assert values(evalkit) == {
        "call_name": pytest.approx(3 / 6),
        "call_exact": pytest.approx(2 / 6),
        "call_arguments": pytest.approx(2 / 6),
        "call_valid": pytest.approx(3 / 5),  # 1, 2, 3 of those who called, broken JSON among them
        "no_call": None,
    }
    assert report["counts"]["unparsed"] == 1
    lines = evalkit.samples()
    assert lines[2]["prediction"] == [{"name": "set_timer", "arguments": {"seconds": 600}}]
    assert lines[3]["unparsed"] == "tool_calls: the arguments of set_lamp are no JSON"
    shown = evalkit("show", "latest", "tool_use-003").out
    assert "called set_timer(seconds=600), wanted set_timer(seconds=390" in shown
    assert evalkit("verify", "latest").code == 0


def test_calls_where_none_is_right_are_wrong(evalkit: Commands, server: FakeOpenAI) -> None:
    """Half of eight samples that need no call are called all the same."""
    none = [row for row in ROWS if row["category"] == "none"]

    def answer(row: dict[str, Any]) -> Reply:
        name = row["tools"][0]["function"]["name"]
        return right(row) if none.index(row) % 2 else Reply(None, tool_calls=[ToolCall(name, {})])

    answering(server, answer)
    ran = evalkit(*asking(server, *SETTINGS, "dataset.where='category == \"none\"'"))
    assert ran.code == 0, ran.err
    assert len(none) == 8
    assert values(evalkit)["no_call"] == values(evalkit)["call_exact"] == 0.5


def test_stored_calls_are_scored_again_without_asking(evalkit: Commands, server: FakeOpenAI) -> None:
    rows = [
        {
            "id": "a",
            "q": "?",
            "tools": ROWS[0]["tools"],
            "CALLS": [{"name": "get_weather", "arguments": {"CITY": "oslo"}}],
        }
    ]
    path = write_lines(evalkit.folder / "own.jsonl", *rows)
    server.settings.answer = Reply(None, tool_calls=[ToolCall("get_weather", {"CITY": "OSLO"})])
    ran = evalkit(
        *asking(
            server, *SETTINGS, "dataset=jsonl", f"dataset.path={path}",
            "dataset.input={question: q, tools: tools}",
            "dataset.target=CALLS",
        )
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert values(evalkit)["call_exact"] == 1.0
    again = evalkit("score", "latest", "metrics.tool_calls.texts=exact")
    assert again.code == 0, again.err
    assert values(evalkit)["call_exact"] == 0.0
    assert server.count == 1


def test_earlier_calls_and_results_are_part_of_the_request(evalkit: Commands, server: FakeOpenAI) -> None:
    answering(server, right)
    for endpoint in ("chat", "responses"):
        evalkit(
            *asking(server, *SETTINGS, "dataset.where='id == \"tool_use-033\"'", f"model.endpoint={endpoint}")
        )
    chat, responses = (request.body for request in server.requests)
    assert [one["role"] for one in chat["messages"]] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
    ]
    assert chat["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"city": "Bergen"}'
    assert [one.get("type", one.get("role")) for one in responses["input"]] == [
        "user", "function_call", "function_call_output", "assistant", "user",
    ]  # fmt: skip
    assert responses["input"][1] == {
        "type": "function_call",
        "call_id": "call_1",
        "name": "get_weather",
        "arguments": '{"city": "Bergen"}',
    }


@pytest.mark.parametrize("model", ["local", "local-large"])
def test_a_model_without_tools_says_what_is_needed_and_nothing_is_fetched(
    model: str, evalkit: Commands
) -> None:
    ran = evalkit("run", *SETTINGS, f"model={model}")
    assert "the questions hold tools to call, and " in ran.error
    assert "takes none: choose a model that does, like model=gpt-4o" in ran.error


def test_the_completions_endpoint_refuses_tools_by_name(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*asking(server, *SETTINGS, "model.endpoint=completions"))
    assert "the completions endpoint takes no tools; set model.endpoint=chat" in ran.error
    assert server.count == 0


@pytest.mark.parametrize("parameter", ["tool_choice=auto", "parallel_tool_calls=true"])
def test_parameters_of_tools_need_tools(parameter: str, evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*asking(server, "task=qa", "dataset.limit=1", f"model.params.{parameter}"))
    assert "the questions hold no tools; take it out" in ran.error
    assert server.count == 0


def test_a_reasoning_model_is_refused_parallel_calls_by_name(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(
        "run",
        "model=o3",
        f"model.base_url={server.base_url}",
        *SETTINGS,
        "model.params.parallel_tool_calls=true",
    )
    assert (
        "model.params.parallel_tool_calls=True: o3 does not take it; it takes max_completion_tokens"
        in ran.error
    )
    assert "images" not in ran.error


def test_recorded_calls_are_read_from_text(evalkit: Commands) -> None:
    """Four systems' outputs as text: right, in tags, wrong, none."""
    said = [
        '[{"name": "get_weather", "arguments": {"city": "Oslo"}}]',
        '<tool>{"name": "get_weather", "arguments": {"city": "Phoenix", "unit": "fahrenheit"}}</tool>',
        '[{"name": "set_timer", "arguments": {"seconds": 1}}]',
        "I would turn on the lamp.",
    ]
    outputs = [{"id": row["id"], "said": text} for row, text in zip(ROWS, said, strict=False)]
    path: str | Path = write_lines(evalkit.folder / "outputs.jsonl", *outputs)
    ran = evalkit(
        "run", *SETTINGS, "dataset.limit=4", "model=recorded", f"model.path={path}", "model.output=said",
        "task.postprocess=[{tool_calls: {written: json}}]",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert values(evalkit)["call_exact"] == 0.5


def test_written_calls_of_a_model_without_a_field_for_them(evalkit: Commands, server: FakeOpenAI) -> None:
    """The functions stand in the prompt, and every second answer is the right list of calls."""

    def answer(body: Mapping[str, Any]) -> str:
        asked = body["messages"][-1]["content"]
        row = next(row for row in ROWS if asked.endswith(f"Request: {row['question']}"))
        assert all(json.dumps(tool["function"]["name"]) in asked for tool in row["tools"])
        calls = [{"name": one.name, "arguments": json.loads(one.text)} for one in right(row).tool_calls]
        return f"```json\n{json.dumps(calls)}\n```" if ROWS.index(row) % 2 else "I would rather talk."

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=tool_use_text", "resamples=10", "dataset.limit=10"))
    assert ran.code == 0, ran.err
    assert "tools" not in server.requests[0].body
    assert values(evalkit) | {"no_call": 0} == {
        **dict.fromkeys(("call_name", "call_exact", "call_arguments"), 0.5), "call_valid": 1.0, "no_call": 0,
    }  # fmt: skip
