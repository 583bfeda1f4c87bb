"""What is checked before the first request: whatever would fail once the money is spent fails here.

| check | where |
| --- | --- |
| settings, prices for a budget | while they are built (config) |
| the model can answer these samples | `check_run` |
| every metric has its packages and scores one made-up sample, now or before | `check_run` |
| what post-processing reads is asked for | `check_run` |
| the columns to slice by are there | `check_run` |
| reports can be written | `check_run` |
| the cache can be written | when it is opened (cache) |
| the templates render for every sample | all of them, before the first is sent (runner) |
| the API key is there | `check_sending`, and only when something must be sent |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.client.base import Keyed
from evalkit.errors import ConfigError, MetricError
from evalkit.later import np
from evalkit.metrics.base import Metric, statistics_of
from evalkit.records import Generation, Response, Sample, Usage
from evalkit.report.place import check_writable

if TYPE_CHECKING:
    from evalkit.cache.scores import ScoreStore
    from evalkit.client.base import Model
    from evalkit.metrics.base import FloatArray
    from evalkit.reading import Scorable
    from evalkit.task import Task

    RowsOf = Callable[[Metric, Sequence[Generation], Sequence[Sample]], FloatArray]


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


def made_up(text: str, *, logprobs: bool = True) -> Response:
    """Return an answer that nobody gave, with all that a server may tell of one."""
    entry = {"token": text, "logprob": -0.1, "bytes": None}
    told = {"content": [{**entry, "top_logprobs": [entry]}], "refusal": None}
    return Response(
        text,
        finish_reason="stop",
        usage=Usage(prompt=1, completion=1),
        logprobs=told if logprobs else None,
        latency=0.1,
        time_to_first_token=0.1,
    )


def check_metrics(
    task: Scorable, *, logprobs: bool = True, store: ScoreStore | None = None
) -> Mapping[str, Metric]:
    """Score one made-up sample per metric, so that what is missing shows before money is spent.

    Returns the metrics, bound to the data. `logprobs` says whether answers will have log-probabilities. Rows
    in `store` were scored before: then nothing was missing.
    """
    if not task.dataset.samples:
        return task.metrics
    bound: dict[str, Metric] = {}
    sample = task.asked(task.dataset.samples[0], 0)
    owners: dict[str, str] = {}
    for family, unbound in task.metrics.items():
        if unbound.needs_target and not sample.references:
            raise MetricError(
                f"metric {family}: sample {sample.id} has no target; set dataset.target=<column> "
                "or choose metrics that need none"
            )
        text = sample.references[0] if sample.references else "text"
        answer = Generation(sample.id, 0, made_up(text, logprobs=logprobs), text)
        try:
            metric = bound[family] = unbound.bind(task.dataset.samples)
            if store is None or not store.holds(metric, answer, sample):
                _try(family, metric, answer, sample, statistics_of if store is None else store.rows)
        except ImportError as error:
            raise MetricError(f"metric {family}: a package is missing ({error}); install it") from None
        for name in metric.names:
            if owners.setdefault(name, family) != family:
                raise MetricError(
                    f"metrics {owners[name]} and {family} both give {name}: a report holds one of them; "
                    "choose one, or run twice"
                )
    return bound


def _try(family: str, metric: Metric, answer: Generation, sample: Sample, rows_of: RowsOf) -> None:
    """Raise MetricError where a bound metric gives other numbers than it says; ImportError as it comes."""
    rows = rows_of(metric, [answer], [sample])
    values = metric.aggregate(np.stack([metric.combine(rows)]), np.ones((1, 1)))
    if len(rows) != 1 or values.shape != (1, len(metric.names)):
        raise MetricError(
            f"metric {family}: for one sample it gave {len(rows)} rows of statistics and values of shape "
            f"{values.shape}, not 1 and (1, {len(metric.names)}); repair the metric"
        )
