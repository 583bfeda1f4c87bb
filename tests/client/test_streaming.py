"""Streamed answers: the same body as without streaming, the time to the first token, and streams that end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply, ToolCall
from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from runs import KEY, KEY_ENV, request_of

from evalkit.client.api import ApiModel
from evalkit.client.base import Endpoint
from evalkit.client.chat import ChatCompletions
from evalkit.client.completions import Completions
from evalkit.client.responses import Responses
from evalkit.client.streaming import Event, Events, assemble
from evalkit.errors import ModelError, RequestError
from evalkit.records import Response

ENDPOINTS: dict[str, Endpoint] = {
    "chat": ChatCompletions(),
    "completions": Completions(),
    "responses": Responses(),
}


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as running:
        yield running


def model_for(server: FakeOpenAI, endpoint: Endpoint, *, stream: bool, **params: Any) -> ApiModel:
    return ApiModel(
        endpoint,
        name="gpt-4o",
        base_url=server.base_url,
        api_key_env=KEY_ENV,
        params=params,
        timeout=20.0,
        stream=stream,
    )


def send(model: ApiModel) -> dict[str, Any]:
    """Ask once; the body that is kept."""

    async def ask() -> bytes:
        try:
            return (await model.send(request_of(model, "capital of Peru"))).body
        finally:
            await model.close()

    body: dict[str, Any] = json.loads(asyncio.run(ask()))
    return body


def both(server: FakeOpenAI, endpoint: str, **params: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The body in one piece, and streamed without the time to its first token."""
    whole, streamed = (
        send(model_for(server, ENDPOINTS[endpoint], stream=stream, **params)) for stream in (False, True)
    )
    assert server.requests[-1].body["stream"] is True
    seconds = streamed.pop("time_to_first_token", None)
    assert seconds is None or 0 < seconds < 20
    for one in (whole, streamed):  # the clock's and the digest of the request's
        for name in ("id", "created", "created_at", "completed_at"):
            one.pop(name, None)
    return whole, streamed


ANSWERS: dict[str, Reply] = {
    "text": Reply("Lima is the capital of Peru."),
    "one word": Reply("Lima"),
    "white space": Reply("  Lima \n\n"),
    "emoji": Reply("好 😀 naïve"),
    "nothing": Reply(""),
    "cut off": Reply("Lima is", finish_reason="length"),
    "logprobs": Reply("Lima is", logprobs=[("Lima", -0.1), (" is", -2.0)]),
}
ONLY_MESSAGES = {
    "refusal": Reply(None, refusal="I can't help with that."),
    "calls": Reply(None, tool_calls=[ToolCall("look", {"a b": "c d"}), ToolCall("find", '{"broken": ')]),
    "text and call": Reply("Let me look.", tool_calls=[ToolCall("look", "{}")]),
}
CASES = [(endpoint, name) for endpoint in ENDPOINTS for name in ANSWERS]
CASES += [(endpoint, name) for endpoint in ("chat", "responses") for name in ONLY_MESSAGES]


@pytest.mark.parametrize(("endpoint", "name"), CASES)
def test_streamed_answer_has_the_body_of_one_in_one_piece(
    endpoint: str, name: str, server: FakeOpenAI
) -> None:
    server.settings.answer = {**ANSWERS, **ONLY_MESSAGES}[name]
    shown: dict[str, Any] = {}
    if name == "logprobs":
        shown = {"logprobs": 2} if endpoint == "completions" else {"logprobs": True, "top_logprobs": 2}
    whole, streamed = both(server, endpoint, **shown)
    if endpoint == "completions" and shown:  # as in the API, offsets count on from the prompt: here from 0
        assert streamed["choices"][0]["logprobs"]["tokens"] == ["Lima", " is"]
    for choice in (*whole.get("choices", ()), *streamed.get("choices", ())):
        if "message" in choice:  # the API's streams leave empty lists out
            choice["message"].pop("annotations", None)
    assert streamed == whole


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_choices_that_come_in_turns_are_told_apart(endpoint: str, server: FakeOpenAI) -> None:
    server.settings.answer = [
        Reply("one two three"),
        Reply("four"),
        Reply("five six", finish_reason="length"),
    ]
    model = model_for(server, ENDPOINTS[endpoint], stream=True, n=3)
    raw = json.dumps(send(model)).encode()
    found = [ENDPOINTS[endpoint].parse(raw, place) for place in range(3)]
    assert [one.text for one in found] == ["one two three", "four", "five six"]
    assert [one.finish_reason for one in found] == ["stop", "stop", "length"]
    assert [one.usage and one.usage.completion for one in found] == [6, None, None]


@pytest.mark.parametrize("name", ["text", "logprobs", "refusal", "calls", "text and call"])
def test_chat_is_put_together_as_the_official_client_does(name: str, server: FakeOpenAI) -> None:
    server.settings.answer = {**ANSWERS, **ONLY_MESSAGES}[name]
    params: Any = {"logprobs": True, "top_logprobs": 2} if name == "logprobs" else {}
    ours = ENDPOINTS["chat"].parse(
        json.dumps(send(model_for(server, ChatCompletions(), stream=True, **params))).encode()
    )
    state = ChatCompletionStreamState()
    with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=0) as client:
        asked: Any = server.requests[0].body
        for chunk in client.chat.completions.create(**asked):
            state.handle_chunk(chunk)
    theirs = state.get_final_completion()
    [choice] = theirs.choices
    assert ours.text == (choice.message.content or "")
    assert ours.refusal == choice.message.refusal
    assert ours.finish_reason == choice.finish_reason
    assert ours.usage is not None
    assert theirs.usage is not None
    assert ours.usage.completion == theirs.usage.completion_tokens
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in ours.tool_calls or ()
    ]
    assert calls == [
        (one.id, one.function.name, one.function.arguments) for one in choice.message.tool_calls or ()
    ]
    shown = choice.logprobs.model_dump()["content"] if choice.logprobs else None
    assert (ours.logprobs or {}).get("content") == shown


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_time_to_the_first_token_is_before_the_last(endpoint: str) -> None:
    with FakeOpenAI(answer="one two three", faults=FaultPlan.always(Fault.slow_body(0.2))) as server:
        model = model_for(server, ENDPOINTS[endpoint], stream=True)

        async def ask() -> tuple[Response, float]:
            try:
                request = request_of(model)
                reply = await model.send(request)
                return model.parse(request, reply.body), reply.latency
            finally:
                await model.close()

        response, latency = asyncio.run(ask())
    assert response.text == "one two three"
    assert response.time_to_first_token is not None
    assert 0 < response.time_to_first_token < latency


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_streaming_changes_nothing_about_the_key(endpoint: str, server: FakeOpenAI) -> None:
    whole, streamed = (model_for(server, ENDPOINTS[endpoint], stream=one) for one in (False, True))
    assert request_of(whole).key == request_of(streamed).key


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("kind", ["stream_cut", "drop_in_body"])
def test_stream_that_breaks_off_is_no_answer_and_may_have_been_paid_for(endpoint: str, kind: str) -> None:
    faults = FaultPlan.always(Fault(kind))
    with FakeOpenAI("one two three", faults=faults) as server, pytest.raises(RequestError) as caught:
        send(model_for(server, ENDPOINTS[endpoint], stream=True))
    assert (caught.value.kind, caught.value.retryable, caught.value.charged) == ("connection", True, True)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "kind",
    ["stream_error", "html_200", "empty_200", "error_200", "truncated_json", "no_choices", "garbage_bytes"],
)
def test_what_is_no_answer_is_refused_by_the_parser(endpoint: str, kind: str) -> None:
    with FakeOpenAI(answer="one two three", faults=FaultPlan.always(Fault(kind))) as server:
        model = model_for(server, ENDPOINTS[endpoint], stream=True)

        async def ask() -> bytes:
            try:
                return (await model.send(request_of(model))).body
            finally:
                await model.close()

        body = asyncio.run(ask())
        with pytest.raises(RequestError) as caught:
            model.parse(request_of(model), body)
    assert (caught.value.kind, caught.value.retryable) == ("bad_response", True)


def test_server_that_does_not_stream_is_taken_at_its_word(server: FakeOpenAI) -> None:
    server.settings.faults = FaultPlan.always(Fault.wrong_content_type())
    server.settings.answer = "Lima"
    response = ChatCompletions().parse(
        json.dumps(send(model_for(server, ChatCompletions(), stream=True))).encode()
    )
    assert (response.text, response.time_to_first_token) == ("Lima", None)


def test_status_of_a_streamed_request_is_explained_as_ever() -> None:
    faults = FaultPlan.always(Fault.status(429, retry_after=3))
    with FakeOpenAI(faults=faults) as server, pytest.raises(RequestError) as caught:
        send(model_for(server, ChatCompletions(), stream=True))
    assert (caught.value.kind, caught.value.retry_after) == ("rate_limited", 3.0)


def test_key_that_a_server_repeats_piece_by_piece_is_hidden(server: FakeOpenAI) -> None:
    server.settings.answer = Reply("x" + KEY, logprobs=[("x", -1.0), *((letter, -1.0) for letter in KEY)])
    body = send(model_for(server, ChatCompletions(), stream=True))
    assert KEY not in body["choices"][0]["message"]["content"]


def test_best_of_cannot_be_streamed(server: FakeOpenAI) -> None:
    with pytest.raises(ModelError, match=r"model\.params\.best_of.*set model\.stream=false"):
        model_for(server, Completions(), stream=True, best_of=2)


# ----------------------------------------------------------------------------------- server-sent events

STREAM = (
    b"\xef\xbb\xbf: a comment\r\ndata: one\r\n\r\nevent: named\ndata:two\ndata: three\n\nid: 7\nretry: 10\n\n"
    b"event: dataless\n\rdata\r\rdata:  four\r\n\r\ndata: never ended"
)
EXPECTED = [Event("", b"one"), Event("named", b"two\nthree"), Event("", b""), Event("", b" four")]


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    """By the rules of the HTML Living Standard, 9.2.6: any line end, one space dropped, the last one lost."""
    events, found = Events(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(STREAM)], strict=True):
        found += list(events.feed(STREAM[start:end]))
    assert found == EXPECTED


async def _pieces(*texts: str) -> AsyncIterator[bytes]:
    for text in texts:
        yield text.encode()


def put_together(endpoint: Endpoint, *texts: str) -> Response:
    ticks = iter(range(1, 100))
    raw = asyncio.run(assemble(_pieces(*texts), endpoint.assembly(), 0.0, lambda: float(next(ticks))))
    return endpoint.parse(raw)


def chunk(delta: Any, reason: str | None = None, **more: Any) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice], **more})}\n\n"


ENDED = chunk({}, "stop", usage={"prompt_tokens": 1, "completion_tokens": 2})


def test_stream_without_its_last_word_is_whole_when_reasons_and_usage_came() -> None:
    begun = (chunk({"content": "Li"}), chunk({"content": "ma"}))
    with pytest.raises(RequestError, match="connection: the stream broke off after 3 events"):
        put_together(ChatCompletions(), *begun, chunk({}, "stop"))
    response = put_together(ChatCompletions(), *begun, ENDED)
    assert (response.text, response.time_to_first_token) == ("Lima", 1.0)


def test_role_and_empty_text_are_no_token() -> None:
    begun = chunk({"role": "assistant", "content": ""})
    assert put_together(ChatCompletions(), begun, ENDED).time_to_first_token is None


def test_event_without_data_keeps_the_connection_alive_and_says_nothing() -> None:
    assert (
        put_together(ChatCompletions(), "data:\n\n: wait\n\n", chunk({"content": "Lima"}), ENDED).text
        == "Lima"
    )


@pytest.mark.parametrize("bad", ["data: {half\n\n", "data: []\n\n", "data: hello\n\n"])
def test_event_that_is_no_json_object_is_no_answer(bad: str) -> None:
    with pytest.raises(RequestError, match="bad_response: an event of the stream is not"):
        put_together(ChatCompletions(), chunk({"content": "Li"}), bad)


def test_tool_calls_without_an_index_are_told_apart() -> None:
    """As some servers send them: whole calls in one piece."""
    calls = [{"id": name, "function": {"name": name, "arguments": "{}"}} for name in ("a", "b")]
    response = put_together(ChatCompletions(), chunk({"tool_calls": calls}), ENDED)
    assert response.tool_calls == calls


def test_error_event_of_the_responses_endpoint_has_its_code() -> None:
    error = {"type": "error", "code": "rate_limit_exceeded", "message": "Slow down.", "sequence_number": 1}
    with pytest.raises(RequestError, match=r"rate_limited: the response failed: Slow down\."):
        put_together(Responses(), f"event: error\ndata: {json.dumps(error)}\n\n")


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_request_error(noise: bytes) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"data: " + noise + b"\n\ndata: [DONE]\n\n"

    for endpoint in ENDPOINTS.values():
        with pytest.raises(RequestError):
            endpoint.parse(asyncio.run(assemble(pieces(), endpoint.assembly(), 0.0)))
