"""A model whose answers are the test's, and the jobs to ask it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from runs import executor
from virtual_time import clock, run_virtually

from evalkit.client.base import Prices, Reply
from evalkit.errors import RequestError
from evalkit.executors.asyncio import AsyncioExecutor
from evalkit.executors.base import Budget, Job
from evalkit.executors.limiter import Limiters
from evalkit.records import Outcome, Question, Request, Response, Sample, Usage

Send = Callable[[Request], Awaitable[bytes | Reply]]


class Scripted:
    """A model whose answers are the test's."""

    name = "scripted"
    needs_prompt = True
    cacheable = True
    prices: Prices | None = None
    identity = "scripted"
    settings: Mapping[str, Any] = {}

    def __init__(self, send: Send) -> None:
        self._send = send
        self.sent = 0
        self.running = 0
        self.most = 0

    def check(self, samples: Sequence[Sample]) -> None:
        pass

    def request(self, sample: Sample, question: Question, trial: int) -> Request:
        return Request("scripted", "none", {"id": sample.id}, trial)

    def parse(self, request: Request, body: bytes, choice: int = 0) -> Response:
        if body == b"filtered":
            raise RequestError("content_filter", "withheld")
        if body == b"torn":
            raise RequestError("bad_response", "torn", retryable=True)
        text, _, used = body.decode().partition(":")
        return Response(text, usage=Usage(int(used)) if used else None)

    async def send(self, request: Request) -> Reply:
        self.sent += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            found = await self._send(request)
            return found if isinstance(found, Reply) else Reply(found, 0.5)
        finally:
            self.running -= 1

    async def close(self) -> None:
        pass


class Kept:
    """Remembers what was made durable."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, request: Request, reply: Reply) -> None:
        await asyncio.sleep(0)
        self.bodies.append(reply.body)


def jobs(n: int, **body: Any) -> list[Job]:
    """Jobs of n different requests."""
    return [Job(f"s{number}", 0, Request("scripted", "none", {"id": number, **body})) for number in range(n)]


def failing(*errors: RequestError | None) -> Send:
    """Each request meets these errors on its first, second, … attempt (None: an answer), then answers."""
    attempts: dict[str, int] = {}

    async def send(request: Request) -> bytes:
        attempt = attempts[request.key] = attempts.get(request.key, 0) + 1
        await asyncio.sleep(0)
        error = errors[attempt - 1] if attempt <= len(errors) else None
        if error is not None:
            raise error
        return str(request.body["id"]).encode()

    return send


def always(answer: bytes | RequestError, seconds: float = 0.0) -> Send:
    """Every request has this answer, or meets this error, after so many seconds."""

    async def send(request: Request) -> bytes:
        await asyncio.sleep(seconds)
        if isinstance(answer, RequestError):
            raise answer
        return answer

    return send


def overloaded(retry_after: float | None = None) -> RequestError:
    return RequestError("server_error", "HTTP 503", retryable=True, retry_after=retry_after)


def rate_limited(retry_after: float | None = None, **headers: str) -> RequestError:
    told = {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in headers.items()}
    return RequestError("rate_limited", "HTTP 429", retryable=True, retry_after=retry_after, headers=told)


def unreachable() -> RequestError:
    return RequestError("connection", "nothing listens at http://host", retryable=True, reached=False)


def run(
    model: Scripted, n: int, chosen: AsyncioExecutor | None = None, keep: Kept | None = None
) -> list[Outcome]:
    """Ask n requests without waiting for anything; nothing runs afterwards."""
    return asyncio.run(_collect(model, jobs(n), chosen or executor(), keep or Kept()))


def run_in_time(
    model: Scripted, asked: Sequence[Job], chosen: AsyncioExecutor | None = None, **options: Any
) -> list[Outcome]:
    """Ask in virtual time; `options` are the executor's."""
    return run_virtually(_collect(model, asked, chosen or in_time(**options), Kept()))


def in_time(budget: Budget | None = None, **options: Any) -> AsyncioExecutor:
    """An executor that goes by the virtual clock."""
    return AsyncioExecutor(
        clock=clock, sleep=asyncio.sleep, budget=budget, **{"limiters": Limiters(), **options}
    )


async def _collect(
    model: Scripted, asked: Sequence[Job], chosen: AsyncioExecutor, keep: Kept
) -> list[Outcome]:
    outcomes = [outcome async for outcome in chosen.run(iter(asked), model, keep)]
    assert asyncio.all_tasks() == {asyncio.current_task()}
    return outcomes
