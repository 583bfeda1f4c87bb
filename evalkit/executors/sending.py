"""One run's requests on their way: slot, limits, budget, attempt, and again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from evalkit import tokens
from evalkit.client.base import Model, Reply, answers_in
from evalkit.errors import RequestError
from evalkit.executors.adaptive import Slots
from evalkit.executors.base import Budget, Job, Keep, outcomes_of
from evalkit.executors.breaker import Breaker
from evalkit.executors.limiter import RateLimiter, Reservation
from evalkit.executors.purse import Purse
from evalkit.executors.retry import RetryPolicy
from evalkit.executors.trace import Trace
from evalkit.records import Outcome, Request, Response, Usage

NOTHING = Usage()
TOLD = 10.0  # seconds; longer waits for the server are told to the user
UNKNOWN_ANSWER = 1000  # tokens assumed for an answer whose length nothing limits


@dataclass(frozen=True, slots=True)
class Settings:
    """How a run sends."""

    concurrency: int
    adaptive: bool
    policy: RetryPolicy
    run_deadline: float
    tokens: Callable[[Request], int]
    say: Callable[[str], None]
    clock: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class _NotSent(Exception):  # noqa: N818 - a state, not a defect
    """This attempt is not made; the reason becomes a Failure."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.error = RequestError(kind, message)


def estimate(request: Request) -> int:
    """Tokens that a request may use, on the high side: its prompt, and all that its answers may take."""
    prompt, longest = tokens.estimate(request)
    return prompt + (longest or UNKNOWN_ANSWER * request.choices)


class Sending:
    """Asks for the jobs of one run; lives in one event loop."""

    def __init__(
        self,
        model: Model,
        keep: Keep,
        settings: Settings,
        limiter: RateLimiter,
        *,
        budget: Budget | None,
        trace: Trace,
    ) -> None:
        self._model, self._keep, self._settings, self._trace = model, keep, settings, trace
        self._limiter = limiter
        self._purse = None if budget is None else Purse(budget)
        self._began = settings.clock()
        self._slots = Slots(settings.concurrency, adaptive=settings.adaptive, seconds=self._elapsed)
        self._breaker = Breaker(settings.clock)
        self._turn = asyncio.Lock()  # whoever waits for a limit waits in line
        self._told_until = 0.0

    @property
    def stopped(self) -> bool:
        """Whether an error has ended the run."""
        return self._breaker.open

    def end(self) -> None:
        """Note for the report what was learned."""
        self._trace.limits = self._limiter.limits
        self._trace.concurrency = self._slots.history
        self._trace.cuts = self._slots.cuts

    async def ask(self, job: Job, rng: random.Random) -> list[Outcome]:
        """Return a job's outcomes, however many attempts that takes; RunStopped when no request would do."""
        attempt, spent = 0, 0.0
        while True:
            attempt += 1
            entry = await self._slots.enter()
            try:
                reservation = await self._admit(job.request)
                began = self._settings.clock()
                reply, answers = await self._attempt(job.request, reservation)
                self._slots.answered()
                self._breaker.heard()
                await self._keep(job.request, reply)  # a withheld answer too: it is final and was paid for
                return outcomes_of(job, answers, latency=reply.latency, attempts=attempt)
            except _NotSent as refused:
                return _failed(job, refused.error, attempt - 1)
            except RequestError as caught:
                error = caught
                self._note(error, entry)
            finally:
                self._slots.leave()
            self._breaker.failed(error, job.sample_id)
            spent += self._settings.clock() - began
            again = self._settings.policy.decide(error, attempt, spent=spent, left=self._left(), rng=rng)
            if isinstance(again, str):
                return _failed(job, error, attempt, again)
            await self._settings.sleep(again.seconds)
            spent += again.pause

    async def _admit(self, request: Request) -> Reservation | None:
        """Wait until this attempt may be sent; raises _NotSent when it may not."""
        reservation = None
        if not self._limiter.idle:
            began = self._settings.clock()
            async with self._turn:
                reservation = await self._reserve(request)
            self._trace.limit_seconds += self._settings.clock() - began
        if self.stopped:
            raise _NotSent("stopped", "not asked: an error of another request has ended the run")
        if self._left() <= 0:
            self._give_back(reservation)
            allowed = self._settings.run_deadline
            raise _NotSent(
                "deadline", f"not asked within executor.run_deadline={allowed:g} s; run again to go on"
            )
        if self._purse is not None and not await self._purse.afford(request):
            self._give_back(reservation)
            raise _NotSent("over_budget", "not asked: the rest of the budget does not cover its worst case")
        return reservation

    async def _reserve(self, request: Request) -> Reservation:
        reserved = self._settings.tokens(request) if self._limiter.counts_tokens else 0
        while True:
            found = self._limiter.reserve(reserved, self._settings.clock())
            if isinstance(found, Reservation):
                return found
            if found > self._left():
                raise _NotSent(
                    "rate_limited",
                    f"not asked: the server asks to wait {found:.0f} s more, longer than "
                    "executor.run_deadline leaves",
                )
            await self._settings.sleep(found)

    async def _attempt(
        self, request: Request, reservation: Reservation | None
    ) -> tuple[Reply, Sequence[Response | RequestError]]:
        """Send once. What it used is settled in any case: the worst where nobody knows."""
        self._trace.attempts += 1
        usage, reply = None, None
        try:
            reply = await self._model.send(request)
            self._limiter.learn(reply.headers)
            answers = answers_in(self._model, request, reply.body)
            usage = _usage(answers)
        except RequestError as error:
            if reply is None and not error.charged:
                usage = NOTHING
            raise
        finally:
            if reservation is not None and usage is not None:
                self._limiter.settle(reservation, usage.prompt + usage.completion)
            if self._purse is not None:
                self._purse.settle(request, usage)
        return reply, answers

    def _note(self, error: RequestError, entry: int) -> None:
        """Let every later request profit from what this one met."""
        self._trace.failed_attempts[error.kind] += 1
        if error.kind != "rate_limited":
            return
        self._slots.limited(entry)
        self._limiter.learn(error.headers)
        wish = error.retry_after
        if wish:
            now = self._settings.clock()
            self._limiter.pause(wish, now)
            if wish >= TOLD and now >= self._told_until:
                self._told_until = now + wish
                self._settings.say(f"{self._model.name}: rate limited, the server asks to wait {wish:.0f} s")

    def _give_back(self, reservation: Reservation | None) -> None:
        if reservation is not None:
            self._limiter.settle(reservation, 0)

    def _elapsed(self) -> float:
        return self._settings.clock() - self._began

    def _left(self) -> float:
        """Seconds until no further attempt begins."""
        return self._settings.run_deadline - self._elapsed()


def _usage(answers: Sequence[Response | RequestError]) -> Usage | None:
    """Tokens of all of a request's answers: they stand at the first that has any."""
    return next((one.usage for one in answers if isinstance(one, Response) and one.usage is not None), None)


def _failed(job: Job, error: RequestError, attempts: int, remark: str = "") -> list[Outcome]:
    message = f"{error.message} ({remark})" if remark else error.message
    told = RequestError(error.kind, message)
    return outcomes_of(job, [told] * job.request.choices, attempts=attempts)
