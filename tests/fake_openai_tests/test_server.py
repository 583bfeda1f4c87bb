"""Records, keys, latency, holding, and the standalone program."""

import asyncio
import io
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import openai
import pytest
from aiohttp import ClientSession, ServerDisconnectedError
from fake_openai import ApiError, FakeOpenAI, Fault, RateLimits, Reply

TESTS = Path(__file__).parents[1]


def body(text: str = "hi", **params: object) -> dict[str, Any]:
    return {"model": "gpt-4", "messages": [{"role": "user", "content": text}], **params}


def ask(server: FakeOpenAI, text: str = "hi", key: str = "sk-test") -> str | None:
    with openai.OpenAI(base_url=server.base_url, api_key=key, max_retries=0) as client:
        made = client.chat.completions.create(model="gpt-4", messages=[{"role": "user", "content": text}])
        return made.choices[0].message.content


def test_requests_are_recorded_with_key_and_body() -> None:
    with FakeOpenAI("ok") as server:
        assert ask(server, "one") == "ok"
        first = server.requests[0]
        assert (first.index, first.path, first.status) == (0, "/v1/chat/completions", 200)
        assert first.headers["authorization"] == "Bearer sk-test"
        assert first.body["messages"][0]["content"] == "one"
        assert first.ended is not None
        assert first.ended >= first.started
        server.reset()
        assert (server.requests, server.count, server.statuses) == ([], 0, {})


def test_wrong_and_missing_keys_are_401_and_never_shown_whole() -> None:
    with FakeOpenAI(api_key="sk-right") as server:
        with pytest.raises(openai.AuthenticationError) as found:
            ask(server, key="sk-wrong-secret-1234")
        assert found.value.code == "invalid_api_key"
        assert "wrong-secret" not in str(found.value)
        assert ask(server, key="sk-right")


def test_hold_shows_the_concurrency_without_sleeping() -> None:
    async def burst(server: FakeOpenAI) -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="k", max_retries=0) as client:
            calls = [
                client.post("/chat/completions", body=body(str(i)), cast_to=dict[str, Any]) for i in range(5)
            ]
            await asyncio.gather(*calls)

    with FakeOpenAI() as server:
        with server.hold():
            thread = threading.Thread(target=lambda: asyncio.run(burst(server)))
            thread.start()
            server.wait(received=5, in_flight=5)
            assert server.statuses == {}
        thread.join()
        assert server.max_in_flight == 5
        assert server.statuses == {200: 5}
        with pytest.raises(TimeoutError, match="has received 5 requests"):
            server.wait(received=6, timeout=0.001)


def test_latency_may_depend_on_the_request_index() -> None:
    with FakeOpenAI(latency=lambda index: 0.02 * index) as server:
        ask(server)
        ask(server)
        fast, slow = server.requests
        assert slow.ended is not None
        assert slow.ended - slow.started >= 0.02
        assert fast.ended is not None


def test_load_mode_counts_and_keeps_nothing() -> None:
    with FakeOpenAI(Reply(raw_body=b'{"choices": []}'), keep_bodies=False) as server:
        with openai.OpenAI(base_url=server.base_url, api_key="k") as client:
            assert client.post("/chat/completions", body=body(), cast_to=dict[str, Any]) == {"choices": []}
        assert (server.count, server.requests, server.statuses) == (1, [], {200: 1})


def test_closing_does_not_wait_for_a_stalled_request() -> None:
    async def abandoned() -> None:
        with FakeOpenAI(faults=[Fault.stall()]) as server:
            async with ClientSession() as session:
                call = asyncio.create_task(
                    session.post(f"{server.base_url}/chat/completions", json=body()).__aenter__()
                )
                await asyncio.to_thread(server.wait, received=1)
                await asyncio.to_thread(server.close)
                with pytest.raises(ServerDisconnectedError):
                    await call

    asyncio.run(abandoned())


def test_a_mistake_in_a_script_is_raised_where_the_server_ends() -> None:
    def broken(_: dict[str, Any]) -> str:
        raise KeyError("typo")

    with (
        pytest.raises(KeyError, match="typo"),
        FakeOpenAI(broken) as server,
        pytest.raises(openai.InternalServerError, match="typo"),
    ):
        ask(server)


def test_a_script_may_refuse_as_the_api_does() -> None:
    def refuse(_: dict[str, Any]) -> str:
        raise ApiError(400, "too long", code="context_length_exceeded")

    with FakeOpenAI(refuse) as server, pytest.raises(openai.BadRequestError) as found:
        ask(server)
    assert found.value.code == "context_length_exceeded"


def test_broken_json_and_large_bodies() -> None:
    async def post(server: FakeOpenAI, data: bytes | io.BytesIO) -> int:
        async with (
            ClientSession(headers={"content-type": "application/json"}) as session,
            session.post(f"{server.base_url}/chat/completions", data=data) as response,
        ):
            return response.status

    with FakeOpenAI("ok") as server:
        assert asyncio.run(post(server, b'{"model": ')) == 400
        assert asyncio.run(post(server, b"[1]")) == 400
        large = io.BytesIO(json.dumps(body("x" * 3_000_000)).encode())
        assert asyncio.run(post(server, large)) == 200


def test_an_unstarted_server_says_how_to_start_it() -> None:
    with pytest.raises(RuntimeError, match="with FakeOpenAI"):
        _ = FakeOpenAI().base_url


def test_rate_limits_are_announced_and_enforced() -> None:
    now = [0.0]
    with FakeOpenAI("ok", limits=RateLimits(rpm=2, clock=lambda: now[0])) as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="k", max_retries=0)
        with client:
            create = client.chat.completions.with_raw_response.create
            headers = create(model="gpt-4", messages=[{"role": "user", "content": "a"}]).headers
            assert headers["x-ratelimit-limit-requests"] == "2"
            assert headers["x-ratelimit-remaining-requests"] == "1"
            assert headers["x-ratelimit-reset-requests"] == "30s"
            ask(server)
            with pytest.raises(openai.RateLimitError, match="try again in 30s") as found:
                ask(server)
            assert found.value.code == "rate_limit_exceeded"
            assert found.value.response.headers["retry-after"] == "30"
            now[0] = 30.0
            assert ask(server) == "ok"


@pytest.mark.parametrize("end", ["stdin", "sigterm"])
def test_standalone_prints_its_url_and_ends_cleanly(end: str) -> None:
    command = [
        sys.executable,
        "-m",
        "fake_openai",
        "--answer",
        "Paris",
        "--fault-share",
        "1",
        "--faults",
        "503",
    ]
    with subprocess.Popen(
        command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        base_url = process.stdout.readline().strip()
        with openai.OpenAI(base_url=base_url, api_key="k", max_retries=0) as client:
            with pytest.raises(openai.InternalServerError):
                client.post("/chat/completions", body=body(), cast_to=object)
            made = client.post("/chat/completions", body=body(), cast_to=dict[str, Any])
        assert made["choices"][0]["message"]["content"] == "Paris"
        if end == "stdin":
            process.stdin.close()
        else:
            process.terminate()
        assert process.wait(10) == 0
        assert json.loads(process.stdout.read())["statuses"] == {"503": 1, "200": 1}
