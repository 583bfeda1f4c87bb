"""What is checked before the first request: whatever would fail once the money is spent fails here.

| check | where |
| --- | --- |
| settings, prices for a budget | while they are built (config) |
| the model can answer these samples | `check_run` |
| every metric has its packages and scores one made-up sample | `check_run` |
| what post-processing reads is asked for | `check_run` |
| the columns to slice by are there | `check_run` |
| reports can be written | `check_run` |
| the cache can be written | when it is opened (cache) |
| the templates render for every sample | all of them, before the first is sent (runner) |
| the API key is there | `check_sending`, and only when something must be sent |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.client.base import Keyed
from evalkit.errors import ConfigError
from evalkit.report.write import check_writable
from evalkit.scoring import check_metrics

if TYPE_CHECKING:
    from evalkit.cache.scores import ScoreStore
    from evalkit.client.base import Model
    from evalkit.task import Task


def check_run(
    task: Task, model: Model, slices: Sequence[str], results_dir: Path, store: ScoreStore | None = None
) -> Task:
    """Raise a UsageError for what would end this run late; return the task, its metrics bound to the data."""
    model.check(task.dataset.samples)
    # Recorded outputs may hold anything; a server tells what it is asked for.
    logprobs = not model.needs_prompt or _asks_logprobs(model)
    step = task.postprocess.needs_logprobs
    if step is not None and not logprobs:
        raise ConfigError(
            f"post-processing step {step} reads log-probabilities, and the model is not asked for any: set "
            "model.params.logprobs=true model.params.top_logprobs=20"
        )
    metrics = check_metrics(task, logprobs=logprobs, store=store)
    if slices:
        from evalkit.report.slices import SETTING, check_columns, facts_of

        facts = [facts_of(one.input, one.metadata) for one in task.dataset.samples]
        check_columns(slices, facts, SETTING)
    check_writable(results_dir, task.name)
    return replace(task, metrics=metrics)


def _asks_logprobs(model: Model) -> bool:
    """Whether requests ask for log-probabilities, under the name that each endpoint has for it."""
    settings = model.settings
    included = any("logprobs" in one for one in settings.get("include", ()))
    return included or settings.get("logprobs") not in (None, False)


def check_sending(model: Model) -> None:
    """Raise ModelError where the model has no key; a run whose answers are all in the cache needs none."""
    if isinstance(model, Keyed):
        model.check_key()
