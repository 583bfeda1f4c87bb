"""Requests beside and after the first: like the official client's, read, refused and redirected alike."""

from __future__ import annotations

import asyncio
import gzip
import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply
from runs import KEY, KEY_ENV, model_at, request_of

from evalkit.client.api import ApiModel
from evalkit.client.chat import ChatCompletions
from evalkit.errors import RequestError

if TYPE_CHECKING:
    import httpx2


def ask(model: ApiModel, *texts: str) -> list[str | RequestError]:
    """Ask one text after the other; return each answer's text, or the error."""

    async def run() -> list[str | RequestError]:
        found: list[str | RequestError] = []
        try:
            for text in texts:
                request = request_of(model, text)
                try:
                    found.append(model.parse(request, (await model.send(request)).body).text)
                except RequestError as error:
                    found.append(error)
        finally:
            await model.close()
        return found

    return asyncio.run(run())


def opened(model: ApiModel) -> list[bool]:
    """Whether the lane was open after each of two requests."""
    seen: list[bool] = []

    async def run() -> None:
        for text in "ab":
            await model.send(request_of(model, text))
            seen.append(model._lane is not None and not model._lane.left)
        await model.close()

    asyncio.run(run())
    return seen


class Counted(ApiModel):
    """Counts what the official client sends; redirects are requests too."""

    by_client = 0

    async def _sent(self, request: httpx2.Request) -> None:
        self.by_client += 1
        await super()._sent(request)


def counted(server: FakeOpenAI, *, stream: bool = False) -> Counted:
    return Counted(
        ChatCompletions(), name="gpt-4o", base_url=server.base_url, api_key_env=KEY_ENV, stream=stream
    )


async def text_of(model: ApiModel, text: str) -> str:
    request = request_of(model, text)
    return model.parse(request, (await model.send(request)).body).text


async def together(model: ApiModel, *texts: str) -> list[str | BaseException]:
    """Ask all texts at once; return each answer's text, or the error."""
    return await asyncio.gather(*(text_of(model, text) for text in texts), return_exceptions=True)


def told(error: str | RequestError) -> tuple[Any, ...]:
    assert isinstance(error, RequestError)
    return (error.kind, error.message, error.retryable, error.fatal, error.retry_after, error.headers)


def test_later_requests_have_the_headers_of_the_first() -> None:
    with FakeOpenAI(answer="ok") as server:
        assert ask(model_at(server), "a", "bb", "ccc") == ["ok"] * 3
        first, *later = [{**received.headers} for received in server.requests]
        bodies = [received.body["messages"][0]["content"] for received in server.requests]
    assert bodies == ["a", "bb", "ccc"]
    packed = first.pop("accept-encoding")
    length = int(first.pop("content-length"))
    for number, headers in enumerate(later, start=1):
        assert int(headers.pop("content-length")) == length + number
        assert set(headers.pop("accept-encoding").split(", ")) <= set(packed.split(", "))
        assert headers == first
    assert first["authorization"] == f"Bearer {KEY}"


def test_requests_beside_the_first_wait_only_until_it_is_sent() -> None:
    with FakeOpenAI(answer="ok") as server:
        model = counted(server)

        async def run() -> None:
            with server.hold():
                asked = asyncio.create_task(together(model, *"abcdefgh"))
                await asyncio.to_thread(server.wait, in_flight=8)
            assert await asked == ["ok"] * 8
            await model.close()

        asyncio.run(run())
        assert (server.count, model.by_client) == (8, 1)
        first, *others = [received.headers["authorization"] for received in server.requests]
    assert others == [first] * 7


@pytest.mark.parametrize("kind", ["401", "500", "drop_before", "garbage_wire"])
def test_a_first_request_that_fails_fails_alone(kind: str) -> None:
    plan = FaultPlan.matching("the first", Fault.named(kind))
    with FakeOpenAI(answer="ok", faults=plan) as server:
        model = model_at(server)

        async def run() -> None:
            failed, *answered = await together(model, "the first", *"bcd")
            assert isinstance(failed, RequestError)
            assert answered == ["ok"] * 3
            assert await text_of(model, "e") == "ok"
            await model.close()

        asyncio.run(run())


class NeverSent(Counted):
    """Its first request comes to nothing before it is sent."""

    async def _sent(self, request: httpx2.Request) -> None:
        if not self.by_client:
            self.by_client += 1
            raise OSError("no file descriptors left")
        await super()._sent(request)


def test_nobody_waits_for_a_first_request_that_is_never_sent() -> None:
    with FakeOpenAI(answer="ok") as server:
        model = NeverSent(ChatCompletions(), name="gpt-4o", base_url=server.base_url, api_key_env=KEY_ENV)

        async def run() -> None:
            failed, *answered = await together(model, *"abcd")
            assert isinstance(failed, RequestError)
            assert answered == ["ok"] * 3
            await model.close()

        asyncio.run(run())
        assert server.count == 3


def test_a_streamed_answer_opens_no_lane() -> None:
    with FakeOpenAI(answer="ok") as server:
        model = counted(server, stream=True)
        assert opened(model) == [False, False]


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault.status(status) for status in (400, 401, 403, 404, 408, 409, 422, 429, 500, 503, 529)),
        Fault.named("insufficient_quota"),
        Fault.named("context_length_exceeded"),
        Fault.named("content_filter"),
    ],
    ids=str,
)
def test_an_error_status_is_told_as_the_client_tells_it(fault: Fault) -> None:
    """Met by the first request, which the client sends, and by the second, which it does not."""
    errors = []
    for plan in ([fault], [None, fault]):
        with FakeOpenAI(answer="ok", faults=FaultPlan.of(plan)) as server:
            errors.append(ask(model_at(server), *("same",) * len(plan))[-1])
    assert told(errors[0]) == told(errors[1])


def test_the_server_s_wish_to_wait_is_heard() -> None:
    fault = Fault.status(429, headers={"retry-after": "7", "x-ratelimit-limit-requests": "60"})
    with FakeOpenAI(faults=FaultPlan.of([None, fault])) as server:
        error = ask(model_at(server), "a", "b")[1]
    assert isinstance(error, RequestError)
    assert (error.retry_after, error.headers) == (7.0, {"x-ratelimit-limit-requests": "60"})


@pytest.mark.parametrize("kind", ["drop_before", "drop_in_body", "garbage_wire"])
def test_a_broken_connection_is_asked_again_elsewhere(kind: str) -> None:
    with FakeOpenAI(answer="ok", faults=FaultPlan.of([None, Fault(kind)])) as server:
        first, broken, last = ask(model_at(server), "a", "b", "c")
    assert (first, last) == ("ok", "ok")
    assert isinstance(broken, RequestError)
    assert broken.retryable


def test_a_slow_answer_is_a_timeout() -> None:
    with FakeOpenAI(answer="ok", faults=FaultPlan.of([None, Fault("stall", seconds=5.0)])) as server:
        error = ask(model_at(server, timeout=0.5), "a", "b")[1]
    assert isinstance(error, RequestError)
    assert error.kind == "timeout"


def test_a_redirect_is_followed_by_the_client() -> None:
    with FakeOpenAI(answer="there") as target:
        elsewhere = Reply(
            raw_body=b"", status=307, headers={"location": f"{target.base_url}/chat/completions"}
        )
        answers: Sequence[Any] = ["here", elsewhere, "again"]
        with FakeOpenAI(answer=lambda body: answers["abc".index(body["messages"][0]["content"])]) as server:
            assert ask(model_at(server), "a", "b", "c") == ["here", "there", "again"]
    assert "authorization" not in target.requests[0].headers  # another origin: the key stays here


def test_a_first_request_that_was_redirected_opens_no_lane() -> None:
    with FakeOpenAI(answer="there") as target:
        elsewhere = Reply(
            raw_body=b"", status=307, headers={"location": f"{target.base_url}/chat/completions"}
        )
        with FakeOpenAI(answer=elsewhere) as server:
            assert opened(model_at(server)) == [False, False]
            assert server.count == target.count == 2


def test_requests_beside_a_first_that_is_redirected_are_so_too_and_then_the_client_s() -> None:
    with FakeOpenAI(answer="there") as target:
        elsewhere = Reply(
            raw_body=b"", status=307, headers={"location": f"{target.base_url}/chat/completions"}
        )
        with FakeOpenAI(answer=elsewhere) as server:
            model = counted(server)

            async def run() -> None:
                assert await together(model, *"abcd") == ["there"] * 4
                before = server.count
                assert await together(model, *"efgh") == ["there"] * 4
                assert server.count - before == 4
                await model.close()

            asyncio.run(run())
            assert (target.count, model.by_client) == (8, 16)
    assert not any("authorization" in received.headers for received in target.requests)


def test_a_packed_body_is_unpacked() -> None:
    with FakeOpenAI(answer="packed") as plain:
        raw = asyncio.run(_body(model_at(plain)))
    packed = Reply(raw_body=gzip.compress(raw), headers={"content-encoding": "gzip"})
    with FakeOpenAI(answer=packed) as server:
        assert ask(model_at(server), "a", "b") == ["packed", "packed"]


async def _body(model: ApiModel) -> bytes:
    try:
        return (await model.send(request_of(model))).body
    finally:
        await model.close()


def test_a_large_prompt_goes_in_pieces() -> None:
    with warnings.catch_warnings(), FakeOpenAI(answer="ok") as server:
        warnings.simplefilter("error")
        assert ask(model_at(server), "a", "x" * 2_000_000) == ["ok", "ok"]
        assert len(server.requests[1].body["messages"][0]["content"]) == 2_000_000
        assert "transfer-encoding" not in server.requests[1].headers


def test_who_reads_the_client_s_log_sees_every_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeOpenAI(answer="ok") as server:
        assert opened(model_at(server)) == [True, True]
        monkeypatch.setattr(logging.getLogger("openai"), "level", logging.DEBUG)
        logging.getLogger("openai").manager._clear_cache()  # type: ignore[attr-defined]
        assert opened(model_at(server)) == [False, False]
    logging.getLogger("openai").manager._clear_cache()  # type: ignore[attr-defined]


def test_a_proxy_leaves_every_request_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with FakeOpenAI(answer="ok") as proxy:
        monkeypatch.setenv("http_proxy", proxy.base_url.removesuffix("/v1"))
        assert opened(model_at("http://models.invalid/v1")) == [False, False]
        assert opened(model_at(proxy)) == [True, True]
