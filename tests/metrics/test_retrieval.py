from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from metrics.material import generation

from evalkit.errors import MetricError
from evalkit.metrics.retrieval import Retrieval
from evalkit.records import Sample

# evaluate() of ranx 0.3.21 on these lists.
RETRIEVED = [
    ["d1", "d2", "d5", "d3", "d4", "d9"],
    ["d9", "d8", "d2"],
    ["d1", "d2", "d3", "d4", "d5", "d7"],
    ["d4"],
]
RELEVANT = [["d1", "d5", "d9"], ["d2"], ["d7", "d8"], ["d4"]]
RANX = {
    "recall@1": 1 / 3,
    "recall@3": 2 / 3,
    "recall@5": 2 / 3,
    "precision@1": 0.5,
    "precision@3": 1 / 3,
    "precision@5": 0.2,
    "hit@1": 0.5,
    "hit@3": 0.75,
    "hit@5": 0.75,
    "mrr": 0.625,
}
ALL = Retrieval(k=[1, 3, 5], types=["recall", "precision", "hit", "mrr"])


def sample(retrieved: Any, relevant: Any, place: int = 0) -> Sample:
    return Sample(str(place), {"question": "?"}, None, {"relevant": relevant}, added={"retrieved": retrieved})


def values(metric: Retrieval, asked: Sequence[Sample]) -> dict[str, float]:
    bound = metric.bind(asked)
    rows = bound.statistics([generation("any", place) for place in range(len(asked))], asked)
    return dict(zip(bound.names, bound.aggregate(rows, np.ones((1, len(rows))))[0].tolist(), strict=True))


def test_values_are_ranxs() -> None:
    asked = [sample(*one) for one in zip(RETRIEVED, RELEVANT, strict=True)]
    assert values(ALL, asked) == pytest.approx(RANX, abs=1e-12)


def test_the_textbook_example_of_reciprocal_ranks() -> None:
    """Right answers at ranks 3, 2 and 1: (1/3 + 1/2 + 1) / 3 = 11/18 (Wikipedia, Mean reciprocal rank)."""
    lists = (["catten", "cati", "cats"], ["torii", "tori", "toruses"], ["viruses", "virii", "viri"])
    asked = [sample(one, [right]) for one, right in zip(lists, ("cats", "tori", "viruses"), strict=True)]
    assert values(Retrieval(types=["mrr"]), asked) == pytest.approx({"mrr": 11 / 18})


def test_a_sample_without_relevant_ids_is_left_out_and_an_empty_list_scores_0() -> None:
    found = [sample(["a"], ["a"]), sample(["a"], []), sample(["a"], None), sample([], ["a"])]
    assert values(Retrieval(k=[1]), found) == {"recall@1": 0.5, "mrr": 0.5}
    assert np.isnan(list(values(Retrieval(), found[1:2]).values())).all()


def test_elements_may_be_objects_numbers_or_a_single_id_and_come_twice() -> None:
    found = [{"id": 7, "text": "…"}, {"id": 7}, {"id": "8"}]
    assert values(Retrieval(k=[2]), [sample(found, 8)]) == {"recall@2": 1.0, "mrr": 0.5}


def test_columns_are_found_in_what_was_added_the_metadata_the_input_and_the_target() -> None:
    one = Sample("q", {"gold": ["b"]}, ["b"], {"hits": ["a", "b"]})
    assert values(Retrieval(retrieved="hits", relevant="gold", types=["mrr"]), [one]) == {"mrr": 0.5}
    assert values(Retrieval(retrieved="hits", relevant="target", types=["mrr"]), [one]) == {"mrr": 0.5}
    with pytest.raises(MetricError, match=r'sample "q" has no column "hit" \(did you mean "hits"\?\); name'):
        values(Retrieval(retrieved="hit", relevant="gold"), [one])
    with pytest.raises(MetricError, match=r'"gold" has no "id"; it has text|column "gold"'):
        values(
            Retrieval(retrieved="hits", relevant="gold"),
            [Sample("q", {"gold": [{"text": "b"}]}, None, one.metadata)],
        )


def test_a_failed_samples_ranking_is_known() -> None:
    metric = Retrieval(k=[1])
    one = sample(["a", "b"], ["b"])
    worst, best = metric.bounds(one)
    assert worst.tolist() == best.tolist() == [0.0, 0.5, 1.0]
    assert metric.explain(generation("x"), one) == "1 relevant, first at rank 2 of 2 retrieved"
    assert metric.explain(generation("x"), sample(["a"], [])) == "no relevant ids: left out"


def test_options_that_name_nothing_are_refused() -> None:
    with pytest.raises(MetricError, match="k must be whole numbers of at least 1"):
        Retrieval(k=[0])
    with pytest.raises(MetricError, match="none twice"):
        Retrieval(types=["mrr", "mrr"])
    with pytest.raises(MetricError, match='unknown types "ndcg"'):
        Retrieval(types=["ndcg"])
    assert Retrieval().signature == "types:recall,mrr|k:1,5|retrieved:retrieved|relevant:relevant"
