from __future__ import annotations

import math

import pytest
from reports import aggregate, report

from evalkit.report.overview import score_table, wide_table
from evalkit.report.table import interval, of_unit, shown


@pytest.mark.parametrize(
    ("value", "maximum", "text"),
    [
        (0.873, 1.0, "87.3"),
        (34.21, 100.0, "34.2"),
        (1.0, 1.0, "100.0"),
        (0.0, 1.0, "0.0"),
        (0.00049, 1.0, "0.0"),
        (math.nan, 1.0, "-"),
        (None, 1.0, "-"),
    ],
)
def test_values_are_shown_out_of_a_hundred(value: float | None, maximum: float, text: str) -> None:
    assert shown(value, maximum) == text


@pytest.mark.parametrize(("low", "high"), [(None, None), (math.nan, math.nan), (0.1, None), (math.nan, 0.5)])
def test_interval_that_is_not_there_is_a_dash(low: float | None, high: float | None) -> None:
    assert interval(aggregate(low=low, high=high)) == "-"


def test_interval_is_in_the_scale_of_the_score() -> None:
    assert interval(aggregate("bleu", 30.0, low=25.0, high=35.06, maximum=100.0)) == "[25.0, 35.1]"


def test_metrics_of_single_classes_are_shown_only_on_request() -> None:
    one = report("r1", aggregate("f1_macro"), aggregate("f1[positive]"), aggregate("pass@1"))
    assert [row[3] for row in score_table([one]).rows] == ["f1_macro", "pass@1"]
    assert [row[3] for row in score_table([one], every=True).rows] == ["f1_macro", "f1[positive]", "pass@1"]
    assert "f1[positive]" not in wide_table([one]).header
    assert "f1[positive]" in wide_table([one], every=True).header


def test_names_stand_once_per_run_also_for_equal_neighbours() -> None:
    rows = score_table([report("r1", aggregate("a"), aggregate("b")), report("r2", aggregate("a"))]).rows
    assert [row[0] for row in rows] == ["sentiment", "", "sentiment"]
    assert [row[-1] for row in rows] == ["r1", "r1", "r2"]


def test_run_without_a_score_has_a_line() -> None:
    failed = report("r1", metrics={}, counts={"requests": 3, "failed": 3, "cached": 0, "unparsed": 0})
    (row,) = score_table([failed]).rows
    assert row[3:] == ("(nothing scored)", "-", "-", "0", "3", "0", "r1")
    assert "%" not in score_table([failed]).note


def test_note_names_the_confidence_that_was_used() -> None:
    ninety = report("r1", aggregate(confidence=0.9))
    assert "with 90% intervals" in score_table([ninety]).note
    assert "with 99.9% intervals" in score_table([report("r1", aggregate(confidence=0.999))]).note
    assert "with 90% and 95% intervals" in score_table([ninety, report("r2")]).note


def test_wide_table_leaves_cells_empty_where_a_run_lacks_the_metric() -> None:
    table = wide_table([report("r1", aggregate("a")), report("r2", aggregate("b"))])
    assert table.header == ("task", "dataset", "model", "a", "b", "n", "failed", "run")
    assert [row[3:5] for row in table.rows] == [("50.0 [25.0, 75.0]", ""), ("", "50.0 [25.0, 75.0]")]
    assert all(len(row) == len(table.header) for row in table.rows)


@pytest.mark.parametrize(
    ("text", "unit", "words"),
    [
        ("1", None, "1 point"),
        ("-1", None, "-1 point"),
        ("1.5", None, "1.5 points"),
        ("0", None, "0 points"),
        ("1", "s", "1 s"),
        ("3", "", "3"),
    ],
)
def test_amounts_name_their_unit(text: str, unit: str | None, words: str) -> None:
    assert of_unit(text, unit) == words
