"""Kept scores: what is looked up is what would be scored."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_scores import KEPT, rows_of, scored
from metrics.material import EDGE_TEXTS, generations, random_texts, samples

from evalkit.cache.scores import ScoreStore
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import Metric, statistics_of
from evalkit.metrics.exact_match import ExactMatch
from evalkit.metrics.f1 import F1
from evalkit.metrics.fields import Fields
from evalkit.metrics.kappa import CohenKappa
from evalkit.metrics.part import Part
from evalkit.metrics.slots import Slots

LABELS = ("yes", "no", "perhaps", "yes ", "none of them")


STRUCTURES: list[Any] = [{"a": 1, "slots": {"b": "x"}}, {"slots": {}}, {"a": [1, 2], "slots": {"b": ["y"]}}]


@pytest.mark.parametrize("metric", KEPT, ids=lambda one: f"{type(one).__name__} {one.options}"[:60])
def test_kept_rows_are_those_that_would_be_scored(metric: Metric, path: Path) -> None:
    texts = [*EDGE_TEXTS, *random_texts(1, 60), None, None, "42", "the answer is 42"]
    targets: list[Any] = [*random_texts(2, 40), *EDGE_TEXTS]
    targets += [[one, "the second"] for one in random_texts(3, len(texts) - len(targets))]
    asked, answers = samples(targets), generations(texts)
    wanted = statistics_of(metric.bind(asked), answers, asked)
    half, first = rows_of(path, metric, answers[::2], asked[::2])
    # Options that are bound to the data, like the number of references, may be others for half of it.
    whole, second = rows_of(path, metric, answers, asked)
    again, third = rows_of(path, metric, answers, asked)
    backwards, fourth = rows_of(path, metric, answers[::-1], asked[::-1])
    assert first > 0
    assert second > 0
    assert third == fourth == 0
    for rows, place in ((whole, slice(None)), (again, slice(None)), (backwards, slice(None, None, -1))):
        assert rows.tobytes() == wanted[place].tobytes()
        assert rows.dtype == wanted.dtype
    assert half.shape[1] == wanted.shape[1]
    again[0, 0] = 7.0  # may be written to, like any other


@pytest.mark.parametrize("metric", [F1(), F1(labels=["no", "yes"]), CohenKappa(), Accuracy()])
def test_rows_of_labels(metric: Metric, path: Path) -> None:
    asked, answers = samples(LABELS * 4), generations([*LABELS * 3, None, "other", 1, True, ["yes"]])
    wanted = statistics_of(metric.bind(asked), answers, asked)
    assert rows_of(path, metric, answers, asked)[1] > 0
    rows, again = rows_of(path, metric, answers, asked)
    assert again == 0
    assert rows.tobytes() == wanted.tobytes()


@pytest.mark.parametrize("metric", [Fields(), Fields(schema={"type": "object"}), Slots(), Part(field="a")])
def test_rows_of_structures(metric: Metric, path: Path) -> None:
    asked, answers = samples(STRUCTURES * 2), generations([*STRUCTURES, None, '{"a": 1}', [1]])
    wanted = statistics_of(metric.bind(asked), answers, asked)
    assert rows_of(path, metric, answers, asked)[1] > 0
    rows, again = rows_of(path, metric, answers, asked)
    assert again == 0
    assert rows.tobytes() == wanted.tobytes()


def test_without_a_store_everything_is_scored() -> None:
    asked, answers = samples(["a"] * 2100), generations(["a"] * 2100)
    rows = statistics_of(ExactMatch(), answers, asked)
    assert rows.shape == (2100, 2)
    assert statistics_of(ExactMatch(), [], []).shape == (0, 0)


def test_no_answers_give_no_rows(path: Path) -> None:
    with closing(ScoreStore(path)) as store:
        assert store.rows(ExactMatch(), [], []).shape == (0, 0)


def test_what_was_scored_is_held(path: Path) -> None:
    (asked, other), (answer,) = samples(["a", "b"]), generations(["a"])
    with closing(ScoreStore(path)) as store:
        assert not store.holds(ExactMatch(), answer, asked)
        store.rows(ExactMatch(), [answer], [asked])
        assert store.holds(ExactMatch(), answer, asked)
        assert not store.holds(ExactMatch(), answer, other)
        assert not store.holds(ExactMatch(ignore_case=True), answer, asked)
    assert not store.holds(ExactMatch(), answer, asked)  # it has no file any more


def test_equal_texts_are_scored_once(path: Path) -> None:
    assert scored(path, ExactMatch(), ["a"] * 2500, ["a", "b"] * 1250) == 2


def test_several_batches_are_one_array(path: Path) -> None:
    texts = [str(number) for number in range(2500)]
    asked, answers = samples(["7"] * 2500), generations(texts)
    wanted = ExactMatch().statistics(answers, asked)
    for times in (2500, 0):
        rows, new = rows_of(path, ExactMatch(), answers, asked)
        assert new == times
        assert np.array_equal(rows, wanted)


def test_rows_of_many_labels_are_not_kept(path: Path) -> None:
    labels = [f"label {number}" for number in range(60)]
    assert scored(path, F1(), labels, labels) == 60
    assert scored(path, F1(), labels, labels) == 60


def test_a_lookup_takes_two_statements_for_a_thousand_answers(path: Path) -> None:
    texts = [str(number) for number in range(3000)]
    answers, asked = generations(texts), samples(["7"] * 3000)
    rows_of(path, ExactMatch(), answers, asked)
    statements: list[str] = []
    with closing(ScoreStore(path)) as store:
        assert store._file is not None
        store._file._connection.set_trace_callback(statements.append)
        store.rows(ExactMatch(), answers, asked)
    assert len(statements) == 1 + 3
