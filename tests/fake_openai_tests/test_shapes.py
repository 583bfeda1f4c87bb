"""The official client parses every endpoint; `model_validate` then checks what the client never does."""

from collections.abc import Iterator

import openai
import pytest
from fake_openai import FakeOpenAI, Reply, ToolCall
from openai.types import Completion, Model
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

USER = [{"role": "user", "content": "capital of France please"}]
TOOL = {
    "name": "lookup",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}},
}
SCHEMA = {
    "name": "verdict",
    "schema": {
        "type": "object",
        "properties": {
            "label": {"enum": ["positive", "negative"]},
            "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}},
        },
        "$defs": {"part": {"type": "number"}},
    },
}


@pytest.fixture(scope="module")
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as running:
        yield running


@pytest.fixture(scope="module")
def client(server: FakeOpenAI) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0) as made:
        yield made


@pytest.fixture(autouse=True)
def _fresh(server: FakeOpenAI) -> None:
    server.reset()
    server.settings.answer = None


def chat(client: openai.OpenAI, **params: object) -> ChatCompletion:
    body = {"model": "gpt-4", "messages": USER, **params}
    raw = client.post("/chat/completions", body=body, cast_to=ChatCompletion)
    return ChatCompletion.model_validate(raw.model_dump(exclude_unset=True))


def test_chat_answer_is_deterministic_and_counts_usage(client: openai.OpenAI) -> None:
    first, second = chat(client, temperature=0), chat(client, temperature=0)
    text = first.choices[0].message.content
    assert text is not None
    assert text.startswith("please France of capital ")
    assert text == second.choices[0].message.content
    assert first.usage is not None
    assert (first.usage.prompt_tokens, first.usage.completion_tokens, first.usage.total_tokens) == (4, 5, 9)
    assert first.usage.prompt_tokens_details is not None
    assert first.usage.prompt_tokens_details.cached_tokens == 0


def test_every_parameter_changes_the_default_answer(client: openai.OpenAI) -> None:
    variants: list[dict[str, object]] = [{}, {"seed": 1}, {"seed": 2}, {"top_p": 0.5}, {"model": "gpt-4o"}]
    texts = [chat(client, **params).choices[0].message.content for params in variants]
    texts += [choice.message.content for choice in chat(client, n=3).choices]
    assert len(set(texts)) == 8


def test_choices_follow_a_scripted_sequence(client: openai.OpenAI, server: FakeOpenAI) -> None:
    server.settings.answer = ["a", Reply(None, refusal="I cannot")]
    choices = chat(client, n=3).choices
    assert [choice.message.content for choice in choices] == ["a", None, "a"]
    assert choices[1].message.refusal == "I cannot"


def test_a_callable_answer_sees_the_body(client: openai.OpenAI, server: FakeOpenAI) -> None:
    server.settings.answer = lambda body: f"asked {body['model']}"
    assert chat(client).choices[0].message.content == "asked gpt-4"


def test_chat_logprobs_join_to_the_text(client: openai.OpenAI) -> None:
    choice = chat(client, logprobs=True, top_logprobs=2).choices[0]
    assert choice.logprobs is not None
    content = choice.logprobs.content
    assert content is not None
    assert "".join(token.token for token in content) == choice.message.content
    assert all(token.logprob < 0 and len(token.top_logprobs) == 2 for token in content)
    assert all(bytes(token.bytes or []).decode() == token.token for token in content)


def test_text_is_cut_at_the_token_limit_and_at_stop(client: openai.OpenAI, server: FakeOpenAI) -> None:
    server.settings.answer = "one two three four"
    assert chat(client, max_tokens=2).choices[0].finish_reason == "length"
    assert chat(client, max_tokens=2).choices[0].message.content == "one two"
    assert chat(client, stop=[" three"]).choices[0].message.content == "one two"


def test_scripted_and_forced_tool_calls(client: openai.OpenAI, server: FakeOpenAI) -> None:
    tools = [{"type": "function", "function": TOOL}]
    forced = chat(client, tools=tools, tool_choice="required").choices[0]
    server.settings.answer = Reply(None, tool_calls=[ToolCall("lookup", {"city": "Paris"})])
    scripted = chat(client, tools=tools).choices[0]
    assert forced.finish_reason == scripted.finish_reason == "tool_calls"
    assert scripted.message.content is None
    calls = scripted.message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.arguments == '{"city":"Paris"}'


def test_default_answers_honour_a_json_schema(client: openai.OpenAI) -> None:
    text = (
        chat(client, response_format={"type": "json_schema", "json_schema": SCHEMA})
        .choices[0]
        .message.content
    )
    assert text in {'{"label":"positive","parts":[0.5]}', '{"label":"negative","parts":[0.5]}'}


def test_legacy_completion_scores_an_echoed_prompt(client: openai.OpenAI) -> None:
    made = client.completions.create(model="gpt-4", prompt="to be or", echo=True, logprobs=2, max_tokens=0)
    choice = made.choices[0]
    assert choice.text == "to be or"
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == ["to", " be", " or"]
    assert choice.logprobs.text_offset == [0, 2, 5]
    assert choice.logprobs.token_logprobs is not None
    # The API's null, which the client's own type leaves out.
    assert [value is None for value in choice.logprobs.token_logprobs] == [True, False, False]
    assert made.usage is not None
    assert made.usage.completion_tokens == 0


def test_legacy_completion_answers_every_prompt(client: openai.OpenAI, server: FakeOpenAI) -> None:
    server.settings.answer = lambda body: f"re {body['prompt']}"
    made = client.completions.create(model="gpt-4", prompt=["a", "b"], n=2)
    Completion.model_validate(made.model_dump())
    assert [choice.text for choice in made.choices] == ["re a", "re a", "re b", "re b"]
    assert [choice.index for choice in made.choices] == [0, 1, 2, 3]


def test_responses_text_tools_and_incomplete(client: openai.OpenAI, server: FakeOpenAI) -> None:
    made = client.responses.create(
        model="gpt-4", input="hello world", instructions="be brief", include=["message.output_text.logprobs"]
    )
    Response.model_validate(made.model_dump())
    assert made.status == "completed"
    assert made.output_text.startswith("world hello ")
    assert made.usage is not None
    assert (made.usage.input_tokens, made.usage.output_tokens) == (4, 3)
    cut = client.responses.create(model="gpt-4", input="a b c", max_output_tokens=1)
    assert cut.status == "incomplete"
    assert cut.incomplete_details is not None
    assert cut.incomplete_details.reason == "max_output_tokens"
    server.settings.answer = Reply(None, tool_calls=[ToolCall("lookup")])
    called = client.responses.create(model="gpt-4", input=[{"role": "user", "content": "go"}])
    Response.model_validate(called.model_dump())
    assert [entry.type for entry in called.output] == ["function_call"]


def test_models_are_listed_and_found(client: openai.OpenAI, server: FakeOpenAI) -> None:
    listed = client.models.list().data
    assert all(Model.model_validate(model.model_dump()) for model in listed)
    assert client.models.retrieve("org/some-model").id == "org/some-model"
    server.settings.models = {"gpt-4"}
    try:
        assert [model.id for model in client.models.list().data] == ["gpt-4"]
        with pytest.raises(openai.NotFoundError, match="does not exist"):
            client.models.retrieve("gpt-5")
        with pytest.raises(openai.NotFoundError) as found:
            chat(client, model="gpt-5")
        assert found.value.code == "model_not_found"
    finally:
        server.settings.models = None


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"messages": []}, "empty_array", "messages"),
        ({"messages": None}, "missing_required_parameter", "messages"),
        ({"temperature": 3}, "decimal_above_max_value", "temperature"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": "2"}, "invalid_type", "n"),
        ({"stream_options": {"include_usage": True}}, None, "stream_options"),
        ({"top_logprobs": 2}, None, "top_logprobs"),
        ({"response_format": {"type": "json_object"}}, None, "messages"),
        ({"model": ""}, None, None),
    ],
)
def test_bad_parameters_are_refused_like_the_api_does(
    client: openai.OpenAI, params: dict[str, object], code: str | None, param: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as found:
        chat(client, **params)
    assert (found.value.code, found.value.param) == (code, param)


def test_unknown_paths_and_methods(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Invalid URL"):
        client.post("/nothing", body={}, cast_to=object)
    with pytest.raises(openai.APIStatusError, match="Not allowed to GET") as found:
        client.get("/chat/completions", cast_to=object)
    assert found.value.status_code == 405


def test_reply_overrides_reach_the_response(client: openai.OpenAI, server: FakeOpenAI) -> None:
    server.settings.answer = Reply(
        "x",
        model="gpt-4-0613",
        system_fingerprint="fp_1",
        usage={"prompt_tokens": 99},
        headers={"x-extra": "1"},
    )
    raw = client.chat.completions.with_raw_response.create(
        model="gpt-4", messages=[{"role": "user", "content": "x"}]
    )
    made = raw.parse()
    assert (made.model, made.system_fingerprint) == ("gpt-4-0613", "fp_1")
    assert made.usage is not None
    assert made.usage.prompt_tokens == 99
    assert raw.headers["x-extra"] == "1"
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"].startswith("req_")
    assert int(raw.headers["openai-processing-ms"]) >= 0
