"""Small tasks, and models on the fake server, for tests of everything between a task and its outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.client.api import ApiModel
from evalkit.client.base import Prices
from evalkit.client.chat import ChatCompletions
from evalkit.datasets.base import Dataset
from evalkit.executors.asyncio import AsyncioExecutor
from evalkit.executors.limiter import Limiters
from evalkit.postprocess import Pipeline
from evalkit.prompts import Prompt
from evalkit.records import Outcome, Question, Request, Sample
from evalkit.runner import Collected
from evalkit.task import Task

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

KEY = "sk-planted-8f2b61c09d4e7a35"
KEY_ENV = "EVALKIT_TEST_KEY"


def task_of(texts: Sequence[str], ids: Sequence[str] | None = None) -> Task:
    """A task that asks each text as it is."""
    names = ids or [f"s{number}" for number in range(len(texts))]
    samples = tuple(Sample(name, {"text": text}, text) for name, text in zip(names, texts, strict=True))
    return Task(
        "echo", Dataset("made", samples, "0" * 64), Prompt("bare", "{{ text }}"), Pipeline([], []), {}
    )


def numbered(n: int) -> Task:
    """A task of n different samples."""
    return task_of([f"question {number}" for number in range(n)])


def model_at(
    where: FakeOpenAI | str,
    *,
    params: Mapping[str, Any] | None = None,
    timeout: float = 20.0,
    connections: int = 64,
    prices: Prices | None = None,
) -> ApiModel:
    """A model on the fake server (or at a URL), its key in EVALKIT_TEST_KEY."""
    return ApiModel(
        ChatCompletions(),
        name="gpt-4o",
        base_url=where if isinstance(where, str) else where.base_url,
        api_key_env=KEY_ENV,
        params=params,
        timeout=timeout,
        connections=connections,
        prices=prices,
    )


def request_of(model: ApiModel, text: str = "hello", trial: int = 0) -> Request:
    """A request for one text."""
    return model.request(Sample("s0", {}), Question(({"role": "user", "content": text},)), trial)


class Waits:
    """A sleep that takes no time and remembers what it was asked for, and the clock that it moves.

    Sleepers move it one after another, so that it runs faster than a real one: nothing here has a deadline.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.now = 0.0

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self.now += seconds

    def clock(self) -> float:
        return self.now


def executor(
    concurrency: int = 8, attempts: int = 5, waits: Waits | None = None, **more: Any
) -> AsyncioExecutor:
    """An executor that does not really wait between attempts, and shares no limits with other tests."""
    waits = waits or Waits()
    options: dict[str, Any] = {"deadline": math.inf, "run_deadline": math.inf, "limiters": Limiters(), **more}
    return AsyncioExecutor(concurrency, attempts, sleep=waits, clock=waits.clock, **options)


def texts(collected: Collected) -> list[str]:
    """The answers' texts in dataset order; every outcome must be one."""
    return [text(outcome) for outcome in collected.outcomes]


def text(outcome: Outcome) -> str:
    assert outcome.failure is None, outcome.failure
    assert outcome.response is not None
    return outcome.response.text


def failure_kinds(collected: Collected) -> list[str | None]:
    """Each outcome's failure kind, None for an answer."""
    return [None if outcome.failure is None else outcome.failure.kind for outcome in collected.outcomes]
