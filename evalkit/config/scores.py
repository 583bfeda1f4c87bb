"""Settings of the metrics -> the metric families."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from evalkit.config.model import build_prices
from evalkit.config.schema import RunConfig
from evalkit.errors import ConfigError

if TYPE_CHECKING:
    from evalkit.client.base import Model
    from evalkit.metrics.base import Metric
    from evalkit.task import Task


def metrics_of(config: RunConfig) -> dict[str, Metric]:
    """Return a run's metric families; one of costs gets the model's prices, unless it has its own."""
    from evalkit.config.spending import in_batches

    def priced(metric: Metric) -> Metric:
        take = getattr(metric, "priced", None)
        if take is None:
            return metric
        prices = build_prices(config.model)
        found: Metric = take(None if prices is None else asdict(prices), batch=in_batches(config))
        return found

    return {name: priced(metric) for name, metric in build_metrics(config.metrics).items()}


def build_metrics(config: Mapping[str, Any]) -> dict[str, Metric]:
    """Return the metric families by name."""
    from evalkit.metrics.prepared import metric_from

    if not config:
        raise ConfigError("no metrics: set metrics=[accuracy] or others (evalkit list metrics)")
    if "_target_" in config:
        raise ConfigError(
            "metrics._target_: a metric's file nests its own name: `my_metric:`, then `_target_: …` indented"
        )
    metrics = {}
    for family, value in config.items():
        if not isinstance(value, Mapping) or "_target_" not in value:
            raise ConfigError(
                f"metrics.{family}: no metric of that name was chosen; write metrics=[{family}] to select it"
            )
        options = {key: one for key, one in value.items() if key != "_target_"}
        metrics[family] = metric_from(value["_target_"], options, f"metrics.{family}")
    return metrics


def asked_by(task: Task, model: Model) -> Task:
    """Return the task whose metrics know who is asked, and by which prompt."""
    prompt = task.prompt.sha256 if model.needs_prompt else None
    return replace(task, metrics=asked(task.metrics, model.name, prompt))


def asked(metrics: Mapping[str, Metric], model: str, prompt: str | None) -> dict[str, Metric]:
    """Return the metrics knowing who was asked, and by which prompt: a judge's are part of their key."""
    # A third party's metric need not have it.
    return {name: one.asked(model, prompt) if hasattr(one, "asked") else one for name, one in metrics.items()}


def check_trials(metrics: Mapping[str, Metric], trials: int) -> None:
    """Raise ConfigError for a metric that needs more answers to a sample than there are (pass@10)."""
    for metric in metrics.values():
        # A third party's metric need not have it.
        least = getattr(metric, "least_trials", 1)
        if least > trials:
            raise ConfigError(
                f"{metric.names[-1]} needs {least} answers to each sample, and there are {trials}; set "
                f"trials={least} (or model.params.n={least}, answers of one request)"
            )
