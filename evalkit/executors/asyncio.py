"""Concurrent requests in one process."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from evalkit.client.base import Model
from evalkit.executors.base import Budget, Job, Keep
from evalkit.executors.halt import Halt
from evalkit.executors.limiter import SHARED, Limiters
from evalkit.executors.retry import RetryPolicy
from evalkit.executors.sending import Sending, Settings, estimate
from evalkit.executors.trace import Trace
from evalkit.records import Outcome, Request

WAITING = 100  # outcomes that nobody has taken yet


@dataclass(frozen=True)
class AsyncioExecutor:
    """At most `concurrency` requests in flight, each tried up to `attempts` times within `deadline` seconds.

    No attempt begins after `run_deadline` seconds of a run. When it is to end early, what is in flight has
    `grace` seconds. With `adaptive`, fewer are in flight where the
    server calls it too much. `rpm` and `tpm` are requests and tokens per minute, learned from the server's
    headers where they are not given; `tokens` estimates a request's. `seed` is for the jitter, `clock` and
    `sleep` are the seconds that everything here counts by.
    """

    concurrency: int = 16
    attempts: int = 10
    seed: int = 0
    deadline: float = 600.0
    run_deadline: float = 86_400.0
    grace: float = 10.0
    adaptive: bool = True
    rpm: int | None = None
    tpm: int | None = None
    budget: Budget | None = None
    tokens: Callable[[Request], int] = field(default=estimate, repr=False)
    say: Callable[[str], None] = field(default=lambda _: None, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)
    limiters: Limiters = field(default=SHARED, repr=False)
    trace: Trace = field(default_factory=Trace, init=False, repr=False, compare=False)

    @property
    def timing(self) -> Mapping[str, Any]:
        """What was sent, tried again and waited for, for the report."""
        return self.trace.facts

    async def run(
        self, jobs: Iterable[Job], model: Model, keep: Keep, halt: Halt | None = None
    ) -> AsyncGenerator[Outcome, None]:
        """Yield outcomes as they come."""
        source = iter(jobs)
        sending = self._sending(model, keep)
        finished: asyncio.Queue[Outcome | BaseException | None] = asyncio.Queue()
        with (halt or Halt()).heard(sending.interrupt):
            workers = [
                asyncio.create_task(_work(source, sending, finished, random.Random(self.seed + number)))  # noqa: S311 - jitter
                for number in range(self.concurrency)
            ]
            grace = asyncio.create_task(self._give_grace(sending))
            working = len(workers)
            try:
                while working:
                    outcome = await finished.get()
                    if outcome is None:
                        working -= 1
                    elif isinstance(outcome, BaseException):
                        raise outcome
                    else:
                        yield outcome
                if sending.error is not None:
                    raise sending.error
            finally:
                for task in (*workers, grace):
                    task.cancel()
                await asyncio.gather(*workers, grace, return_exceptions=True)
                sending.note()

    async def _give_grace(self, sending: Sending) -> None:
        """Once nothing more is sent, let what is in flight be answered for a while, then give it up."""
        waiting = await sending.ended()
        if waiting and sending.interrupted and self.grace:
            self.say(
                f"interrupted: {waiting} requests in flight have {self.grace:g} s to be answered; "
                "interrupt again to leave at once"
            )
        await self.sleep(self.grace)
        sending.give_up()

    def _sending(self, model: Model, keep: Keep) -> Sending:
        settings = Settings(
            concurrency=self.concurrency,
            adaptive=self.adaptive,
            policy=RetryPolicy(self.attempts, self.deadline),
            run_deadline=self.run_deadline,
            tokens=self.tokens,
            say=self.say,
            clock=self.clock,
            sleep=self.sleep,
        )
        limiter = self.limiters.get(model.identity, model.name, self.rpm, self.tpm)
        return Sending(model, keep, settings, limiter, budget=self.budget, trace=self.trace)


async def _work(
    source: Iterator[Job],
    sending: Sending,
    finished: asyncio.Queue[Outcome | BaseException | None],
    rng: random.Random,
) -> None:
    """Take jobs until there are none; one event loop, so `next` needs no lock."""
    try:
        for job in source:
            for outcome in await sending.ask(job, rng):
                finished.put_nowait(outcome)
            if finished.qsize() > WAITING:  # answers that take no time would never let anybody else go on
                await asyncio.sleep(0)
    except BaseException as error:  # noqa: BLE001 - passed on to the consumer, which raises it
        finished.put_nowait(error)
    finished.put_nowait(None)
