"""Settings -> the task, and what runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cache.base import Mode
from evalkit.config.data import build_data, build_passages
from evalkit.config.labels import check_labels
from evalkit.config.model import trials_of
from evalkit.config.passages import build_lookup
from evalkit.config.prompting import build_fewshot, build_postprocess, build_prompt, build_variation
from evalkit.config.schema import ExecutorConfig, RunConfig
from evalkit.config.scores import check_trials, metrics_of
from evalkit.errors import ConfigError, ReplayMiss
from evalkit.plugins import construct, plugin, takes

if TYPE_CHECKING:
    from evalkit.cache.scores import ScoreStore
    from evalkit.cache.sqlite import SqliteCache
    from evalkit.executors.base import Budget, Executor
    from evalkit.task import Task


def build_task(config: RunConfig) -> Task:
    """Return the task: its data read, its templates and metrics ready."""
    from evalkit.task import Task

    metrics = metrics_of(config)
    check_trials(metrics, trials_of(config))
    if config.prompt.images is not None and config.fewshot.k:
        raise ConfigError(f"fewshot.k={config.fewshot.k}: examples cannot show images; set fewshot.k=0")
    lookup = build_lookup(config.retrieval)
    dataset = build_data(config)
    prompt, fewshot = build_fewshot(config, dataset, build_prompt(config.prompt), lookup)
    dataset, retrieval = build_passages(dataset, config.retrieval, lookup)
    postprocess, metrics = build_postprocess(config.task.postprocess), metrics_of(config)
    check_labels(dataset, postprocess, metrics.values())
    vary = build_variation(config.task.vary)
    n = config.model.params.n or 1
    if n > 1 and (vary is not None or prompt.turns is not None):
        setting = "prompt.turns" if vary is None else "task.vary"
        raise ConfigError(
            f"model.params.n={n}: {setting} needs a request for every answer; set trials={n} instead"
        )
    return Task(
        name=config.task.name,
        dataset=dataset,
        prompt=prompt,
        postprocess=postprocess,
        metrics=metrics,
        fewshot=fewshot,
        vary=vary,
        retrieval=retrieval,
    )


def build_executor(
    config: RunConfig, say: Callable[[str], None] = lambda _: None, budget: Budget | None = None
) -> Executor:
    """Return the executor; `say` hears of long waits, `budget` is asked before every attempt."""
    settings, limits = config.executor, config.limits
    for name in ("concurrency", "attempts"):
        if getattr(settings, name) < 1:
            raise ConfigError(f"executor.{name}={getattr(settings, name)}: must be at least 1")
    for name in ("deadline", "run_deadline"):
        if not getattr(settings, name) > 0:
            raise ConfigError(f"executor.{name}={getattr(settings, name)}: seconds, more than 0")
    if not settings.grace >= 0:
        raise ConfigError(f"executor.grace={settings.grace}: seconds, 0 or more")
    for name in ("rpm", "tpm"):
        limit = getattr(limits, name)
        if limit is not None and limit < 1:
            raise ConfigError(f"limits.{name}={limit}: at least 1 a minute (null: as the server says)")
    cls = plugin(settings._target_, "executor", ("run", "timing"))
    common = {"concurrency": settings.concurrency, "attempts": settings.attempts, "seed": config.seed}
    # A class of the user's own need not know of these, as long as nobody asks for them.
    usual = ExecutorConfig()
    asked = {
        name: getattr(settings, name)
        for name in ("deadline", "run_deadline", "grace", "adaptive")
        if name in takes(cls) or getattr(settings, name) != getattr(usual, name)
    }
    asked |= {name: limit for name, limit in vars(limits).items() if limit is not None}
    asked |= {} if budget is None else {"budget": budget}
    asked |= {"say": say} if "say" in takes(cls) else {}
    return construct(cls, common | asked, "executor")  # type: ignore[no-any-return]


def build_mode(config: RunConfig) -> Mode:
    """Return how the cache is used."""
    try:
        return Mode(config.cache.mode)
    except ValueError:
        raise ConfigError(f"cache.mode={config.cache.mode}: must be {', '.join(Mode)}") from None


def build_scores(config: RunConfig, say: Callable[[str], None] = lambda _: None) -> ScoreStore | None:
    """Open the kept scores beside the cache; None when it is off. What is wrong with them is no error."""
    from evalkit.cache.score_file import beside
    from evalkit.cache.scores import ScoreStore

    mode = build_mode(config)
    if mode is Mode.OFF:
        return None
    return ScoreStore(beside(Path(config.cache.path).expanduser()), read_only=not mode.writes, say=say)


def build_cache(config: RunConfig, say: Callable[[str], None] = lambda _: None) -> SqliteCache | None:
    """Open the cache, for reading only where nothing is kept; None when it is off."""
    from evalkit.cache.sqlite import SqliteCache

    mode = build_mode(config)
    if mode is Mode.REPLAY and not Path(config.cache.path).expanduser().exists():
        raise ReplayMiss(
            f"cache=replay: there is no cache at {config.cache.path}; run once with cache=rw, or fetch one: "
            "evalkit cache import FILE"
        )
    return None if mode is Mode.OFF else SqliteCache(config.cache.path, read_only=not mode.writes, say=say)
