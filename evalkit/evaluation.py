"""One evaluation from settings to a report on disk: what `evalkit run` does, without a terminal."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cache.sqlite import SqliteCache
from evalkit.config.build import build_cache, build_executor, build_mode, build_scores, build_task
from evalkit.config.check import check_settings, public
from evalkit.config.data import pinned
from evalkit.config.model import build_model, trials_of
from evalkit.config.scores import asked_by
from evalkit.errors import DatasetError, RequestError, RunStopped

if TYPE_CHECKING:
    from evalkit.budget import Budget
    from evalkit.cache.scores import ScoreStore
    from evalkit.client.base import Model
    from evalkit.comparison.rescore import Answers
    from evalkit.config.schema import RunConfig
    from evalkit.datasets.base import Dataset
    from evalkit.executors.base import Executor
    from evalkit.executors.halt import Halt
    from evalkit.metrics.base import FloatArray, Metric
    from evalkit.postprocess import Pipeline
    from evalkit.records import Generation, Sample
    from evalkit.report.base import Report
    from evalkit.report.lines import Lines
    from evalkit.report.make import Run
    from evalkit.runner import Collected, Listener, Stopped
    from evalkit.scoring import Resampling, Scored
    from evalkit.task import Task


@dataclass(frozen=True)
class Finished:
    """A run's report and its folder; `too_many_failed` when more failed than `max_failed` allows.

    `used_up` is the budget of a run that it ended, `stopped` the error that ended it; `interrupted` when
    somebody did.
    """

    report: Report
    folder: Path
    too_many_failed: bool
    used_up: Budget | None = None
    stopped: RunStopped | None = None
    interrupted: bool = False


def _run_id(created: datetime) -> str:
    """Return an id that sorts by time to the microsecond, with a digit that keeps processes apart."""
    return f"{created:%Y%m%d-%H%M%S}-{created.microsecond:05x}{secrets.randbelow(16):x}"


def stored_answers(report: Report) -> Answers:
    """Return a function that finds answers in the run's cache, read by the run's own post-processing."""

    def find(keys: Sequence[str]) -> dict[str, list[Generation]]:
        from evalkit.client.base import answers_in
        from evalkit.config.compose import from_plain
        from evalkit.config.prompting import build_postprocess
        from evalkit.reading import generate
        from evalkit.records import Outcome, Request, Response

        config = from_plain(report.config)
        model = build_model(config)
        if not model.cacheable or not Path(config.cache.path).expanduser().is_file():
            return {}
        postprocess = build_postprocess(config.task.postprocess)
        if postprocess.needs_context or config.prompt.turns is not None:
            return {}  # a key alone does not say what the sample was, or what was said before
        asked = Request(model.identity, "", {"n": config.model.params.n or 1})
        found: dict[str, list[Generation]] = {}
        cache = SqliteCache(config.cache.path, read_only=True)
        try:
            for key, entry in cache.get_many(keys).items():
                with suppress(RequestError):
                    found[key] = [
                        generate(Outcome("", 0, key, response=one), postprocess)
                        for one in answers_in(model, asked, entry.body)
                        if isinstance(one, Response)  # a withheld answer has nothing to score
                    ]
        finally:
            cache.close()
        return found

    return find


def answer_again(report: Report, ids: Sequence[str], times: int) -> dict[str, dict[str, FloatArray]]:
    """Ask for `times` further trials of some samples, with the settings that the report holds.

    Returns, by sample and metric family, the (t, k) statistics of the run's answers and the further ones.
    """
    from evalkit.config.compose import from_plain
    from evalkit.runner import collect
    from evalkit.scoring import Resampling, score

    config = from_plain(report.config)
    if config.dataset.path == "-":
        raise DatasetError(
            f"{report.run_id}: its samples came from standard input, which cannot be read again; "
            "evaluate a file (dataset.path=FILE) to have critical samples confirmed"
        )
    n = config.model.params.n or 1
    config.trials = trials_of(config) + -(-times // n) * n  # whole requests
    task = build_task(config)
    wanted = set(ids)
    task = replace(
        task,
        dataset=replace(task.dataset, samples=tuple(one for one in task.dataset.samples if one.id in wanted)),
    )
    model, cache = build_model(config), build_cache(config)
    task = asked_by(task, model)
    try:
        collected = collect(
            task, model, build_executor(config), cache, mode=build_mode(config), trials=config.trials
        )
    finally:
        if cache is not None:
            cache.close()
    scored = score(task, collected.outcomes, Resampling(resamples=1))
    answered = [one.sample_id for one in collected.outcomes if one.response is not None]
    return {
        one: {family: rows[[name == one for name in answered]] for family, rows in scored.statistics.items()}
        for one in ids
    }


def _collected(
    config: RunConfig,
    parts: tuple[Task, Model, Executor],
    listen: Listener,
    say: Callable[[str], None],
    halt: Halt,
) -> tuple[Collected, Stopped | None]:
    """Return what a run was answered, and the error that ended it early; raises where that is nothing."""
    from evalkit.preflight import check_sending
    from evalkit.runner import Stopped, collect

    task, model, executor = parts
    mode = build_mode(config)
    cache = build_cache(config, say) if model.cacheable else None
    stopped: Stopped | None = None
    try:
        collected = collect(
            task,
            model,
            executor,
            cache,
            mode=mode,
            trials=trials_of(config),
            listen=listen,
            say=say,
            before_sending=partial(check_sending, model),
            halt=halt,
        )
    except Stopped as error:
        if not error.collected.paid_for:
            raise
        collected, stopped = error.collected, error
    finally:
        if cache is not None:
            cache.close()
    if halt.asked and not collected.paid_for:
        raise KeyboardInterrupt
    return collected, stopped


def _resampling(config: RunConfig) -> Resampling:
    from evalkit.scoring import Resampling

    return Resampling(config.confidence, config.resamples, config.seed)


def evaluate(
    config: RunConfig,
    *,
    listen: Listener = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
    command: Sequence[str] = (),
    halt: Halt | None = None,
) -> Finished:
    """Run one evaluation; everything that can be checked is checked before the first request.

    `listen` hears of every outcome, `say` gets one-line notices (a model is being fetched); `command` is the
    command line for the report, without secrets. A run that an error of the server or `halt` ends early has
    a report of what it was answered; where that is nothing, RunStopped or KeyboardInterrupt is raised.
    """
    from evalkit.executors.halt import Halt

    check_settings(config)
    config = pinned(config)
    halt = halt or Halt()
    started, created = time.perf_counter(), datetime.now(UTC)
    model = build_model(config, say)
    task = asked_by(build_task(config), model)
    for notice in task.dataset.notes:
        say(notice)
    found = _answered(config, task, model, listen, say, halt)

    from evalkit.report.make import Run
    from evalkit.report.provenance import provenance

    run = Run(
        run_id=_run_id(created),
        created=created.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - started,
        task=found.task,
        model=model,
        collected=found.collected,
        scored=found.scored,
        lines=found.lines,
        config=public(config),
        seeds={"seed": config.seed, "bootstrap": config.seed},
        provenance=provenance(command, found.scored.metrics.values()),
        suite=config.suite,
        slices=config.slices,
        resampling=_resampling(config),
        budget=found.budget,
        rows=found.rows,
    )
    return _written(run, config, found.stopped, interrupted=halt.asked)


@dataclass(frozen=True)
class _Answered:
    """What a run was answered and how that scored; `task` is the task as it was checked.

    `rows` are the score rows that were kept from before and computed, where any are kept.
    """

    task: Task
    collected: Collected
    stopped: Stopped | None
    scored: Scored
    lines: Lines
    budget: Budget | None
    rows: Mapping[str, int]


def _answered(
    config: RunConfig,
    task: Task,
    model: Model,
    listen: Listener,
    say: Callable[[str], None],
    halt: Halt,
) -> _Answered:
    """Check, ask and score."""
    from evalkit.config.spending import build_budget, told
    from evalkit.preflight import check_run

    notices: list[str] = []  # where the run cannot be made, nobody needs to hear of kept scores
    store = build_scores(config, notices.append)
    with nullcontext() if store is None else closing(store):
        task = check_run(task, model, config.slices, Path(config.results_dir), store)
        budget = build_budget(config, model)
        executor = build_executor(config, say, told(config, budget))
        collected, stopped = _collected(config, (task, model, executor), listen, say, halt)
        if store is not None:
            store.count_anew()  # the made-up sample is none of the run's
        scored, lines = _scored(config, task, collected, store)
    for notice in notices:
        say(notice)
    rows = {} if store is None else {"kept": store.looked_up - store.scored, "computed": store.scored}
    return _Answered(task, collected, stopped, scored, lines, budget, rows)


def _scored(
    config: RunConfig, task: Task, collected: Collected, store: ScoreStore | None
) -> tuple[Scored, Lines]:
    """Score the answers; return the lines of their samples too."""
    from evalkit.report.lines import Lines
    from evalkit.scoring import score

    lines = Lines()
    return score(task, collected.outcomes, _resampling(config), store, bound=True, hear=lines.add), lines


def _written(run: Run, config: RunConfig, stopped: RunStopped | None, *, interrupted: bool) -> Finished:
    """Write the run's report; return both, and how the run ended."""
    from evalkit.records import OVER_BUDGET
    from evalkit.report.base import COMPLETE
    from evalkit.report.make import report_of
    from evalkit.report.write import write

    report = report_of(run)
    folder = write(report, run.lines.scored(run.scored.statistics), Path(config.results_dir))
    failed_share = report.counts["failed"] / max(1, report.counts["requests"])
    too_many = report.status != COMPLETE and failed_share > config.max_failed
    used_up = run.budget if report.status == OVER_BUDGET else None
    return Finished(report, folder, too_many, used_up, stopped, interrupted)


@dataclass(frozen=True)
class _Scoring:
    """A stored run's samples with the post-processing and metrics to score them by."""

    dataset: Dataset
    postprocess: Pipeline
    metrics: Mapping[str, Metric]
    forms: Mapping[tuple[str, int], Sample]

    def asked(self, sample: Sample, trial: int) -> Sample:
        """Return the sample in the form that it was asked in."""
        return self.forms[sample.id, trial]


def score_again(report: Report, overrides: Sequence[str]) -> Finished:
    """Score a stored run's outputs with these overrides, and write the report of that; nothing is asked.

    The new report has an id and folder of its own, in the run's results folder unless results_dir is given,
    and names the run as its parent. ConfigError for an override that would change what was asked.
    """
    from evalkit.config.prompting import build_postprocess
    from evalkit.config.rescore import rescoring_settings
    from evalkit.config.scores import asked, metrics_of
    from evalkit.datasets.base import Dataset
    from evalkit.preflight import check_metrics
    from evalkit.report.again import Rescoring, rescored_lines, rescored_report, stored
    from evalkit.report.find import results_of
    from evalkit.report.provenance import provenance
    from evalkit.report.write import write
    from evalkit.scoring import score

    config = rescoring_settings(report.config, overrides)
    check_settings(config)
    created = datetime.now(UTC)
    postprocess, metrics = build_postprocess(config.task.postprocess), metrics_of(config)
    metrics = asked(metrics, report.model["asked"], (report.prompt or {}).get("sha256"))
    found = stored(report)
    facts = report.dataset
    dataset = Dataset(facts["name"], found.samples, facts["fingerprint"])
    task = _Scoring(dataset, postprocess, metrics, found.forms)
    check_metrics(task)
    read: list[Generation | None] = []
    scored = score(task, found.outcomes, _resampling(config), hear=lambda *heard: read.append(heard[-1]))
    new = Rescoring(
        run_id=_run_id(created),
        created=created.isoformat(timespec="seconds"),
        postprocess=postprocess.describe,
        config=public(config),
        seeds={"seed": config.seed, "bootstrap": config.seed},
        provenance=provenance(metrics=scored.metrics.values()),
        slices=config.slices,
        resampling=_resampling(config),
    )
    lines = list(rescored_lines(found, scored, read))
    made = rescored_report(report, lines, scored, new)
    place = Path(config.results_dir)
    if report.folder is not None and not any(one.lstrip("+").startswith("results_dir=") for one in overrides):
        place = results_of(report.folder, place)
    folder = write(made, lines, place)
    return Finished(made, folder, too_many_failed=False)
