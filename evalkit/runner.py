"""A run: samples -> requests -> (cache | executor -> model) -> outcomes, in dataset order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from evalkit.cache.base import Cache, Entry, Mode
from evalkit.client.base import Model, Reply
from evalkit.errors import ReplayMiss, RequestError
from evalkit.executors.base import Executor, Job
from evalkit.executors.loop import run_to_end
from evalkit.records import Failure, Outcome, Request, Response, content_hash
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


@dataclass(frozen=True)
class Collected:
    """What a run brought in: outcomes in dataset order, trials together; hashes of rendered prompts by id."""

    outcomes: Sequence[Outcome]
    prompt_hashes: dict[str, str] = field(default_factory=dict)


def jobs_of(task: Task, model: Model, trials: int) -> tuple[list[Job], dict[str, str]]:
    """Render every sample; return the jobs in dataset order and each sample's prompt hash."""
    jobs: list[Job] = []
    hashes: dict[str, str] = {}
    for sample in task.dataset.samples:
        messages = task.prompt.render(sample) if model.needs_prompt else ()
        if messages:
            hashes[sample.id] = content_hash([dict(message) for message in messages])
        jobs += [
            Job(sample.id, trial, model.request(sample, messages, task.prompt.answer_schema, trial))
            for trial in range(trials)
        ]
    return jobs, hashes


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
) -> Collected:
    """Answer every sample from the cache or the model; `say` hears first how many requests that takes.

    Raises ReplayMiss when replaying and an answer is absent, RunStopped when the server makes going on
    pointless; answers that came before are in the cache.
    """
    jobs, hashes = jobs_of(task, model, trials)
    tally = _Tally(len(jobs), listen)
    found = _from_cache(jobs, model, cache if mode.reads and model.cacheable else None)
    for outcome in found.values():
        tally.add(outcome)
    missing = [job for job in jobs if (job.sample_id, job.trial) not in found]
    if missing and mode is Mode.REPLAY and model.cacheable:
        raise _replay_miss(missing)
    if missing and found:
        different = len({job.request.key for job in missing})
        say(f"{task.name}: {different} requests to send, {len(found)} answers are in the cache")
    if missing:
        keeper = cache if mode.writes and model.cacheable else None
        found |= run_to_end(_ask(missing, model, executor, keeper, tally))
    return Collected([found[job.sample_id, job.trial] for job in jobs], hashes)


async def _ask(
    jobs: Sequence[Job], model: Model, executor: Executor, cache: Cache | None, tally: _Tally
) -> dict[tuple[str, int], Outcome]:
    async def keep(request: Request, reply: Reply) -> None:
        if cache is not None:
            await cache.put(request, Entry(reply.body, reply.latency))

    # Identical requests (equal samples) are asked once; each sample still has its own outcome.
    alike: dict[str, list[Job]] = {}
    for job in jobs:
        alike.setdefault(job.request.key, []).append(job)
    found: dict[tuple[str, int], Outcome] = {}
    stream = executor.run((some[0] for some in alike.values()), model, keep)
    try:
        # Closed here, and not when it is collected: nothing is sent any more when the model is let go.
        async with aclosing(stream):
            async for outcome in stream:
                for job in alike[outcome.request_key]:
                    mine = _for_job(outcome, job)
                    found[job.sample_id, job.trial] = mine
                    tally.add(mine)
    finally:
        await model.close()
    return found


def _for_job(outcome: Outcome, job: Job) -> Outcome:
    """Return the outcome for a sample that asked the same: an answer that it has without paying."""
    if (job.sample_id, job.trial) == (outcome.sample_id, outcome.trial):
        return outcome
    failure = outcome.failure
    if failure is not None:
        failure = replace(failure, sample_id=job.sample_id, trial=job.trial)
    return replace(outcome, sample_id=job.sample_id, trial=job.trial, failure=failure, cached=failure is None)


def _from_cache(jobs: Sequence[Job], model: Model, cache: Cache | None) -> dict[tuple[str, int], Outcome]:
    found: dict[tuple[str, int], Outcome] = {}
    if cache is None:
        return found
    entries = cache.get_many(job.request.key for job in jobs)
    for job in jobs:
        entry = entries.get(job.request.key)
        if entry is not None:
            outcome = _cached(job, model, entry)
            if outcome is not None:
                found[job.sample_id, job.trial] = outcome
    return found


def _cached(job: Job, model: Model, entry: Entry) -> Outcome | None:
    """Return the same Response or Failure as when it was paid for; None when the body cannot be read."""
    try:
        response: Response = model.parse(job.request, entry.body)
    except RequestError as error:
        if error.retryable:  # no answer after all (kept by an older, laxer version): ask again
            return None
        failure = Failure(job.sample_id, job.trial, error.kind, error.message)
        return Outcome(job.sample_id, job.trial, job.request.key, failure=failure, cached=True)
    response = replace(response, latency=entry.latency)
    return Outcome(job.sample_id, job.trial, job.request.key, response=response, cached=True)


def _replay_miss(missing: Sequence[Job]) -> ReplayMiss:
    named = ", ".join(f"{job.sample_id} ({job.request.key[:12]})" for job in missing[:NAMED])
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return ReplayMiss(
        f"cache=replay: {len(missing)} of the answers are not in the cache: {named}{more}; "
        "run once with cache=rw, or check that prompt, model and parameters are unchanged"
    )


class _Tally:
    """Counts outcomes for the listener."""

    def __init__(self, total: int, listen: Listener) -> None:
        self._total = total
        self._listen = listen
        self._counts: Counter[str] = Counter()

    def add(self, outcome: Outcome) -> None:
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
