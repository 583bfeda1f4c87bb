"""One evaluation from settings to a report on disk: what `evalkit run` does, without a terminal."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.config.build import (
    build_cache,
    build_executor,
    build_mode,
    build_model,
    build_task,
    check_numbers,
)
from evalkit.report.base import Report

if TYPE_CHECKING:
    from evalkit.config.schema import RunConfig
    from evalkit.runner import Listener


@dataclass(frozen=True)
class Finished:
    """A run's report and its folder; `too_many_failed` when more failed than `max_failed` allows."""

    report: Report
    folder: Path
    too_many_failed: bool


def evaluate(
    config: RunConfig,
    *,
    listen: Listener = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Finished:
    """Run one evaluation; everything that can be checked is checked before the first request.

    `listen` hears of every outcome, `say` gets one-line notices (a model is being fetched).
    """
    from evalkit.runner import collect
    from evalkit.scoring import Resampling, check_metrics, score

    check_numbers(config)
    started, created = time.perf_counter(), datetime.now(UTC)
    mode = build_mode(config)
    model = build_model(config, say)
    task = build_task(config)
    model.check(task.dataset.samples)
    check_metrics(task)
    executor = build_executor(config)
    cache = build_cache(config) if model.cacheable else None
    try:
        collected = collect(task, model, executor, cache, mode=mode, trials=config.trials, listen=listen)
    finally:
        if cache is not None:
            cache.close()
    resampling = Resampling(config.confidence, config.resamples, config.seed)
    scored = score(task, collected.outcomes, resampling)

    from evalkit.config.compose import plain
    from evalkit.report.base import COMPLETE
    from evalkit.report.make import Run, report_of, sample_lines
    from evalkit.report.provenance import provenance
    from evalkit.report.write import write

    run = Run(
        run_id=f"{created:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        created=created.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - started,
        task=task,
        model=model,
        collected=collected,
        scored=scored,
        config=plain(config),
        seeds={"seed": config.seed, "bootstrap": config.seed},
        provenance=provenance(),
        suite=config.suite,
    )
    report = report_of(run)
    folder = write(report, sample_lines(run), Path(config.results_dir))
    failed_share = report.counts["failed"] / max(1, report.counts["requests"])
    return Finished(report, folder, report.status != COMPLETE and failed_share > config.max_failed)
