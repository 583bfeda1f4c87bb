"""The official client against the fake server: what each fault becomes, and what is sent."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import pytest
from fake_openai import FakeOpenAI, Fault

from evalkit.client.api import ApiModel
from evalkit.client.base import Reply
from evalkit.client.chat import ChatCompletions
from evalkit.errors import ModelError, RequestError
from evalkit.records import Request, Sample

KEY = "sk-planted-0123456789abcdef0123456789"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def model(base_url: str, **more: object) -> ApiModel:
    return ApiModel(ChatCompletions(), name="gpt-4o", base_url=base_url, **more)  # type: ignore[arg-type]


def request(one: ApiModel, text: str = "hello", trial: int = 0) -> Request:
    return one.request(Sample("1", {}), ({"role": "user", "content": text},), None, trial)


def send(one: ApiModel, *texts: str) -> list[Reply]:
    async def work() -> list[Reply]:
        try:
            return list(await asyncio.gather(*(one.send(request(one, text)) for text in texts)))
        finally:
            await one.close()

    return asyncio.run(work())


def refused(one: ApiModel) -> RequestError:
    with pytest.raises(RequestError) as caught:
        send(one, "hello")
    return caught.value


def test_request_goes_out_as_the_official_client_sends_it() -> None:
    with FakeOpenAI("hi") as server:
        one = model(server.base_url, params={"temperature": 0.0})
        (reply,) = send(one, "hello")
        assert one.parse(request(one), reply.body).text == "hi"
        (received,) = server.requests
    assert received.headers["authorization"] == f"Bearer {KEY}"
    assert received.headers["user-agent"].startswith("AsyncOpenAI/")
    assert received.headers["content-type"] == "application/json"
    assert received.body == {
        "model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], "temperature": 0.0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "kind", "retryable", "fatal"),
    [
        (Fault.status(400), "bad_request", False, False),
        (Fault.status(401), "authentication", False, True),
        (Fault.status(403), "permission_denied", False, True),
        (Fault.status(404), "not_found", False, True),
        (Fault.status(408), "timeout", True, False),
        (Fault.status(409), "conflict", True, False),
        (Fault.status(422), "bad_request", False, False),
        (Fault.status(429), "rate_limited", True, False),
        (Fault.status(500), "server_error", True, False),
        (Fault.status(503), "server_error", True, False),
        (Fault.status(529), "server_error", True, False),
        (Fault.insufficient_quota(), "quota", False, True),
        (Fault.context_length_exceeded(), "context_length", False, False),
        (Fault.content_filter(), "content_filter", False, False),
        (Fault.drop_before(), "connection", True, False),
        (Fault.drop_in_body(), "connection", True, False),
        (Fault.garbage_wire(), "connection", True, False),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_fault_becomes_its_kind(fault: Fault, kind: str, retryable: bool, fatal: bool) -> None:  # noqa: FBT001
    with FakeOpenAI("hi", faults=[fault]) as server:
        error = refused(model(server.base_url))
        assert server.count == 1  # the client's own retries are off
    assert (error.kind, error.retryable, error.fatal) == (kind, retryable, fatal)


@pytest.mark.parametrize(
    "broken",
    [
        Fault.html_200, Fault.empty_200, Fault.error_200, Fault.truncated_json, Fault.choices_null,
        Fault.no_choices, Fault.missing_message, Fault.garbage_bytes, Fault.invalid_utf8,
    ],
)  # fmt: skip
def test_broken_body_with_status_200_is_never_an_answer(broken: Callable[[], Fault]) -> None:
    with FakeOpenAI("hi", faults=[broken()]) as server:
        one = model(server.base_url)
        (reply,) = send(one, "hello")
    with pytest.raises(RequestError) as caught:
        one.parse(request(one), reply.body)
    assert (caught.value.kind, caught.value.retryable) == ("bad_response", True)


def test_json_with_a_wrong_content_type_is_still_read() -> None:
    with FakeOpenAI("hi", faults=[Fault.wrong_content_type()]) as server:
        one = model(server.base_url)
        (reply,) = send(one, "hello")
    assert one.parse(request(one), reply.body).text == "hi"


@pytest.mark.parametrize(("seconds", "expected"), [(7, 7.0), (0, 0.0)])
def test_retry_after_is_heard(seconds: float, expected: float) -> None:
    with FakeOpenAI("hi", faults=[Fault.status(429, retry_after=seconds)]) as server:
        assert refused(model(server.base_url)).retry_after == expected


@pytest.mark.parametrize("fault", [Fault.stall(30.0), Fault.slow_body(30.0)], ids=["stall", "slow body"])
def test_slow_server_is_a_timeout(fault: Fault) -> None:
    with FakeOpenAI("hi", faults=[fault]) as server:
        error = refused(model(server.base_url, timeout=0.2))
    assert (error.kind, error.retryable) == ("timeout", True)


def test_refused_connection_names_itself() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = refused(model(f"http://127.0.0.1:{port}/v1"))
    assert (error.kind, error.retryable) == ("connection", True)


def test_key_that_a_server_echoes_is_hidden() -> None:
    with FakeOpenAI("hi", faults=[Fault.status(400, message=f"bad key {KEY}!")]) as server:
        assert KEY not in str(refused(model(server.base_url)))
    with FakeOpenAI(f"your key is {KEY}") as server:
        (reply,) = send(model(server.base_url), "hello")
    assert KEY.encode() not in reply.body


def test_three_megabytes_of_prompt_arrive_whole() -> None:
    """aiohttp warns of bytes bodies above 1 MiB, and warnings are errors here."""
    text = "word " * 600_000
    with FakeOpenAI("hi") as server:
        send(model(server.base_url), text)
        (received,) = server.requests
    assert received.body is not None
    assert received.body["messages"][0]["content"] == text


def test_requests_run_at_once_over_their_own_connections() -> None:
    with FakeOpenAI("hi") as server, server.hold():
        one = model(server.base_url, connections=8)

        async def work() -> None:
            tasks = [asyncio.create_task(one.send(request(one, str(number)))) for number in range(8)]
            await asyncio.to_thread(server.wait, in_flight=8, timeout=10)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await one.close()

        asyncio.run(work())
        assert server.max_in_flight == 8


def test_key_is_looked_for_only_when_something_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    one = ApiModel(ChatCompletions(), name="gpt-4o")
    assert request(one).key
    with pytest.raises(ModelError, match="OPENAI_API_KEY"):
        send(one, "hello")


def test_seed_is_varied_by_trial_and_the_trial_is_in_the_key() -> None:
    one = model("http://127.0.0.1:1/v1", params={"seed": 5})
    assert [request(one, trial=trial).body["seed"] for trial in range(3)] == [5, 6, 7]
    unseeded = model("http://127.0.0.1:1/v1")
    assert request(unseeded, trial=0).key != request(unseeded, trial=1).key


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://Host:80/v1/", "http://host/v1", True),
        ("https://host:443/v1", "https://host/v1", True),
        ("https://user:secret@host/v1", "https://host/v1", True),
        ("http://host:8080/v1", "http://host/v1", False),
        ("http://host/v1", "https://host/v1", False),
        ("http://host/v1", "http://host/v2", False),
        ("http://[::1]:80/v1", "http://[::1]/v1", True),
    ],
)
def test_identity_of_a_base_url(one: str, other: str, same: bool) -> None:  # noqa: FBT001
    assert (model(one).identity == model(other).identity) is same
    assert "secret" not in model(one).identity


@pytest.mark.parametrize("url", ["ftp://host", "host:8000", "http://", "http://host:99999/v1"])
def test_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ModelError, match=r"model\.base_url"):
        model(url)
