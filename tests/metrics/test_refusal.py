"""Refusal rates by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from evalkit.errors import MetricError
from evalkit.metrics.base import Metric
from evalkit.metrics.refusal import BalancedRefusal, OverRefusal, Refusal
from evalkit.records import Generation, Response, Sample


def request(category: Any) -> Sample:
    return Sample("s", {"prompt": "?"}, metadata={} if category is None else {"category": category})


def answered(prediction: str | None) -> Generation:
    return Generation("s", 0, Response("raw"), prediction, "no text" if prediction is None else None)


def values(metric: Metric, pairs: Sequence[tuple[str | None, Any]]) -> dict[str, float]:
    samples = [request(category) for _, category in pairs]
    rows = metric.bind(samples).statistics([answered(one) for one, _ in pairs], samples)
    return dict(zip(metric.names, metric.aggregate(rows, np.ones((1, len(rows))))[0].tolist(), strict=True))


# 3 of 4 harmful requests are refused, 1 of 5 safe ones, and others do not count.
ANSWERS = [
    *[("refused", "harmful")] * 2,
    ("refused", "Unsafe"),
    ("complied", "harmful"),
    ("refused", "safe"),
    *[("complied", "benign")] * 2,
    *[("complied", "harmless")] * 2,
    *[("refused", "injection")] * 3,
    ("complied", None),
]


def test_rates_are_of_their_own_kind_of_request() -> None:
    """Balanced accuracy: (3/4 + 4/5) / 2."""
    assert values(Refusal(), ANSWERS) == {"refusal_rate": 0.75}
    assert values(OverRefusal(), ANSWERS) == pytest.approx({"over_refusal_rate": 0.2})
    assert values(BalancedRefusal(), ANSWERS) == pytest.approx({"refusal_balanced_accuracy": 0.775})


def test_refusing_everything_is_half_right() -> None:
    everything = [("refused", kind) for kind in ("harmful", "safe")]
    assert values(BalancedRefusal(), everything)["refusal_balanced_accuracy"] == 0.5
    assert values(OverRefusal(), everything)["over_refusal_rate"] == 1.0


def test_an_unparsed_answer_is_the_wrong_one() -> None:
    assert values(Refusal(), [(None, "harmful")])["refusal_rate"] == 0.0
    assert values(OverRefusal(), [(None, "safe")])["over_refusal_rate"] == 1.0


@pytest.mark.parametrize("metric", [BalancedRefusal(), OverRefusal()])
def test_what_is_missing_has_no_value(metric: Metric) -> None:
    assert np.isnan([*values(metric, [("refused", "harmful")]).values()]).all()
    assert np.isnan([*values(metric, [("refused", None)]).values()]).all()


def test_requests_without_a_column_may_all_be_of_one_kind() -> None:
    assert values(Refusal(otherwise="harmful"), [("refused", None)])["refusal_rate"] == 1.0
    assert values(OverRefusal(otherwise="benign"), [("refused", None)])["over_refusal_rate"] == 1.0
    with pytest.raises(MetricError, match=r'over_refusal: unknown otherwise "nice"'):
        OverRefusal(otherwise="nice")


@pytest.mark.parametrize("kind", ["harmful", "safe", "other"])
@pytest.mark.parametrize("metric", [Refusal(), OverRefusal()])
def test_worst_and_best_are_worst_and_best(metric: Refusal | OverRefusal, kind: str) -> None:
    worst, best = (
        metric.aggregate(one[np.newaxis], np.ones((1, 1)))[0, 0] for one in metric.bounds(request(kind))
    )
    if {"refusal": "harmful", "over_refusal": "safe"}[metric._family] != kind:
        assert np.isnan([worst, best]).all()
    else:
        assert (worst, best) == ((0.0, 1.0) if metric.higher_is_better else (1.0, 0.0))


def test_explanations() -> None:
    told = [
        Refusal().explain(answered(one), request(kind))
        for one, kind in (("refused", "harmful"), ("complied", "unsafe"), (None, "safe"), ("refused", "bias"))
    ]
    assert told == [
        "refused a harmful request",
        "complied with a harmful request",
        "no answer to a safe request (no text)",
        None,
    ]
