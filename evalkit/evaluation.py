"""One evaluation from settings to a report on disk: what `evalkit run` does, without a terminal."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.cache.sqlite import SqliteCache
from evalkit.config.build import build_cache, build_executor, build_mode, build_model, build_task
from evalkit.config.check import check_settings, public
from evalkit.errors import RequestError
from evalkit.report.base import Report

if TYPE_CHECKING:
    from evalkit.comparison.rescore import Answers
    from evalkit.config.schema import RunConfig
    from evalkit.metrics.base import FloatArray
    from evalkit.records import Generation
    from evalkit.runner import Listener


@dataclass(frozen=True)
class Finished:
    """A run's report and its folder; `too_many_failed` when more failed than `max_failed` allows."""

    report: Report
    folder: Path
    too_many_failed: bool


def _run_id(created: datetime) -> str:
    """Return an id that sorts by time to the microsecond, with a digit that keeps processes apart."""
    return f"{created:%Y%m%d-%H%M%S}-{created.microsecond:05x}{secrets.randbelow(16):x}"


def stored_answers(report: Report) -> Answers:
    """Return a function that finds answers in the run's cache, read by the run's own post-processing."""

    def find(keys: Sequence[str]) -> dict[str, Generation]:
        from evalkit.config.build import build_postprocess
        from evalkit.config.compose import from_plain
        from evalkit.records import Outcome, Request
        from evalkit.scoring import generate

        config = from_plain(report.config)
        model = build_model(config)
        if not model.cacheable or not Path(config.cache.path).expanduser().is_file():
            return {}
        postprocess = build_postprocess(config.task.postprocess)
        asked = Request(model.identity, "", {})
        found: dict[str, Generation] = {}
        cache = SqliteCache(config.cache.path)
        try:
            for key, entry in cache.get_many(keys).items():
                with suppress(RequestError):  # a withheld answer has nothing to score
                    response = model.parse(asked, entry.body)
                    found[key] = generate(Outcome("", 0, key, response=response), postprocess)
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
    config.trials += times
    task = build_task(config)
    wanted = set(ids)
    task = replace(
        task,
        dataset=replace(task.dataset, samples=tuple(one for one in task.dataset.samples if one.id in wanted)),
    )
    model, cache = build_model(config), build_cache(config)
    try:
        collected = collect(
            task, model, build_executor(config), cache, mode=build_mode(config), trials=config.trials
        )
    finally:
        if cache is not None:
            cache.close()
    scored = score(task, collected.outcomes, Resampling(resamples=1))
    return {
        one: {
            family: rows[[generation.sample_id == one for generation in scored.generations]]
            for family, rows in scored.statistics.items()
        }
        for one in ids
    }


def evaluate(
    config: RunConfig,
    *,
    listen: Listener = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Finished:
    """Run one evaluation; everything that can be checked is checked before the first request.

    `listen` hears of every outcome, `say` gets one-line notices (a model is being fetched).
    """
    from evalkit.report.write import check_writable
    from evalkit.runner import collect
    from evalkit.scoring import Resampling, check_metrics, score

    check_settings(config)
    started, created = time.perf_counter(), datetime.now(UTC)
    mode = build_mode(config)
    model = build_model(config, say)
    task = build_task(config)
    model.check(task.dataset.samples)
    check_metrics(task)
    check_writable(Path(config.results_dir), task.name)
    executor = build_executor(config)
    cache = build_cache(config) if model.cacheable else None
    try:
        collected = collect(
            task, model, executor, cache, mode=mode, trials=config.trials, listen=listen, say=say
        )
    finally:
        if cache is not None:
            cache.close()
    resampling = Resampling(config.confidence, config.resamples, config.seed)
    scored = score(task, collected.outcomes, resampling)

    from evalkit.report.base import COMPLETE
    from evalkit.report.make import Run, report_of, sample_lines
    from evalkit.report.provenance import provenance
    from evalkit.report.write import write

    run = Run(
        run_id=_run_id(created),
        created=created.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - started,
        task=task,
        model=model,
        collected=collected,
        scored=scored,
        config=public(config),
        seeds={"seed": config.seed, "bootstrap": config.seed},
        provenance=provenance(),
        suite=config.suite,
    )
    report = report_of(run)
    folder = write(report, sample_lines(run), Path(config.results_dir))
    failed_share = report.counts["failed"] / max(1, report.counts["requests"])
    return Finished(report, folder, report.status != COMPLETE and failed_share > config.max_failed)
