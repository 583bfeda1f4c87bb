"""One request through the official client, over real HTTP."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply
from openai import AsyncOpenAI, DefaultAioHttpClient
from runs import KEY, KEY_ENV, model_at, request_of

from evalkit.client.api import ApiModel
from evalkit.client.base import Reply as Answer
from evalkit.client.chat import ChatCompletions
from evalkit.errors import ModelError, RequestError
from evalkit.records import Question, Sample


def send(model: ApiModel, text: str = "hello") -> Answer:
    async def ask() -> Answer:
        try:
            return await model.send(request_of(model, text))
        finally:
            await model.close()

    return asyncio.run(ask())


def inside(act: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await act()

    asyncio.run(run())


def test_answer_and_latency_come_back() -> None:
    with FakeOpenAI(answer="Paris", latency=0.05) as server:
        model = model_at(server)
        reply = send(model)
    assert model.parse(request_of(model), reply.body).text == "Paris"
    assert 0.05 <= reply.latency < 5


def test_body_arrives_as_the_request_has_it() -> None:
    with FakeOpenAI() as server:
        model = model_at(
            server, params={"temperature": 0.0, "stop": ["\n", "好"], "logit_bias": {"50256": -100}}
        )
        send(model, "naïve 好 😀")
    [received] = server.requests
    assert (received.method, received.path) == ("POST", "/v1/chat/completions")
    assert received.body == request_of(model, "naïve 好 😀").body
    assert received.body["messages"] == [{"role": "user", "content": "naïve 好 😀"}]


def test_lone_surrogate_leaves_as_json_can_spell_it() -> None:
    """The server may refuse it, as the fake's parser does: an answer for one sample, not the end of a run."""
    with FakeOpenAI(answer="ok") as server:
        with pytest.raises(RequestError, match="bad_request: HTTP 400"):
            send(model_at(server), "lone \ud800 surrogate")
        assert server.count == 1


def test_integer_above_64_bits_leaves_as_it_is() -> None:
    with FakeOpenAI(answer="ok") as server:
        send(model_at(server, params={"seed": 2**70}))
    assert server.requests[0].body["seed"] == pytest.approx(2**70)


def test_headers_are_those_of_the_official_client() -> None:
    body: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}

    async def official(url: str) -> None:
        client = AsyncOpenAI(
            base_url=url, api_key=KEY, max_retries=0, timeout=20.0, http_client=DefaultAioHttpClient()
        )
        await client.chat.completions.create(**body)
        await client.close()

    with FakeOpenAI() as server:
        asyncio.run(official(server.base_url))
        send(model_at(server))
    theirs, ours = (dict(received.headers) for received in server.requests)
    assert ours.pop("content-length") != "0"
    theirs.pop("content-length")
    assert ours == theirs
    assert ours["authorization"] == f"Bearer {KEY}"
    assert ours["user-agent"].startswith("AsyncOpenAI/Python")
    assert ours["content-type"] == "application/json"


@pytest.mark.parametrize("size", [2**20 - 100, 2**20, 3_000_000])
def test_large_prompt_arrives_whole_without_a_warning(size: int) -> None:
    with warnings.catch_warnings(), FakeOpenAI(answer="ok") as server:
        warnings.simplefilter("error")
        send(model_at(server), "x" * size)
    [received] = server.requests
    assert received.body["messages"][0]["content"] == "x" * size
    assert int(received.headers["content-length"]) > size
    assert "transfer-encoding" not in received.headers


def test_large_prompt_survives_a_redirect() -> None:
    """A redirect sends the body again: pieces that can be read only once would break."""
    with FakeOpenAI(answer="ok") as target:
        elsewhere = Reply(
            raw_body=b"", status=307, headers={"location": f"{target.base_url}/chat/completions"}
        )
        with FakeOpenAI(answer=elsewhere) as server:
            send(model_at(server), "x" * 2_000_000)
    [received] = target.requests
    assert received.body["messages"][0]["content"] == "x" * 2_000_000
    assert "authorization" not in received.headers  # another origin: the key stays here


def test_large_answer_is_read_whole() -> None:
    with FakeOpenAI(answer="好" * 3_000_000) as server:
        model = model_at(server)
        reply = send(model)
    assert model.parse(request_of(model), reply.body).text == "好" * 3_000_000


def test_good_answer_under_a_wrong_content_type_is_an_answer() -> None:
    with FakeOpenAI(answer="Paris", faults=FaultPlan.always(Fault.wrong_content_type())) as server:
        model = model_at(server)
        reply = send(model)
    assert model.parse(request_of(model), reply.body).text == "Paris"


def test_client_never_retries_by_itself() -> None:
    with FakeOpenAI(faults=FaultPlan.always(Fault.status(500))) as server:
        with pytest.raises(RequestError):
            send(model_at(server))
        assert server.count == 1


def test_base_url_credentials_and_query_are_sent_and_named_nowhere() -> None:
    with FakeOpenAI(answer="ok") as server:
        model = model_at(server.base_url.replace("//", "//me:pass-word@") + "/?api-version=2024-10-21")
        send(model)
    [received] = server.requests
    assert received.headers["authorization"] == "Basic bWU6cGFzcy13b3Jk"
    assert received.path == "/v1/chat/completions"
    assert model.identity == server_identity(received.headers["host"])
    assert "pass" not in json.dumps([model.identity, dict(model.settings), request_of(model).server])


def server_identity(host: str) -> str:
    return f"http://{host}/v1"


def test_key_is_looked_for_only_when_something_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV)
    model = model_at("https://api.openai.com/v1")
    model.check([Sample("s0", {})])
    request_of(model)
    asyncio.run(model.close())
    with pytest.raises(ModelError, match=KEY_ENV):
        send(model)


@pytest.mark.parametrize("key", ["", "   ", "\n"])
def test_blank_key_is_no_key(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, key)
    with pytest.raises(ModelError, match="no API key"):
        send(model_at("https://eu.api.openai.com/v1"))


@pytest.mark.parametrize("key", ["sk-one two", "sk-…ellipsis", "sk-a\r\nx: y", "sk-\x1bescape", "schlüssel"])
def test_key_that_no_header_can_carry_is_refused_and_not_shown(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_ENV, key)
    with FakeOpenAI() as server, pytest.raises(ModelError, match=KEY_ENV) as caught:
        send(model_at(server))
    assert server.count == 0
    assert key not in str(caught.value)


def test_key_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, f" {KEY}\n")
    with FakeOpenAI(api_key=KEY) as server:
        send(model_at(server))
        assert server.statuses == {200: 1}


def test_server_that_needs_no_key_is_sent_a_placeholder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_ENV)
    with FakeOpenAI(answer="none") as server:
        model = model_at(server)
        reply = send(model)
    assert server.requests[0].headers["authorization"] == "Bearer none"
    assert model.parse(request_of(model), reply.body).text == "none"  # no secret: nothing is hidden


def test_key_that_a_server_puts_into_a_good_answer_is_not_kept() -> None:
    with FakeOpenAI(answer=f"your key is {KEY}.") as server:
        model = model_at(server)
        reply = send(model)
    assert KEY.encode() not in reply.body
    assert model.parse(request_of(model), reply.body).text == "your key is [API key]."


@pytest.mark.parametrize("key", ["EMPTY", "ollama"])
def test_placeholder_keys_leave_answers_alone(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_ENV, key)
    with FakeOpenAI(answer=f"an {key} answer") as server:
        model = model_at(server)
        assert model.parse(request_of(model), send(model).body).text == f"an {key} answer"


def test_user_s_own_base_url_variable_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        model = ApiModel(ChatCompletions(), name="gpt-4o", api_key_env=KEY_ENV)
        send(model)
        assert server.count == 1
        assert model.identity == server.base_url


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_server_on_this_machine_is_reached_past_a_proxy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    with FakeOpenAI() as server:
        send(model_at(server))
        assert server.count == 1


def test_proxy_is_used_for_servers_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with FakeOpenAI() as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        send(model_at("http://models.invalid/v1"))
        assert [received.headers["host"] for received in proxy.requests] == ["models.invalid"]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes"])
def test_parameter_that_is_no_json_is_refused_at_once(value: Any) -> None:
    with pytest.raises(ModelError, match=r"model\.params"):
        model_at("http://host/v1", params={"temperature": value})


def test_seed_is_varied_by_trial_and_nothing_else() -> None:
    model = model_at("http://host/v1", params={"seed": 7, "temperature": 1.0})
    bodies = [dict(request_of(model, trial=trial).body) for trial in range(3)]
    assert [body.pop("seed") for body in bodies] == [7, 8, 9]
    assert bodies[0] == bodies[1] == bodies[2]


@pytest.mark.parametrize("params", [{}, {"seed": None}])
def test_without_a_seed_trials_differ_by_their_key_alone(params: dict[str, Any]) -> None:
    model = model_at("http://host/v1", params=params)
    first, second = request_of(model, trial=0), request_of(model, trial=1)
    assert first.body == second.body
    assert first.key != second.key


def test_seed_of_zero_is_varied_too() -> None:
    model = model_at("http://host/v1", params={"seed": 0})
    assert [request_of(model, trial=trial).body["seed"] for trial in range(2)] == [0, 1]


def test_schema_is_sent_only_where_it_can_be_enforced() -> None:
    schema = {"type": "object"}
    for enforce in (True, False):
        model = ApiModel(ChatCompletions(), name="gpt-4", base_url="http://h/v1", enforce_schema=enforce)
        body = model.request(Sample("s0", {}), Question((), schema), 0).body
        assert ("response_format" in body) is enforce


def test_requests_share_one_client_and_its_connections() -> None:
    with FakeOpenAI() as server:
        model = model_at(server, connections=4)

        async def ask() -> None:
            await model.send(request_of(model, "first"))
            with server.hold():
                asked = [
                    asyncio.create_task(model.send(request_of(model, f"q{number}"))) for number in range(12)
                ]
                await asyncio.to_thread(server.wait, in_flight=4)
            await asyncio.gather(*asked)
            await model.close()

        inside(ask)
        assert (server.count, server.max_in_flight) == (13, 4)


class SlowToConnect(ApiModel):
    """Others wait for the connection meanwhile, as for the embedded model's server."""

    async def _connect(self) -> AsyncOpenAI:
        await asyncio.sleep(0)
        return await super()._connect()


@pytest.mark.parametrize("kind", [ApiModel, SlowToConnect])
def test_model_serves_several_event_loops_one_after_another(kind: type[ApiModel]) -> None:
    with FakeOpenAI() as server:
        model = kind(ChatCompletions(), name="gpt-4o", base_url=server.base_url, api_key_env=KEY_ENV)

        async def ask() -> None:
            await asyncio.gather(*(model.send(request_of(model, f"q{number}")) for number in range(8)))
            await model.close()

        for _ in range(3):
            inside(ask)
        assert server.count == 24


@pytest.mark.parametrize("fault", [None, "drop_before", "drop_in_body", "garbage_wire", "500", "html_200"])
def test_connections_are_let_go_without_a_warning(fault: str | None) -> None:
    plan = FaultPlan.always(Fault.named(fault)) if fault else FaultPlan.of(())
    with warnings.catch_warnings(record=True) as seen, FakeOpenAI(faults=plan) as server:
        warnings.simplefilter("always")
        for _ in range(3):
            try:
                send(model_at(server))
            except RequestError:
                assert fault
        gc.collect()
    assert [str(one.message) for one in seen] == []


def test_cancelled_request_lets_its_connection_go() -> None:
    with warnings.catch_warnings(record=True) as seen, FakeOpenAI() as server, server.hold():
        warnings.simplefilter("always")

        async def ask() -> None:
            model = model_at(server)
            task = asyncio.create_task(model.send(request_of(model)))
            await asyncio.to_thread(server.wait, in_flight=1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await model.close()

        inside(ask)
        server.wait(in_flight=0)
        gc.collect()
    assert [str(one.message) for one in seen] == []


def test_close_is_safe_before_and_twice() -> None:
    async def act() -> None:
        model = model_at("http://host/v1")
        await model.close()
        await model.close()

    inside(act)
