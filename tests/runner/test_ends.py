"""How a run ends: nothing runs on, errors arrive, an event loop may run already."""

from __future__ import annotations

import asyncio

import pytest
from collecting import kept, run
from fake_openai import FakeOpenAI, Fault, FaultPlan
from runs import executor, failure_kinds, model_at, numbered

from evalkit.cache.base import Mode
from evalkit.cache.sqlite import SqliteCache
from evalkit.client.api import ApiModel
from evalkit.client.base import Reply as Answer
from evalkit.client.chat import ChatCompletions
from evalkit.errors import ReplayMiss, RunStopped
from evalkit.records import Request
from evalkit.runner import Collected, Progress, collect


def test_error_in_the_listener_ends_what_is_in_flight(cache: SqliteCache) -> None:
    """What still runs must end before the model is let go: a late worker would open it anew."""

    def listen(progress: Progress) -> None:
        if progress.done == 3:
            raise ZeroDivisionError

    with FakeOpenAI(latency=lambda index: 0.0 if index < 3 else 3600.0) as server:
        with pytest.raises(ZeroDivisionError):
            run(server, numbered(50), cache, listen=listen, concurrency=4)
        server.wait(in_flight=0)
        assert server.count <= 3 + 4
    assert kept(cache) == 3


class Watched(ApiModel):
    """A model that knows how many of its requests still run when it is let go."""

    running = 0
    left: int | None = None

    async def send(self, request: Request) -> Answer:
        self.running += 1
        try:
            return await super().send(request)
        finally:
            self.running -= 1

    async def close(self) -> None:
        self.left = self.running
        await super().close()


def test_nothing_runs_any_more_when_the_model_is_let_go() -> None:
    def listen(progress: Progress) -> None:
        raise ZeroDivisionError

    with FakeOpenAI(latency=lambda index: 0.0 if index < 1 else 3600.0) as server:
        model = Watched(ChatCompletions(), name="gpt-4o", base_url=server.base_url, api_key_env=None)
        with pytest.raises(ZeroDivisionError):
            collect(numbered(50), model, executor(4), None, mode=Mode.OFF, listen=listen)
    assert (model.left, model.running) == (0, 0)


def test_one_model_can_be_collected_from_twice() -> None:
    with FakeOpenAI() as server:
        model = model_at(server)
        for _ in range(3):
            collect(numbered(20), model, executor(16), None, mode=Mode.OFF)
        assert server.count == 60


def test_runs_where_an_event_loop_runs_already_as_in_a_notebook(cache: SqliteCache) -> None:
    async def cell() -> Collected:
        return run(server, numbered(20), cache)

    with FakeOpenAI() as server:
        assert failure_kinds(asyncio.run(cell())) == [None] * 20
        assert all(outcome.cached for outcome in asyncio.run(cell()).outcomes)
        with pytest.raises(ReplayMiss):
            asyncio.run(replay())


async def replay() -> None:
    collect(numbered(1), model_at("http://host/v1"), executor(), None, mode=Mode.REPLAY)


def test_error_reaches_a_notebook_too() -> None:
    async def cell() -> None:
        run(server, numbered(20))

    with FakeOpenAI(faults=FaultPlan.always(Fault.status(401))) as server, pytest.raises(RunStopped):
        asyncio.run(cell())
