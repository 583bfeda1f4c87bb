"""Concurrent requests in one process."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from evalkit.client.base import Model, answers_in
from evalkit.errors import EvalkitError, RequestError, RunStopped
from evalkit.executors.base import Job, Keep, outcomes_of
from evalkit.records import Outcome

FIRST_WAIT = 0.5  # seconds before the second attempt, doubled for each further one
LONGEST_WAIT = 60.0
# A server that asks for more (a quota of the day) is not waited for: the next run asks again. The official
# client draws the same line.
LONGEST_WISH = 120.0


@dataclass(frozen=True)
class AsyncioExecutor:
    """At most `concurrency` requests in flight, each tried up to `attempts` times.

    Waits grow exponentially with full jitter; a server's Retry-After is honoured. `seed` is for the jitter,
    `sleep` waits that many seconds.
    """

    concurrency: int = 16
    attempts: int = 5
    seed: int = 0
    sleep: Callable[[float], Awaitable[None]] = field(default=asyncio.sleep, repr=False)

    async def run(self, jobs: Iterable[Job], model: Model, keep: Keep) -> AsyncGenerator[Outcome, None]:
        """Yield outcomes as they come."""
        source = iter(jobs)
        finished: asyncio.Queue[Outcome | BaseException | None] = asyncio.Queue()
        workers = [
            asyncio.create_task(self._work(source, model, keep, finished, random.Random(self.seed + number)))  # noqa: S311 - jitter
            for number in range(self.concurrency)
        ]
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
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _work(
        self,
        source: Iterator[Job],
        model: Model,
        keep: Keep,
        finished: asyncio.Queue[Outcome | BaseException | None],
        rng: random.Random,
    ) -> None:
        """Take jobs until there are none; one event loop, so `next` needs no lock."""
        try:
            for job in source:
                for outcome in await self._ask(job, model, keep, rng):
                    finished.put_nowait(outcome)
        except Exception as error:  # noqa: BLE001 - passed on to the consumer, which raises it
            finished.put_nowait(error)
        finished.put_nowait(None)

    async def _ask(self, job: Job, model: Model, keep: Keep, rng: random.Random) -> list[Outcome]:
        for attempt in range(1, self.attempts + 1):
            try:
                reply = await model.send(job.request)
                answers = answers_in(model, job.request, reply.body)
            except RequestError as error:
                if error.fatal:
                    raise RunStopped(f"the run stopped at sample {job.sample_id}: {error}") from None
                if error.retryable and attempt < self.attempts and (error.retry_after or 0) <= LONGEST_WISH:
                    await self.sleep(_wait(attempt, error.retry_after, rng))
                    continue
                return _failed(job, error, attempt)
            await keep(job.request, reply)  # a withheld answer too: it is final and was paid for
            return outcomes_of(job, answers, latency=reply.latency, attempts=attempt)
        raise EvalkitError("executor.attempts must be at least 1")


def _wait(attempt: int, retry_after: float | None, rng: random.Random) -> float:
    """Full jitter under an exponential ceiling, and never before the server's own wish."""
    wait = rng.uniform(0, min(LONGEST_WAIT, FIRST_WAIT * 2 ** (attempt - 1)))
    return wait if retry_after is None else retry_after + wait


def _failed(job: Job, error: RequestError, attempts: int) -> list[Outcome]:
    message = error.message
    if error.retry_after is not None and error.retry_after > LONGEST_WISH:
        message = f"{message} (the server asks to wait {error.retry_after:.0f} s)"
    told = RequestError(error.kind, message)
    return outcomes_of(job, [told] * job.request.choices, attempts=attempts)
