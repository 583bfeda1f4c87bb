"""A run: samples -> requests -> (cache | executor -> model) -> outcomes, in dataset order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from evalkit.cache import flight
from evalkit.cache.base import Cache, Entry, Mode
from evalkit.cache.explain import nearest
from evalkit.client.base import Model, Reply, answers_in
from evalkit.errors import ReplayMiss, RequestError, RunStopped
from evalkit.executors.base import Executor, Job, outcomes_of
from evalkit.executors.halt import Halt
from evalkit.executors.loop import run_to_end
from evalkit.records import (
    ENDED_EARLY,
    INTERRUPTED,
    STOPPED,
    Outcome,
    Question,
    Request,
    Sample,
    content_hash,
)
from evalkit.task import Task

NAMED = 5


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
Found = dict[tuple[str, int], Outcome]
"""Outcomes by sample id and trial."""


@dataclass(frozen=True)
class Collected:
    """What a run brought in: outcomes in dataset order, trials together; hashes of what was asked, by place.

    Of a conversation it is the hash of its last question. `timing` is what the executor says of its sending.
    """

    outcomes: Sequence[Outcome]
    prompt_hashes: dict[tuple[str, int], str] = field(default_factory=dict)
    timing: Mapping[str, Any] = field(default_factory=dict)

    @property
    def paid_for(self) -> bool:
        """Whether this run was answered anything that it did not find in the cache."""
        asked = (turn for one in self.outcomes for turn in one.turns)
        return any(one.response is not None and not one.cached for one in asked)


class Stopped(RunStopped):
    """An error ended the run; `collected` is what came in before."""

    def __init__(self, error: RunStopped, collected: Collected) -> None:
        super().__init__(str(error))
        self.collected = collected


def jobs_of(task: Task, model: Model, trials: int) -> list[Job]:
    """Return what is asked of every sample and trial, in dataset order; conversations begin."""
    jobs: list[Job] = []
    for sample in task.dataset.samples:
        trial = 0
        while trial < trials:
            job = _job(task, model, sample, trial)
            jobs.append(job)
            trial += job.request.choices
    return jobs


def _job(task: Task, model: Model, sample: Sample, trial: int) -> Job:
    asked = task.asked(sample, trial)
    question = task.prompt.ask(asked) if model.needs_prompt or task.prompt.turns else Question()
    assert question is not None  # a conversation begins with a question
    return Job(sample.id, trial, model.request(asked, question, trial), _hash(question, model))


def _hash(question: Question, model: Model) -> str | None:
    """Return the hash of the messages that are sent."""
    return content_hash([dict(one) for one in question.messages]) if model.needs_prompt else None


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
    jobs = jobs_of(task, model, trials)
    tally = _Tally(sum(job.request.choices for job in jobs), listen)
    kept = cache if model.cacheable else None
    asking = _Asking(model, executor, kept if mode.writes else None, tally, halt or Halt())
    talks = Conversations(task, model)
    places = [(job.sample_id, job.trial + choice) for job in jobs for choice in range(job.request.choices)]
    sending = False
    while jobs:
        found = from_cache(jobs, model, kept if mode.reads else None)
        for outcome in found.values():
            tally.add(outcome)
        missing = _without(jobs, found)
        if missing and mode is Mode.REPLAY and model.cacheable:
            raise _replay_miss(missing, cache)
        if missing:
            if not sending:
                before_sending()
                sending = True
            if found:
                different = len({job.request.key for job in missing})
                say(f"{task.name}: {different} requests to send, {len(found)} answers are in the cache")
            found |= asking.ask_all(missing, together=mode.reads)
        jobs = talks.after(jobs, found)
        tally.more(len(jobs))
    collected = Collected([talks.ended[place] for place in places], talks.hashes, executor.timing)
    if asking.stopped is not None:
        raise Stopped(asking.stopped, collected)
    return collected


class Conversations:
    """What was asked and answered so far, sample by sample and trial by trial.

    `ended` holds the outcome of each place whose last question is answered, or failed; `hashes` those of the
    messages of the last question.
    """

    def __init__(self, task: Task, model: Model) -> None:
        self._task, self._model = task, model
        self._samples = {one.id: one for one in task.dataset.samples}
        self._earlier: dict[tuple[str, int], tuple[Outcome, ...]] = {}
        self.ended: Found = {}
        self.hashes: dict[tuple[str, int], str] = {}

    def after(self, jobs: Sequence[Job], found: Found) -> list[Job]:
        """Take in the outcomes of these jobs; return the questions that follow on them."""
        later: list[Job] = []
        for job in jobs:
            for trial in range(job.trial, job.trial + job.request.choices):
                place = (job.sample_id, trial)
                if job.prompt_hash is not None:
                    self.hashes[place] = job.prompt_hash
                following = self._following(place, found[place])
                if following is None:
                    self.ended[place] = replace(found[place], earlier=self._earlier.pop(place, ()))
                else:
                    self._earlier[place] = (*self._earlier.get(place, ()), found[place])
                    later.append(following)
        return later

    def _following(self, place: tuple[str, int], outcome: Outcome) -> Job | None:
        if self._task.prompt.turns is None or outcome.response is None:
            return None
        name, trial = place
        sample = self._task.asked(self._samples[name], trial)
        answered = [*self._earlier.get(place, ()), outcome]
        replies = [one.response.text for one in answered if one.response is not None]
        question = self._task.prompt.ask(sample, replies)
        if question is None:
            return None
        return Job(name, trial, self._model.request(sample, question, trial), _hash(question, self._model))


class _Asking:
    """Asks a model; `found` is what became of each job so far, `stopped` the error that ended it."""

    def __init__(
        self, model: Model, executor: Executor, cache: Cache | None, tally: _Tally, halt: Halt
    ) -> None:
        self._model, self._executor, self._cache, self._tally = model, executor, cache, tally
        self._halt = halt
        self.found: Found = {}
        self.stopped: RunStopped | None = None

    def ask_all(self, jobs: Sequence[Job], *, together: bool) -> Found:
        """Return an outcome for every job; `together` with other runs of this process on the same cache."""
        self.found = {}
        if self._over:  # in an earlier round
            pass
        elif together and self._cache is not None:
            self._ask_together(jobs, self._cache)
        else:
            run_to_end(self._ask(jobs, lambda _: None))
        for job in _without(jobs, self.found):  # the run ended while another one asked for it
            kind = INTERRUPTED if self._halt.asked else STOPPED
            never = [RequestError(kind, "not asked: the run ended before")] * job.request.choices
            self._add(outcomes_of(job, never, attempts=0))
        return self.found

    def _ask_together(self, jobs: Sequence[Job], cache: Cache) -> None:
        """Ask what no other run of this process asks at the moment; what others ask is in the cache then."""
        while jobs and not self._over:
            with flight.claim(cache.path, (job.request.key for job in jobs)) as mine:
                # A run that has ended since the first look may have answered some of them.
                claimed = [job for job in jobs if job.request.key in mine.keys]
                self._add(from_cache(claimed, self._model, cache).values())
                rest = _without(claimed, self.found)
                if rest:
                    run_to_end(self._ask(rest, mine.land))
            jobs = _without(jobs, self.found)
            if not self._over:
                flight.wait(cache.path, (job.request.key for job in jobs))

    async def _ask(self, jobs: Sequence[Job], landed: Callable[[str], None]) -> None:
        # Identical requests (equal samples) are asked once; each sample still has its own outcome.
        alike: dict[str, list[Job]] = {}
        for job in jobs:
            alike.setdefault(job.request.key, []).append(job)
        firsts = (some[0] for some in alike.values())
        stream = self._executor.run(firsts, self._model, self._keep, self._halt)
        try:
            # Closed here, and not when it is collected: nothing is sent any more when the model is let go.
            async with aclosing(stream):
                async for outcome in stream:
                    same = alike[outcome.request_key]
                    self._add(_for_job(outcome, job, same[0]) for job in same)
                    landed(outcome.request_key)
        except RunStopped as error:
            self.stopped = error
        finally:
            await self._model.close()

    async def _keep(self, request: Request, reply: Reply) -> None:
        if self._cache is not None:
            await self._cache.put(request, Entry(reply.body, reply.latency))

    def _add(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            self.found[outcome.sample_id, outcome.trial] = outcome
            self._tally.add(outcome)

    @property
    def _over(self) -> bool:
        """Whether nothing more is to be sent."""
        return self.stopped is not None or self._halt.asked


def _without(jobs: Sequence[Job], found: Found) -> list[Job]:
    return [job for job in jobs if (job.sample_id, job.trial) not in found]


def _for_job(outcome: Outcome, job: Job, asked: Job) -> Outcome:
    """Return the outcome for a sample that asked the same: an answer that it has without paying."""
    if job is asked:
        return outcome
    trial = job.trial + outcome.trial - asked.trial
    failure = outcome.failure
    if failure is not None:
        failure = replace(failure, sample_id=job.sample_id, trial=trial)
    return replace(outcome, sample_id=job.sample_id, trial=trial, failure=failure, cached=failure is None)


def from_cache(jobs: Sequence[Job], model: Model, cache: Cache | None) -> Found:
    """Return the outcomes of jobs whose answers are in the cache."""
    found: Found = {}
    if cache is None:
        return found
    entries = cache.get_many(job.request.key for job in jobs)
    for job in jobs:
        entry = entries.get(job.request.key)
        if entry is not None:
            found |= {(one.sample_id, one.trial): one for one in _cached(job, model, entry)}
    return found


def _cached(job: Job, model: Model, entry: Entry) -> list[Outcome]:
    """Return the same Response or Failure as when it was paid for; nothing when the body cannot be read."""
    try:
        answers = answers_in(model, job.request, entry.body)
    except RequestError:  # no answer after all (kept by an older, laxer version): ask again
        return []
    return outcomes_of(job, answers, latency=entry.latency, cached=True)


def _replay_miss(missing: Sequence[Job], cache: Cache | None) -> ReplayMiss:
    named = ", ".join(f"{job.sample_id} ({job.request.key[:12]})" for job in missing[:NAMED])
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    first = missing[0]
    near = None if cache is None else nearest(first.request, cache.alike(first.request))
    differs = "" if near is None else f"; nearest to {first.sample_id} is {near.key[:12]}: {near}"
    return ReplayMiss(
        f"cache=replay: {len(missing)} of the answers are not in the cache: {named}{more}{differs}; run once "
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
