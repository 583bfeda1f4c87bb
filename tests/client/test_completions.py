"""Legacy completions: one prompt text out of messages, and the bodies that servers answer with."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from evalkit.client.completions import Completions, prompt_of
from evalkit.errors import ModelError, RequestError
from evalkit.records import Response, Usage

# As in OpenAI's API reference for the completions endpoint, its ids shortened; log-probabilities added.
RECORDED: dict[str, Any] = {
    "id": "cmpl-uqkvlQyYK7bGYrRHQ0eXlWi7",
    "object": "text_completion",
    "created": 1589478378,
    "model": "gpt-3.5-turbo-instruct",
    "system_fingerprint": "fp_44709d6fcb",
    "choices": [
        {"text": "\n\nThis is indeed a test", "index": 0, "logprobs": None, "finish_reason": "length"}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
}
SYSTEM, ASKED = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Capital of Peru?"}


def parse(body: Any, place: int = 0) -> Response:
    return Completions().parse(body if isinstance(body, bytes) else json.dumps(body).encode(), place)


def body(**choice: Any) -> dict[str, Any]:
    return {**RECORDED, "choices": [{**RECORDED["choices"][0], **choice}]}


def refused(bad: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        parse(bad)
    return caught.value


def test_recorded_body_gives_every_field() -> None:
    Completion.model_validate(RECORDED)
    assert parse(RECORDED) == Response(
        text="\n\nThis is indeed a test",
        finish_reason="length",
        model="gpt-3.5-turbo-instruct",
        system_fingerprint="fp_44709d6fcb",
        usage=Usage(prompt=5, completion=7),
    )


def test_choices_are_found_by_index_and_usage_is_told_once() -> None:
    first = RECORDED["choices"][0]
    two = {**RECORDED, "choices": [{**first, "text": "b", "index": 1}, {**first, "text": "a"}]}
    assert [parse(two, place).text for place in (0, 1)] == ["a", "b"]
    assert [parse(two, place).usage is None for place in (0, 1)] == [False, True]


def test_logprobs_become_the_entries_that_chat_gives() -> None:
    """The first token of an echoed prompt has no probability: nothing stands before it."""
    shown = {
        "tokens": ["Capital", " of"],
        "token_logprobs": [None, -0.25],
        "top_logprobs": [None, {" of": -0.25, " in": -1.5}],
        "text_offset": [0, 7],
    }
    top = [
        {"token": " of", "logprob": -0.25, "bytes": None},
        {"token": " in", "logprob": -1.5, "bytes": None},
    ]
    assert parse(body(logprobs=shown)).logprobs == {
        "content": [
            {"token": "Capital", "logprob": None, "bytes": None, "top_logprobs": []},
            {"token": " of", "logprob": -0.25, "bytes": None, "top_logprobs": top},
        ],
        "refusal": None,
    }


def test_logprobs_in_chats_form_stay_as_they_are() -> None:
    shown = {"content": [{"token": "Hi", "logprob": -0.31, "bytes": [72, 105], "top_logprobs": []}]}
    assert parse(body(logprobs=shown)).logprobs == shown


def test_empty_text_is_an_answer() -> None:
    assert parse(body(text="", finish_reason="stop")).text == ""


def test_filtered_answer_is_final() -> None:
    error = refused(body(finish_reason="content_filter"))
    assert (error.kind, error.retryable) == ("content_filter", False)


BAD: dict[str, Any] = {
    "empty": b"",
    "html": b"<html>Sign in</html>",
    "truncated": json.dumps(RECORDED).encode()[:120],
    "list": [],
    "error object": {"error": {"message": "Upstream failed."}},
    "no choices": {"id": "x"},
    "choices null": {**RECORDED, "choices": None},
    "choices empty": {**RECORDED, "choices": []},
    "choice text": {**RECORDED, "choices": ["hello"]},
    "text missing": {**RECORDED, "choices": [{"index": 0, "finish_reason": "stop"}]},
    "text null": body(text=None),
    "text number": body(text=3),
    "chat's message": {**RECORDED, "choices": [{"index": 0, "message": {"content": "hi"}}]},
    "finish reason error": body(finish_reason="error"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_answer_is_asked_again(name: str) -> None:
    error = refused(BAD[name])
    assert (error.kind, error.retryable, error.fatal) == ("bad_response", True, False)


def test_choice_that_did_not_come_is_asked_again() -> None:
    with pytest.raises(RequestError, match="the body has no choice 1: 1 came"):
        parse(RECORDED, 1)


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda x: (
            st.lists(x)
            | st.dictionaries(
                st.sampled_from(["choices", "text", "logprobs", "tokens", "top_logprobs", "usage", "error"]),
                x,
            )
        ),
    )
)
def test_any_json_is_an_answer_or_a_request_error(value: Any) -> None:
    with suppress(RequestError):
        assert isinstance(parse(value).text, str)


# ------------------------------------------------------------------------------------------ the prompt


def test_lone_template_is_the_prompt_to_the_letter() -> None:
    assert prompt_of([{"role": "user", "content": "Once upon a time \n"}]) == "Once upon a time \n"


def test_instructions_stand_before_the_question_and_name_nobody() -> None:
    assert prompt_of([SYSTEM, ASKED]) == "Be brief.\n\nCapital of Peru?"


def test_conversation_names_its_speakers_and_asks_for_the_answer() -> None:
    earlier = [{"role": "user", "content": "Capital of Chile?"}, {"role": "assistant", "content": "Santiago"}]
    assert prompt_of([SYSTEM, *earlier, ASKED]) == (
        "Be brief.\n\nUser: Capital of Chile?\n\nAssistant: Santiago\n\nUser: Capital of Peru?\n\nAssistant:"
    )


def test_begun_answer_is_gone_on_with() -> None:
    assert prompt_of([ASKED, {"role": "assistant", "content": "It is"}]) == (
        "User: Capital of Peru?\n\nAssistant: It is"
    )


def test_parts_that_are_text_are_joined() -> None:
    parts = [{"type": "text", "text": "Capital "}, {"type": "text", "text": "of Peru?"}]
    assert prompt_of([{"role": "user", "content": parts}]) == "Capital of Peru?"


@pytest.mark.parametrize(
    "message",
    [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "4", "tool_call_id": "c"},
    ],
)
def test_message_that_is_more_than_text_is_refused_by_name(message: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=rf"a {message['role']} message is more than text.*endpoint=chat"):
        prompt_of([ASKED, message])


def test_request_body_is_the_classic_calls() -> None:
    params = {
        "max_tokens": 16, "n": 2, "stop": ["\n"], "temperature": 0.0,
        "suffix": "The end.", "echo": True, "logprobs": 5, "best_of": 3,
    }  # fmt: skip
    built = Completions().build("davinci-002", [ASKED], params, {"type": "object"})
    assert built == {"model": "davinci-002", "prompt": "Capital of Peru?", **params}
