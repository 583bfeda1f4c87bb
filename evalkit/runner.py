"""A run: samples -> requests -> (cache | executor -> model) -> outcomes, in dataset order."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from evalkit.asking import following, jobs_of
from evalkit.cache import flight
from evalkit.cache.base import Cache, Entry, Mode
from evalkit.client.base import Model, Reply, answers_in
from evalkit.errors import ReplayMiss, RequestError, RunStopped
from evalkit.executors.base import Executor, Job, outcomes_of
from evalkit.executors.halt import Halt
from evalkit.executors.loop import run_to_end
from evalkit.outcomes import Outcomes
from evalkit.records import ENDED_EARLY, INTERRUPTED, STOPPED, Outcome, Request
from evalkit.rounds import Round
from evalkit.task import Task
from evalkit.totals import Totals

if TYPE_CHECKING:
    from evalkit.cache.flight import Claim

NAMED = 5
BATCH = 500
"""Requests that are looked up together."""

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """How far a run is; handed to a listener after every outcome."""

    total: int
    done: int
    cached: int
    failed: int
    prompt_tokens: int
    completion_tokens: int


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Collected:
    """What a run brought in: outcomes in dataset order, trials together, and the counts of all requests.

    `timing` is what the executor says of its sending.
    """

    outcomes: Sequence[Outcome]
    totals: Totals
    timing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def paid_for(self) -> bool:
        """Whether this run was answered anything that it did not find in the cache."""
        return self.totals.fresh > 0


class Stopped(RunStopped):
    """An error ended the run; `collected` is what came in before."""

    def __init__(self, error: RunStopped, collected: Collected) -> None:
        super().__init__(str(error))
        self.collected = collected


def collect(  # noqa: PLR0913 - the parts of a run, each replaceable
    task: Task,
    model: Model,
    executor: Executor,
    cache: Cache | None,
    *,
    mode: Mode,
    trials: int = 1,
    listen: Listener = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    before_sending: Callable[[], None] = lambda: None,
    halt: Halt | None = None,
) -> Collected:
    """Answer every sample from the cache or the model; `say` hears first how many requests that takes.

    The questions of conversations go in rounds: the second of each once every first one has its answer.
    `before_sending` is called when something must be sent. Once `halt` is asked for, nothing more is: what is
    not answered then has a Failure of kind `interrupted`. Raises ReplayMiss when replaying and an answer is
    absent, Stopped when the server makes going on pointless; answers that came before are in the cache.
    """
    expected = len(task.dataset.samples) * trials
    tally = _Tally(expected, listen)
    kept = cache if model.cacheable else None
    asking = _Asking(model, executor, kept, mode, tally, halt or Halt())
    # All of them before the first is sent: a template that fails for the last sample fails for nothing.
    questions = asking.look_up(jobs_of(task, model, trials))
    tally.more(questions.choices - expected)  # a request may bring more answers than there are trials
    places: Sequence[int] = range(questions.choices)
    sending = False
    while questions.choices:
        missing = len(questions.jobs)
        if missing and mode is Mode.REPLAY and model.cacheable:
            raise _replay_miss(questions.jobs[:NAMED], missing, cache)
        if missing:
            if not sending:
                before_sending()
                sending = True
            if questions.found:
                different = len(questions.to_ask)
                say(f"{task.name}: {different} requests to send, {questions.found} answers are in the cache")
            asking.ask_all(questions)
        followed, places = places, array("Q")
        questions = asking.look_up(_noted(following(task, model, followed, asking.outcomes), places))
        tally.more(questions.choices)
    asking.totals.complete()
    collected = Collected(asking.outcomes, asking.totals, executor.timing)
    if asking.stopped is not None:
        raise Stopped(asking.stopped, collected)
    return collected


def _noted(jobs: Iterable[Job], places: array[int]) -> Iterator[Job]:
    for job in jobs:
        places.extend(job.places)
        yield job


class _Asking:
    """Asks a model, a round after the other; `stopped` is the error that ended it."""

    def __init__(
        self,
        model: Model,
        executor: Executor,
        cache: Cache | None,
        mode: Mode,
        tally: _Tally,
        halt: Halt,
    ) -> None:
        self._model, self._executor = model, executor
        self._reads = cache if mode.reads else None
        self._writes = cache if mode.writes else None
        self._tally, self._halt = tally, halt
        self._since = 0
        self.outcomes, self.totals = Outcomes(), Totals()
        self.stopped: RunStopped | None = None

    def look_up(self, jobs: Iterable[Job]) -> Round:
        """Take from the cache what is there; return a round of the rest."""
        questions = Round()
        if self._reads is not None:
            self._since = flight.landings(self._reads.path)
        for part in _batches(jobs):
            there = {} if self._reads is None else self._cached(part, self._reads)
            questions.found += len(there)
            for job in part:
                questions.choices += job.request.choices
                if job.place not in there:
                    questions.add(job)
        questions.complete()
        return questions

    def ask_all(self, questions: Round) -> None:
        """Give every open question its outcomes; together with other runs of this process on one cache."""
        numbers = questions.to_ask
        if self._over:  # in an earlier round
            pass
        elif self._reads is not None and self._writes is not None:
            self._ask_together(questions, numbers, self._reads)
        else:
            run_to_end(self._ask(questions, questions.at(numbers), lambda _: None))
        for number in questions.to_ask:  # the run ended while another one asked for it
            job = questions.jobs[number]
            kind = INTERRUPTED if self._halt.asked else STOPPED
            never = [RequestError(kind, "not asked: the run ended before")] * job.request.choices
            for outcome in outcomes_of(job, never, attempts=0):
                self._put(job, outcome)
            questions.end(number)
        for number in questions.open:
            self._copy(questions.jobs[number], questions.jobs[questions.first(number)])

    def _ask_together(self, questions: Round, numbers: Sequence[int], cache: Cache) -> None:
        """Ask what no other run of this process asks at the moment; what others ask is in the cache then."""
        with flight.claim(cache.path, self._since) as mine:
            while numbers and not self._over:
                others = array("I")
                jobs = self._claimed(questions, numbers, mine, cache, others)
                run_to_end(self._ask(questions, jobs, mine.land))
                mine.land_all()
                if not self._over:
                    flight.wait(cache.path, [questions.jobs[number].request.key for number in others])
                numbers = others

    def _claimed(
        self, questions: Round, numbers: Sequence[int], mine: Claim, cache: Cache, others: array[int]
    ) -> Iterator[tuple[int, Job]]:
        """Yield what is to be asked here; what other runs ask goes into `others`."""
        for part in _batches(questions.at(numbers)):
            taken = mine.take(job.request.key for _, job in part)
            others.extend(number for number, job in part if job.request.key not in taken)
            own = [(number, job) for number, job in part if job.request.key in taken]
            there: Collection[int] = ()
            if mine.stale:  # a run that has ended since the first look may have answered some of them
                there = self._cached([job for _, job in own], cache)
            for number, job in own:
                if job.place in there:
                    questions.end(number)
                    mine.land(job.request.key)
                else:
                    yield number, job

    async def _ask(
        self, questions: Round, jobs: Iterator[tuple[int, Job]], landed: Callable[[str], None]
    ) -> None:
        flying: dict[tuple[str, int], tuple[int, Job]] = {}

        def noted() -> Iterator[Job]:
            for number, job in jobs:
                flying.update(((job.sample_id, trial), (number, job)) for trial in job.trials)
                yield job

        stream = self._executor.run(noted(), self._model, self._keep, self._halt)
        try:
            # Closed here, and not when it is collected: nothing is sent any more when the model is let go.
            async with aclosing(stream):
                async for outcome in stream:
                    number, job = flying.pop((outcome.sample_id, outcome.trial))
                    self._put(job, outcome, shared=False)
                    questions.end(number)
                    landed(outcome.request_key)
        except RunStopped as error:
            self.stopped = error
        finally:
            await self._model.close()

    async def _keep(self, request: Request, reply: Reply) -> None:
        if self._writes is not None:
            await self._writes.put(request, Entry(reply.body, reply.latency))

    def _cached(self, jobs: Sequence[Job], cache: Cache) -> Mapping[int, Outcome]:
        """Take from the cache what is there of these questions; return it by place."""
        found = from_cache(jobs, self._model, cache)
        for job in jobs:
            for place in job.places if job.place in found else ():
                self._put(job, found[place])
        return found

    def _copy(self, job: Job, asked: Job) -> None:
        """Give a question the outcomes of one like it: answers that it has without paying."""
        for trial, place in zip(job.trials, asked.places, strict=True):
            outcome = self.outcomes[place]
            failure = outcome.failure
            if failure is not None:
                failure = replace(failure, sample_id=job.sample_id, trial=trial)
            copied = replace(
                outcome,
                sample_id=job.sample_id,
                trial=trial,
                failure=failure,
                cached=failure is None,
                earlier=(),
            )
            self._put(job, copied, shared=True)

    def _put(self, job: Job, outcome: Outcome, *, shared: bool | None = None) -> None:
        self.outcomes.put(job.place + outcome.trial - job.trial, outcome)
        self.totals.add(outcome, shared=shared)
        self._tally.add(outcome)

    @property
    def _over(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.stopped is not None or self._halt.asked


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while some := list(islice(rest, BATCH)):
        yield some


def from_cache(jobs: Sequence[Job], model: Model, cache: Cache) -> dict[int, Outcome]:
    """Return the outcomes of jobs whose answers are in the cache, by place."""
    found: dict[int, Outcome] = {}
    entries = cache.get_many(job.request.key for job in jobs)
    for job in jobs:
        entry = entries.get(job.request.key)
        if entry is not None:
            found |= zip(job.places, _outcomes(job, model, entry), strict=False)
    return found


def _outcomes(job: Job, model: Model, entry: Entry) -> list[Outcome]:
    """Return the same Response or Failure as when it was paid for; nothing when the body cannot be read."""
    try:
        answers = answers_in(model, job.request, entry.body)
    except RequestError:  # no answer after all (kept by an older, laxer version): ask again
        return []
    return outcomes_of(job, answers, latency=entry.latency, cached=True)


def _replay_miss(missing: Sequence[Job], count: int, cache: Cache | None) -> ReplayMiss:
    named = ", ".join(f"{job.sample_id} ({job.request.key[:12]})" for job in missing)
    more = f" and {count - NAMED} more" if count > NAMED else ""
    from evalkit.cache.explain import nearest

    first = missing[0]
    near = None if cache is None else nearest(first.request, cache.alike(first.request))
    differs = "" if near is None else f"; nearest to {first.sample_id} is {near.key[:12]}: {near}"
    return ReplayMiss(
        f"cache=replay: {count} of the answers are not in the cache: {named}{more}{differs}; run once "
        "with cache=rw, or check what differs: evalkit cache explain with the same settings"
    )


class _Tally:
    """Counts outcomes for the listener."""

    def __init__(self, total: int, listen: Listener) -> None:
        self._total = total
        self._listen = listen
        self._counts: Counter[str] = Counter()

    def more(self, questions: int) -> None:
        """So many follow on the answers that came."""
        self._total += questions

    def add(self, outcome: Outcome) -> None:
        if outcome.failure is not None and outcome.failure.kind in ENDED_EARLY:
            return  # not asked: that is no progress
        counts = self._counts
        counts["done"] += 1
        counts["cached"] += outcome.cached
        counts["failed"] += outcome.failure is not None
        usage = outcome.response.usage if outcome.response else None
        if usage is not None and not outcome.cached:
            counts["prompt"] += usage.prompt
            counts["completion"] += usage.completion
        self._listen(
            Progress(
                self._total,
                counts["done"],
                counts["cached"],
                counts["failed"],
                counts["prompt"],
                counts["completion"],
            )
        )
