"""Bodies of chat completions, in the shapes that OpenAI, Azure, vLLM, llama.cpp and gateways send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from evalkit.client.chat import ChatCompletions
from evalkit.errors import RequestError
from evalkit.records import Response, Usage

# As in OpenAI's API reference for a default chat completion (gpt-4.1), its ids shortened.
RECORDED: dict[str, Any] = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "object": "chat.completion",
    "created": 1741569952,
    "model": "gpt-4.1-2025-04-14",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": "Hello! How can I assist you today?",
                "refusal": None,
                "annotations": [],
            },
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 2006,
        "completion_tokens": 300,
        "total_tokens": 2306,
        "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 128,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    },
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
}


def parse(body: Any) -> Response:
    return ChatCompletions().parse(body if isinstance(body, bytes) else json.dumps(body).encode())


def body(*, message: Any = None, **choice: Any) -> dict[str, Any]:
    """The recorded body with another message or choice; `message` is merged."""
    first = {**RECORDED["choices"][0], **choice}
    if message is not None:
        first["message"] = {**first["message"], **message}
    return {**RECORDED, "choices": [first]}


def refused(bad: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(bad)
    return caught.value


def test_recorded_body_gives_every_field() -> None:
    assert parse(RECORDED) == Response(
        text="Hello! How can I assist you today?",
        finish_reason="stop",
        model="gpt-4.1-2025-04-14",
        system_fingerprint="fp_44709d6fcb",
        usage=Usage(prompt=2006, completion=300, cached=1920, reasoning=128),
    )


def test_logprobs_are_kept_as_sent() -> None:
    logprobs = {
        "content": [
            {"token": "Hi", "logprob": -0.31, "bytes": [72, 105], "top_logprobs": []},
            {"token": "!", "logprob": -9999.0, "bytes": None, "top_logprobs": []},
        ],
        "refusal": None,
    }
    assert parse(body(logprobs=logprobs)).logprobs == logprobs


def test_tool_calls_without_content_are_an_answer() -> None:
    calls = [
        {"id": "call_abc123", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    ]
    response = parse(body(message={"content": None, "tool_calls": calls}, finish_reason="tool_calls"))
    assert (response.text, response.tool_calls, response.finish_reason) == ("", calls, "tool_calls")


def test_refusal_is_kept_apart_from_the_text() -> None:
    response = parse(body(message={"content": None, "refusal": "I can't help with that."}))
    assert (response.text, response.refusal) == ("", "I can't help with that.")


@pytest.mark.parametrize("content", [None, "", "half of an ans"])
def test_cut_off_answer_is_an_answer(content: str | None) -> None:
    response = parse(body(message={"content": content}, finish_reason="length"))
    assert (response.text, response.finish_reason) == (content or "", "length")


def test_empty_string_is_an_answer() -> None:
    assert parse(body(message={"content": ""})).text == ""


@pytest.mark.parametrize(
    "choice", [{}, {"message": {"content": "half"}}, {"message": {"content": None}}, {"message": None}]
)
def test_filtered_answer_is_final(choice: dict[str, Any]) -> None:
    filtered = body(finish_reason="content_filter", **choice)
    if choice == {"message": None}:
        del filtered["choices"][0]["message"]
    error = refused(filtered)
    assert (error.kind, error.retryable, error.fatal) == ("content_filter", False, False)


BAD: dict[str, Any] = {
    "empty": b"",
    "blank": b" \r\n",
    "html": b"<!doctype html><html><body>Sign in</body></html>",
    "truncated": json.dumps(RECORDED).encode()[:300],
    "noise": bytes((7 * i + 131) % 256 for i in range(256)),
    "invalid utf-8": json.dumps(RECORDED).encode().replace(b"Hello", b"\xff\xfe"),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(RECORDED).encode(),
    "deep list": b"[" * 100_000 + b"]" * 100_000,
    "deep object": b'{"choices":' * 100_000 + b"1" + b"}" * 100_000,
    "large noise": b"x" * 5_000_000,
    "two documents": json.dumps(RECORDED).encode() * 2,
    "nan": b'{"choices": NaN}',
    "nan beside half a pair": b'{"choices": [{"message": {"content": "\\ud83d"}}], "x": NaN}',
    "half a pair, truncated": b'{"choices": [{"message": {"content": "\\ud83d',
    "half a pair, invalid utf-8": b'{"choices": [{"message": {"content": "\\ud83d\xff"}}]}',
    "half a pair, deep": b'{"a": "\\ud83d", "b": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "list": [],
    "string": "ok",
    "number": 3,
    "null": None,
    "error object": {"error": {"message": "Upstream failed.", "type": "server_error"}},
    "error text": {"error": "overloaded"},
    "error beside choices": {**RECORDED, "error": {"message": "half-way"}},
    "no choices field": {"id": "x"},
    "choices null": {**RECORDED, "choices": None},
    "choices empty": {**RECORDED, "choices": []},
    "choices object": {**RECORDED, "choices": RECORDED["choices"][0]},
    "choice null": {**RECORDED, "choices": [None]},
    "choice text": {**RECORDED, "choices": ["hello"]},
    "choice is an error": body(error={"code": 502, "message": "Provider returned error"}),
    "finish reason error": body(finish_reason="error", message={"content": "half of"}),
    "message missing": {**RECORDED, "choices": [{"index": 0, "finish_reason": "stop"}]},
    "message null": {**RECORDED, "choices": [{"index": 0, "message": None, "finish_reason": "length"}]},
    "message text": {**RECORDED, "choices": [{"index": 0, "message": "hello"}]},
    "content missing": {**RECORDED, "choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]},
    "content null": body(message={"content": None}),
    "content null, no reason": body(message={"content": None}, finish_reason=None),
    "content number": body(message={"content": 3}),
    "content list": body(message={"content": [{"type": "text", "text": "hello"}]}),
    "content object": body(message={"content": {}}),
    "content false": body(message={"content": False}),
    "content empty list": body(message={"content": []}),
    "tool calls of a wrong type": body(message={"content": None, "tool_calls": "yes"}),
    "tool calls empty": body(message={"content": None, "tool_calls": []}),
    "refusal of a wrong type": body(message={"content": None, "refusal": {"a": 1}}),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_is_asked_again(name: str) -> None:
    error = refused(BAD[name])
    assert (error.kind, error.retryable, error.fatal) == ("bad_response", True, False)
    assert len(error.message) < 400


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (None, None),
        ("many", None),
        ({}, Usage()),
        ({"prompt_tokens": None, "completion_tokens": 3}, Usage(completion=3)),
        ({"prompt_tokens": "12", "completion_tokens": True}, Usage()),
        ({"prompt_tokens": -4, "completion_tokens": 1.5}, Usage()),
        ({"prompt_tokens": 5, "prompt_tokens_details": None}, Usage(prompt=5)),
        ({"prompt_tokens": 5, "prompt_tokens_details": [1], "completion_tokens_details": 3}, Usage(prompt=5)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": None}}, Usage(prompt=5)),
    ],
)
def test_usage_of_other_servers_never_stops_a_run(usage: Any, expected: Usage | None) -> None:
    assert parse({**RECORDED, "usage": usage}).usage == expected


def test_facts_of_a_wrong_type_are_left_out() -> None:
    response = parse({**body(finish_reason=["stop"]), "model": {"name": "x"}, "system_fingerprint": 7})
    assert (response.finish_reason, response.model, response.system_fingerprint) == (None, None, None)


def test_answer_of_a_megabyte_of_any_script_is_whole() -> None:
    long = "好 😀 " * 200_000
    assert parse(body(message={"content": long})).text == long


def test_answer_cut_off_inside_an_emoji_is_an_answer() -> None:
    """A server in Python spells half of a surrogate pair; orjson refuses to read it."""
    response = parse(body(message={"content": "good \ud83d"}, finish_reason="length"))
    assert (response.text, response.finish_reason) == ("good \ud83d", "length")


def test_missing_extras_are_no_fault() -> None:
    response = parse({"choices": [{"message": {"content": "hi"}}]})
    assert response == Response("hi")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "message", "content", "usage", "error", "finish_reason", "model"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
@example({"choices": [{"message": {"content": "hi"}, "finish_reason": {}}], "usage": {"prompt_tokens": []}})
def test_any_json_is_an_answer_with_text_or_a_request_error(value: Any) -> None:
    try:
        response = parse(json.dumps(value).encode())
    except RequestError:
        return
    assert isinstance(response.text, str)
    assert response.text == value["choices"][0]["message"].get("content", "") or not response.text


@given(st.binary(max_size=200))
def test_no_bytes_are_an_empty_answer(noise: bytes) -> None:
    assert refused(noise).kind == "bad_response"


def test_request_body_holds_the_parameters_and_the_schema() -> None:
    schema = {"type": "object", "properties": {"label": {"type": "string"}}}
    messages = [{"role": "user", "content": "hi"}]
    built = ChatCompletions().build("gpt-4o", messages, {"temperature": 0.0, "stop": ["\n"]}, schema)
    assert built == {
        "model": "gpt-4o",
        "messages": messages,
        "temperature": 0.0,
        "stop": ["\n"],
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "answer", "strict": True, "schema": schema},
        },
    }
