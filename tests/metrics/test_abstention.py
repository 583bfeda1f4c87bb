from __future__ import annotations

import numpy as np
import pytest

from evalkit.errors import MetricError
from evalkit.metrics.abstention import Abstention
from evalkit.records import Generation, Response, Sample

ANSWERABLE, UNANSWERABLE = Sample("a", {}, ["noon"]), Sample("u", {}, [""])


def generation(text: str | None) -> Generation:
    return Generation("s", 0, Response(text or ""), text, None if text is not None else "unparsed")


def values(*pairs: tuple[str | None, Sample]) -> list[float]:
    metric = Abstention()
    rows = metric.statistics([generation(text) for text, _ in pairs], [sample for _, sample in pairs])
    found: list[float] = metric.aggregate(rows, np.ones((1, len(rows))))[0].tolist()
    return found


def test_worked_by_hand() -> None:
    """Three unanswerable, two abstained at; of three abstentions two are right; three of five abstain."""
    found = values(
        ("", UNANSWERABLE), ("", UNANSWERABLE), ("x", UNANSWERABLE), ("", ANSWERABLE), ("noon", ANSWERABLE)
    )
    assert found == pytest.approx([2 / 3, 2 / 3, 3 / 5])


def test_what_cannot_be_divided_is_absent() -> None:
    recall, precision, rate = values(("noon", ANSWERABLE))
    assert np.isnan(recall)
    assert np.isnan(precision)
    assert rate == 0


def test_an_unparsed_answer_does_not_abstain() -> None:
    assert values((None, UNANSWERABLE))[0] == 0


def test_bounds_are_the_wrong_and_the_right_behaviour() -> None:
    metric = Abstention()
    for sample, wrong, right in ((UNANSWERABLE, "x", ""), (ANSWERABLE, "", "noon")):
        worst, best = metric.bounds(sample)
        rows = metric.statistics([generation(wrong), generation(right)], [sample, sample])
        assert [worst.tolist(), best.tolist()] == rows.tolist()


def test_it_says_what_was_wrong() -> None:
    metric = Abstention()
    assert metric.explain(generation(""), UNANSWERABLE) == "rightly abstained"
    assert metric.explain(generation("x"), UNANSWERABLE) == "there is no answer, and it gave 'x'"
    assert metric.explain(generation(""), ANSWERABLE) == "abstained, and there is an answer"
    assert metric.explain(generation("noon"), ANSWERABLE) is None


def test_a_sample_without_a_target_is_named() -> None:
    with pytest.raises(MetricError, match='abstention: sample "n" has no target'):
        values(("x", Sample("n", {})))
