"""One run's requests on their way: slot, limits, budget, attempt, and again."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from evalkit.client.base import Model, Reply, answers_in
from evalkit.errors import RequestError, RunStopped
from evalkit.executors.adaptive import Slots
from evalkit.executors.base import Budget, Job, Keep, outcomes_of
from evalkit.executors.breaker import Breaker
from evalkit.executors.limiter import LOOK, RateLimiter, Reservation
from evalkit.executors.purse import Purse
from evalkit.executors.retry import RetryPolicy
from evalkit.executors.trace import Trace
from evalkit.records import INTERRUPTED, OVER_BUDGET, STOPPED, Outcome, Request, Response, Usage
from evalkit.tokens import answer_limit

NOTHING = Usage()
TOLD = 10.0  # seconds; longer waits for the server are told to the user
BYTES_PER_TOKEN = 3  # English has four to five, Chinese about three
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
    """This attempt is not made, or was `sent` and is given up; the reason becomes a Failure."""

    def __init__(self, kind: str, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.error = RequestError(kind, message)
        self.sent = sent


def estimate(request: Request) -> int:
    """Tokens that a request may use, on the high side: by its bytes, and all that its answers may take.

    The usage that comes back corrects it; an exact count would be work for every request.
    """
    prompt = len(json.dumps(request.body, ensure_ascii=False).encode("utf-8", "replace")) // BYTES_PER_TOKEN
    return prompt + (answer_limit(request.body) or UNKNOWN_ANSWER) * request.choices


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
        self._ended = asyncio.Event()  # nothing more is sent
        self._asleep: set[asyncio.Future[None]] = set()
        self._in_flight: set[asyncio.Task[object]] = set()
        self._gave_up = False
        self.interrupted = False
        self.error: RunStopped | None = None
        """The error that has ended the run."""

    def interrupt(self) -> None:
        """Send nothing more."""
        self.interrupted = True
        self._end()

    async def ended(self) -> int:
        """Wait until nothing more is sent; return how many requests are in flight then."""
        await self._ended.wait()
        return len(self._in_flight)

    def give_up(self) -> None:
        """Wait no longer for what is in flight: each such job has a Failure."""
        self._gave_up = True
        for task in self._in_flight:
            task.cancel()

    def note(self) -> None:
        """Note for the report what was learned."""
        self._trace.limits = self._limiter.limits
        self._trace.concurrency = self._slots.history
        self._trace.cuts = self._slots.cuts

    async def ask(self, job: Job, rng: random.Random) -> list[Outcome]:
        """Return a job's outcomes, however many attempts that takes."""
        attempt, spent = 0, 0.0
        while True:
            attempt += 1
            entry = await self._slots.enter()
            try:
                reservation = await self._admit(job.request)
                began = self._settings.clock()
                with self._flying():
                    reply, answers = await self._attempt(job.request, reservation)
                    self._slots.answered()
                    self._breaker.heard()
                    # A withheld answer too: it is final and was paid for.
                    await self._keep(job.request, reply)
                return outcomes_of(job, answers, latency=reply.latency, attempts=attempt)
            except _NotSent as refused:
                return _failed(job, refused.error, attempt - (not refused.sent))
            except RequestError as caught:
                error = caught
                self._note(error, entry)
            finally:
                self._slots.leave()
            if self._fatal(error, job):
                return _failed(job, RequestError(STOPPED, str(error)), attempt)
            spent += self._settings.clock() - began
            again = self._settings.policy.decide(error, attempt, spent=spent, left=self._left(), rng=rng)
            if isinstance(again, str):
                return _failed(job, error, attempt, again)
            await self._sleep(again.seconds)
            spent += again.pause

    @contextmanager
    def _flying(self) -> Iterator[None]:
        """Within, a request is in flight and may be given up."""
        task = asyncio.current_task()
        assert task is not None
        self._in_flight.add(task)
        try:
            yield
        except asyncio.CancelledError:
            if not self._gave_up:
                raise
            said = "asked, and given up: no answer came before the run ended"
            raise _NotSent(self._why, said, sent=True) from None
        finally:
            self._in_flight.discard(task)

    def _fatal(self, error: RequestError, job: Job) -> bool:
        """Whether no further request is worth sending; the first such error is kept."""
        try:
            self._breaker.failed(error, job.sample_id)
        except RunStopped as stopped:
            self.error = self.error or stopped
            self._end()
            return True
        return False

    def _end(self) -> None:
        self._ended.set()
        for one in self._asleep:
            one.cancel()

    async def _sleep(self, seconds: float) -> None:
        """Sleep, at most until nothing more is sent."""
        if self._ended.is_set():
            return
        sleeping = asyncio.ensure_future(self._settings.sleep(seconds))
        self._asleep.add(sleeping)
        try:
            await asyncio.wait((sleeping,))
        finally:
            self._asleep.discard(sleeping)
            sleeping.cancel()
            await asyncio.gather(sleeping, return_exceptions=True)

    @property
    def _why(self) -> str:
        """Why nothing more is sent, as a Failure's kind."""
        return INTERRUPTED if self.interrupted else STOPPED

    async def _admit(self, request: Request) -> Reservation | None:
        """Wait until this attempt may be sent; raises _NotSent when it may not."""
        self._check()
        reservation = None
        if not self._limiter.idle:
            began = self._settings.clock()
            async with self._turn:
                reservation = await self._reserve(request)
            self._trace.limit_seconds += self._settings.clock() - began
        afforded = self._purse is None or await self._purse.afford(request)
        if afforded and not self._ended.is_set():
            return reservation
        if reservation is not None:
            self._limiter.settle(reservation, 0)
        if afforded and self._purse is not None:
            self._purse.settle(request, NOTHING)
        self._check()
        raise AssertionError("refused without a reason")

    def _check(self) -> None:
        """Raise _NotSent when nothing is to be sent any more."""
        if self._ended.is_set():
            by = "interrupted" if self.interrupted else "stopped by an error of another request"
            raise _NotSent(self._why, f"not asked: the run was {by}; run again to go on")
        if self._purse is not None and self._purse.empty:
            raise _NotSent(OVER_BUDGET, "not asked: the rest of the budget does not cover its worst case")
        if self._left() <= 0:
            allowed = f"executor.run_deadline={self._settings.run_deadline:g} s"
            raise _NotSent("deadline", f"not asked within {allowed}; run again to go on")

    async def _reserve(self, request: Request) -> Reservation:
        reserved = self._settings.tokens(request) if self._limiter.counts_tokens else 0
        while True:
            self._check()  # also after the wait for one's turn
            found = self._limiter.reserve(reserved, self._settings.clock())
            if isinstance(found, Reservation):
                return found
            if found > max(LOOK, self._left()):
                raise _NotSent(
                    "rate_limited",
                    f"not asked: the server asks to wait {found:.0f} s more, longer than "
                    "executor.run_deadline leaves",
                )
            await self._sleep(found)

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
