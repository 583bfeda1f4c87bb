"""The Responses endpoint: items in and out, statuses, failures, in chat's words where records are shared."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response as Official
from openai.types.responses import ResponseError

from evalkit.client.responses import AGAIN, FORBIDDEN, WRONG, Responses
from evalkit.errors import ModelError, RequestError
from evalkit.records import Response, Usage

TEXT = {"type": "output_text", "text": "Lima", "annotations": [], "logprobs": []}
MESSAGE = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [TEXT]}
# In the shape of OpenAI's API reference for a response, fields without effect on it left out.
RECORDED: dict[str, Any] = {
    "id": "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "object": "response",
    "created_at": 1741476542,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "model": "gpt-4.1-2025-04-14",
    "output": [{"type": "reasoning", "id": "rs_1", "summary": []}, MESSAGE],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 36,
        "input_tokens_details": {"cached_tokens": 32, "cache_write_tokens": 0},
        "output_tokens": 87,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 123,
    },
}
SYSTEM, ASKED = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of Peru?"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look", "arguments": '{"q": 1}'}


def parse(body: Any, place: int = 0) -> Response:
    return Responses().parse(body if isinstance(body, bytes) else json.dumps(body).encode(), place)


def said(*content: Any) -> dict[str, Any]:
    return {**RECORDED, "output": [{**MESSAGE, "content": list(content)}]}


def refused(bad: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(bad)
    return caught.value


def test_recorded_body_gives_every_field() -> None:
    assert parse(RECORDED) == Response(
        text="Lima",
        finish_reason="stop",
        model="gpt-4.1-2025-04-14",
        usage=Usage(prompt=36, completion=87, cached=32, reasoning=64),
    )


def test_texts_of_several_items_are_joined_as_the_official_client_does() -> None:
    second = {**MESSAGE, "content": [{**TEXT, "text": " is"}, {**TEXT, "text": " it."}]}
    several = {**RECORDED, "output": [MESSAGE, CALL, second]}
    assert parse(several).text == Official.model_validate(several).output_text == "Lima is it."


def test_function_calls_look_as_chats_do() -> None:
    response = parse({**RECORDED, "output": [CALL, {**CALL, "call_id": "call_2", "name": "find"}]})
    assert response.tool_calls == [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"q": 1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}},
    ]
    assert (response.text, response.finish_reason) == ("", "tool_calls")


def test_custom_tool_call_looks_as_chats_does() -> None:
    custom = {"type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "select 1"}
    [call] = parse({**RECORDED, "output": [custom]}).tool_calls
    assert call == {"id": "c", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}


def test_refusal_is_kept_apart_from_the_text() -> None:
    response = parse(said({"type": "refusal", "refusal": "I can't help with that."}))
    assert (response.text, response.refusal, response.finish_reason) == (
        "",
        "I can't help with that.",
        "stop",
    )


def test_logprobs_look_as_chats_do() -> None:
    entries = [{"token": "Li", "logprob": -0.1, "bytes": [76, 105], "top_logprobs": []}]
    assert parse(said({**TEXT, "logprobs": entries})).logprobs == {"content": entries, "refusal": None}


@pytest.mark.parametrize("output", [[], [{"type": "reasoning", "summary": []}], [MESSAGE]])
def test_answer_cut_off_at_the_limit_is_an_answer(output: list[Any]) -> None:
    """A reasoning model may have spent all of it before the first word."""
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": output}
    response = parse({**RECORDED, **cut})
    assert (response.text, response.finish_reason) == ("Lima" if MESSAGE in output else "", "length")


def test_filtered_answer_is_final() -> None:
    cut = {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}
    error = refused({**RECORDED, **cut})
    assert (error.kind, error.retryable) == ("content_filter", False)


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        ("server_error", "server_error", True),
        ("rate_limit_exceeded", "rate_limited", True),
        ("invalid_prompt", "bad_request", False),
        ("invalid_image", "bad_request", False),
        ("bio_policy", "content_filter", False),
        ("nobody_knows_this_one", "bad_response", True),
    ],
)
def test_failed_response_is_a_failure_by_its_code(code: str, kind: str, retryable: bool) -> None:  # noqa: FBT001
    error = refused({**RECORDED, "status": "failed", "output": [], "error": {"code": code, "message": "No."}})
    assert (error.kind, error.retryable, error.fatal) == (kind, retryable, False)
    assert str(error) == f"{kind}: the response failed: No."


def test_every_code_of_the_official_types_is_decided_on() -> None:
    codes = set(get_args(ResponseError.model_fields["code"].annotation))
    asked_again_as_unknown = {"data_residency_mismatch"}
    assert codes == {*AGAIN, *FORBIDDEN, *WRONG, *asked_again_as_unknown}


BAD: dict[str, Any] = {
    "empty": b"",
    "html": b"<html>Sign in</html>",
    "truncated": json.dumps(RECORDED).encode()[:300],
    "list": [],
    "error object": {"error": {"message": "Upstream failed.", "type": "server_error"}},
    "error text": {"error": "overloaded"},
    "failed without an error": {**RECORDED, "status": "failed"},
    "queued": {**RECORDED, "status": "queued", "output": []},
    "in progress": {**RECORDED, "status": "in_progress"},
    "cancelled": {**RECORDED, "status": "cancelled"},
    "incomplete for no reason": {**RECORDED, "status": "incomplete"},
    "steered": {**RECORDED, "status": "incomplete", "incomplete_details": {"reason": "steered"}},
    "status of a wrong type": {**RECORDED, "status": ["completed"]},
    "no output": {name: value for name, value in RECORDED.items() if name != "output"},
    "output null": {**RECORDED, "output": None},
    "output empty": {**RECORDED, "output": []},
    "output of texts": {**RECORDED, "output": ["Lima"]},
    "only reasoning": {**RECORDED, "output": [{"type": "reasoning", "summary": []}]},
    "content missing": {**RECORDED, "output": [{"type": "message", "role": "assistant"}]},
    "content empty": said(),
    "content unknown": said({"type": "output_audio", "data": "AA"}),
    "text null": said({**TEXT, "text": None}),
    "text number": said({**TEXT, "text": 3}),
    "refusal null": said({"type": "refusal", "refusal": None}),
    "chat's body": {"choices": [{"index": 0, "message": {"content": "hi"}}]},
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_is_asked_again(name: str) -> None:
    error = refused(BAD[name])
    assert (error.kind, error.retryable, error.fatal) == ("bad_response", True, False)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(
                    ["output", "content", "type", "text", "status", "error", "usage", "code", "message"]
                ),
                x,
            )
        ),
    )
)
def test_any_json_is_an_answer_or_a_request_error(value: Any) -> None:
    with suppress(RequestError):
        assert isinstance(parse(value).text, str)


# -------------------------------------------------------------------------------------- what is asked


def build(messages: list[dict[str, Any]], schema: Any = None, **params: Any) -> dict[str, Any]:
    endpoint = Responses()
    return endpoint.build("gpt-5", messages, endpoint.spell(params, None), schema)


def test_instructions_are_what_the_system_says_first_and_nothing_is_stored() -> None:
    developer = {"role": "developer", "content": "In English."}
    assert build([SYSTEM, developer, ASKED]) == {
        "model": "gpt-5",
        "instructions": "Be brief.\n\nIn English.",
        "input": [ASKED],
        "store": False,
    }


def test_later_system_message_stays_in_its_place() -> None:
    turns = [ASKED, {"role": "assistant", "content": "Lima"}, SYSTEM, ASKED]
    assert build(turns) == {"model": "gpt-5", "input": turns, "store": False}


def test_lone_system_message_is_input() -> None:
    assert build([SYSTEM])["input"] == [SYSTEM]


def test_parameters_go_where_the_endpoint_has_them() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    built = build(
        [ASKED], schema, reasoning_effort="low", verbosity="high", max_completion_tokens=99,
        logprobs=True, top_logprobs=2, service_tier="flex", store=True,
        include=["reasoning.encrypted_content"], reasoning={"summary": "auto"},
    )  # fmt: skip
    assert built == {
        "model": "gpt-5",
        "input": [ASKED],
        "store": True,
        "max_output_tokens": 99,
        "service_tier": "flex",
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "top_logprobs": 2,
        "reasoning": {"summary": "auto", "effort": "low"},
        "text": {
            "verbosity": "high",
            "format": {"type": "json_schema", "name": "answer", "strict": True, "schema": schema},
        },
    }


def test_parts_images_and_calls_become_items() -> None:
    picture = "data:image/png;base64,AA"
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
        {"type": "file", "file": {"file_id": "file_1"}},
    ]
    call = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    built = build(
        [
            {"role": "user", "content": parts},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
            {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]},
        ]
    )
    assert built["input"] == [
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What is it?"},
                {"type": "input_image", "image_url": picture, "detail": "low"},
                {"type": "input_file", "file_id": "file_1"},
            ],
        },
        {"type": "function_call", "call_id": "call_1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a cat"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "A cat."}]},
    ]


def test_part_that_the_endpoint_does_not_take_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"a message holds input_audio.*set model\.endpoint=chat"):
        build([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}])
