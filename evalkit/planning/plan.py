"""One run's plan, made of the same task, requests and cache as the run itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit import tokens
from evalkit.client.base import Prices
from evalkit.config.build import build_mode, build_task
from evalkit.config.check import check_settings
from evalkit.config.gate import policy_of
from evalkit.config.model import build_model, trials_of
from evalkit.config.spending import build_budget
from evalkit.planning.conversation import ahead, longer_most
from evalkit.planning.history import Answers, history
from evalkit.planning.length import Length, length
from evalkit.planning.sensitivity import Detectable, detectable
from evalkit.records import Usage

if TYPE_CHECKING:
    from evalkit.budget import Budget
    from evalkit.client.base import Model
    from evalkit.config.schema import RunConfig
    from evalkit.executors.base import Job
    from evalkit.task import Task
    from evalkit.tokens import Prompts

CACHED_FROM = 1024  # tokens of a prompt from which OpenAI caches it


@dataclass(frozen=True)
class Plan:
    """What one run would take. Names and units are those of its report.

    `prompt`, `completion` are tokens: likely, and at the most; None where nothing is known. `low_usd` is the
    cost of the prompts alone, at the cached price where they are long enough to be cached.
    """

    task: str
    model: str
    samples: int
    trials: int
    requests: int
    cached: int
    later: int = 0
    """Requests that depend on answers which are not there yet: their number and prompts are estimates."""
    keys: frozenset[str] = field(default=frozenset(), repr=False)
    """Of the requests to send."""
    prompt: int = 0
    prompt_most: int = 0
    prompt_how: str = tokens.EXACT
    encoding: str | None = None
    completion: int | None = 0
    completion_most: int | None = 0
    completion_source: str = ""
    low_usd: float | None = None
    usd: float | None = None
    worst_usd: float | None = None
    prices: Prices | None = None
    seconds: float | None = 0.0
    seconds_source: str = ""
    detectable: Sequence[Detectable] = ()
    notes: Sequence[str] = ()

    @property
    def to_send(self) -> int:
        """Requests that would be sent; equal samples share one, as do several choices."""
        return len(self.keys)

    def to_json(self) -> dict[str, Any]:
        """Return plain data, named as in report.json."""
        cost = None
        if self.prices is not None:
            cost = {"low_usd": self.low_usd, "usd": self.usd, "worst_usd": self.worst_usd}
            cost |= {"prices": asdict(self.prices)}  # type: ignore[dict-item]
        return {
            "task": {"name": self.task},
            "model": {"asked": self.model},
            "dataset": {"n": self.samples},
            "trials": self.trials,
            "counts": {
                "requests": self.requests,
                "cached": self.cached,
                "to_send": self.to_send,
                **({"later": self.later} if self.later else {}),
            },
            "usage": {
                "prompt": self.prompt,
                "prompt_most": self.prompt_most,
                "prompt_counted": self.prompt_how,
                "encoding": self.encoding,
                "completion": self.completion,
                "completion_most": self.completion_most,
                "completion_source": self.completion_source,
            },
            "cost": cost,
            "timing": {"seconds": self.seconds, "source": self.seconds_source},
            "detectable": {one.metric: asdict(one) for one in self.detectable},
            "notes": list(self.notes),
        }


def plan(config: RunConfig, elsewhere: Collection[str] = ()) -> Plan:
    """Plan a run; nothing is sent, started or written, and no key is needed.

    `elsewhere` are keys of requests that other jobs of the same sweep would have sent before.
    """
    check_settings(config)
    model = build_model(config)
    task = build_task(config)
    model.check(task.dataset.samples)
    trials = trials_of(config)
    past = history(task, model, Path(config.results_dir))
    jobs, kept, later = _jobs(config, task, model, trials, elsewhere, past.lengths())
    found = Plan(
        task=task.name,
        model=model.name,
        samples=len(task.dataset.samples),
        trials=trials,
        requests=sum(job.request.choices for job in jobs),
        cached=sum(job.request.choices for job in jobs if job.request.key in kept),
        later=len(later),
    )
    found = replace(
        found, detectable=detectable(task, past.of_task, Path(config.results_dir), policy_of(config.gate))
    )
    if not model.needs_prompt:
        return replace(found, notes=["recorded outputs: nothing is sent"])
    sending = list({job.request.key: job for job in jobs if job.request.key not in kept}.values())
    samples = {one.id: one for one in task.dataset.samples}
    long = length(sending, samples, past.lengths(), config.model)
    prompts = tokens.prompts([job.request for job in sending])
    found = _counted(found, sending, prompts, long)
    found = replace(
        found, prompt_most=found.prompt_most + longer_most(sending, later, config.model.max_output)
    )
    found = _priced(found, sending, prompts, build_budget(config, model))
    return _timed(found, config, model, past.pace())


def _jobs(
    config: RunConfig,
    task: Task,
    model: Model,
    trials: int,
    elsewhere: Collection[str],
    earlier: Answers | None,
) -> tuple[list[Job], set[str], dict[str, int]]:
    """Return the run's jobs, the keys of requests that need not be sent, and those that depend on answers."""
    from evalkit.asking import jobs_of
    from evalkit.cache.sqlite import SqliteCache

    jobs = list(jobs_of(task, model, trials))
    mode, path = build_mode(config), Path(config.cache.path).expanduser()
    cached = mode.reads and model.cacheable
    kept = set(elsewhere) if cached and mode.writes else set()
    cache = SqliteCache(config.cache.path, read_only=True) if cached and path.is_file() else None
    try:
        found = ahead(task, model, jobs, cache, earlier)
    finally:
        if cache is not None:
            cache.close()
    return found.jobs, kept | found.kept, found.later


def _counted(found: Plan, sending: Sequence[Job], prompts: Prompts, long: Length) -> Plan:
    return replace(
        found,
        keys=frozenset(job.request.key for job in sending),
        prompt=sum(prompts.likely),
        prompt_most=sum(prompts.most),
        prompt_how=prompts.how,
        encoding=prompts.encoding,
        completion=long.expected,
        completion_most=long.most,
        completion_source=long.source,
    )


def _priced(found: Plan, sending: Sequence[Job], prompts: Prompts, budget: Budget) -> Plan:
    """The three costs, and whether a budget covers them."""
    cached = sum(count for count in prompts.likely if count >= CACHED_FROM)
    answers = sum(job.request.choices for job in sending)
    usage, most = found.completion, found.completion_most
    priced = replace(
        found,
        low_usd=budget.cost(Usage(found.prompt, answers, cached=cached)),
        usd=None if usage is None else budget.cost(Usage(found.prompt, usage)),
        worst_usd=None if most is None else budget.cost(Usage(found.prompt_most, most)),
        prices=budget.prices,
    )
    notes = [] if budget.prices is not None else [f"no price is known for {found.model}"]
    whole = {"usd": priced.worst_usd, "tokens": None if most is None else found.prompt_most + most}
    notes += [
        f"the worst case is above budget.{name}={limit:g}: the run may end over_budget"
        for name, limit in (("usd", budget.usd), ("tokens", budget.tokens))
        if limit is not None and (whole[name] or 0) > limit
    ]
    return replace(priced, notes=notes)


def _timed(found: Plan, config: RunConfig, model: Model, pace: Answers | None) -> Plan:
    """Seconds by the latency of earlier answers, and by the limits; the longer of both."""
    from evalkit.client.api import LocalModel

    if not found.to_send:
        return found
    known = dict(pace.limits) if pace is not None else {}
    known |= {name: limit for name, limit in vars(config.limits).items() if limit is not None}
    used = {"rpm": found.to_send, "tpm": found.prompt + (found.completion or 0)}
    waits = {f"at limits.{name}={limit}": 60 * used[name] / limit for name, limit in known.items()}
    at_once = 1 if isinstance(model, LocalModel) else min(config.executor.concurrency, found.to_send)
    if pace is not None and pace.latency is not None:
        source = f"{pace.latency:.2f} s an answer as in run {pace.run_id}, {at_once} at once"
        waits[source] = pace.latency * -(-found.to_send // at_once)
    elif not waits:
        return replace(found, seconds=None, seconds_source="no earlier run tells the latency")
    source = max(waits, key=lambda one: waits[one])
    return replace(found, seconds=waits[source], seconds_source=source)
