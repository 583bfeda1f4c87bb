"""Metrics are tried on a made-up answer before anything is paid for, and the one at fault is named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalkit.datasets.base import Dataset
from evalkit.errors import MetricError
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import MeanMetric, Metric
from evalkit.metrics.bleu import Bleu
from evalkit.metrics.exact_match import ExactMatch
from evalkit.postprocess import Pipeline
from evalkit.postprocess.label import Label
from evalkit.preflight import check_metrics
from evalkit.prompts import Prompt
from evalkit.records import Sample
from evalkit.task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

LABEL = Pipeline([Label(labels=["yes", "no"])])


def task(targets: Sequence[Any], *metrics: Metric) -> Task:
    """Samples "0", "1", … with these targets."""
    samples = tuple(Sample(str(place), {"text": "?"}, target) for place, target in enumerate(targets))
    families = {type(metric).__name__.lower(): metric for metric in metrics or (Accuracy(),)}
    return Task("mine", Dataset("data", samples, "f" * 64), Prompt("p", "{{ text }}"), LABEL, families)


class Right(MeanMetric):
    """A user's own metric."""

    names = ("right",)

    @property
    def signature(self) -> str:
        return "test"

    def score(self, prediction: str, references: tuple[str, ...]) -> Sequence[float]:
        return (float(prediction in references),)


def test_metrics_that_can_score_pass() -> None:
    check_metrics(task(["yes", "no"], Accuracy(), ExactMatch(), Bleu(), Right()))
    check_metrics(task([], Accuracy()))


def test_a_target_is_asked_for() -> None:
    with pytest.raises(MetricError) as caught:
        check_metrics(task([None, None]))
    assert str(caught.value) == (
        "metric accuracy: sample 0 has no target; "
        "set dataset.target=<column> or choose metrics that need none"
    )


class NeedsPackage(Right):
    def bind(self, samples: Sequence[Sample]) -> NeedsPackage:
        raise ModuleNotFoundError("No module named 'comet'")


class WrongShape(Right):
    def finish(self, sums: FloatArray) -> FloatArray:
        return np.zeros((len(sums), 2))


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        (NeedsPackage(), "metric needspackage: a package is missing (No module named 'comet'); install it"),
        (
            WrongShape(),
            "metric wrongshape: for one sample it gave 1 rows of statistics and values of shape (1, 2)",
        ),
    ],
    ids=["package", "shape"],
)
def test_the_metric_at_fault_is_named(metric: Metric, message: str) -> None:
    with pytest.raises(MetricError) as caught:
        check_metrics(task(["yes"], metric))
    assert str(caught.value).startswith(message)


def test_two_metrics_of_one_name_are_refused() -> None:
    """A report holds one value a name: the second would silently take the place of the first."""
    twice = replace(task(["yes"]), metrics={"strict": ExactMatch(), "lenient": ExactMatch(normalize="squad")})
    with pytest.raises(MetricError, match="metrics strict and lenient both give exact_match"):
        check_metrics(twice)
