"""Two axes against each other, the best of each column, and the order of rows."""

from __future__ import annotations

import pytest
from reports import aggregate, report

from evalkit.errors import UsageError
from evalkit.report.base import Report
from evalkit.report.grid import Mark, records_of, sort_rows, text_table
from evalkit.report.pivot import axes_of, pivots
from evalkit.report.settings import Row

SCORES = {("gpt-4o", 0.0): 0.9, ("gpt-4o", 1.0): 0.7, ("gpt-4.1", 0.0): 0.85, ("gpt-4.1", 1.0): 0.8}


def run(number: int, model: str, temperature: float, value: float) -> Report:
    return report(
        f"run-{number}",
        aggregate("accuracy", value, low=None, high=None),
        aggregate("ter", 100 * (1 - value), low=None, high=None, maximum=100.0, higher_is_better=False),
        model={"asked": model, "served": {}, "params": {"temperature": temperature}},
        config={"model": {"params": {"temperature": temperature}}, "seed": 0},
        cost={"usd": number / 100, "paid_usd": 0.0, "prices": {"recorded": None}},
    )


@pytest.fixture
def rows() -> list[Row]:
    runs = [run(number, *place, value) for number, (place, value) in enumerate(SCORES.items(), start=1)]
    return [Row(number, {}, one) for number, one in enumerate(runs, start=1)]


def cells(rows: list[Row], axes: str, metric: str | None = None) -> list[tuple[str, ...]]:
    (grid,) = pivots(rows, axes_of(axes), metric)
    table = text_table(grid)
    return [table.header, *table.rows]


def test_models_by_temperature_with_the_best_of_each_column(rows: list[Row]) -> None:
    assert cells(rows, "model,temperature", "accuracy") == [
        ("model", "temperature 0", "temperature 1"),
        ("gpt-4o", "90.0*", "70.0"),
        ("gpt-4.1", "85.0", "80.0*"),
    ]
    assert cells(rows, "model.params.temperature,model", "accuracy")[1] == ("0", "90.0*", "85.0*")


def test_lower_is_better_where_it_is(rows: list[Row]) -> None:
    assert cells(rows, "model,temperature", "ter")[1:] == [
        ("gpt-4o", "10.0*", "30.0"),
        ("gpt-4.1", "15.0", "20.0*"),
    ]
    assert cells(rows, "model,temperature", "cost_usd")[1] == ("gpt-4o", "0.0100*", "0.0200*")


def test_metrics_as_columns_and_as_rows(rows: list[Row]) -> None:
    hot = [one for one in rows if one.report is not None and one.report.model["params"]["temperature"] == 1.0]
    assert cells(hot, "model,metric") == [
        ("model", "accuracy", "ter"),
        ("gpt-4o", "70.0", "30.0"),
        ("gpt-4.1", "80.0*", "20.0*"),
    ]
    assert cells(hot, "metric,model") == [
        ("metric", "model gpt-4o", "model gpt-4.1"),
        ("accuracy", "70.0", "80.0*"),
        ("ter", "30.0", "20.0*"),
    ]


def test_without_a_metric_there_is_a_table_for_each(rows: list[Row]) -> None:
    assert [one.title for one in pivots(rows, ("model", "temperature"), None)] == ["accuracy", "ter"]


def test_place_without_a_run_is_a_dash(rows: list[Row]) -> None:
    assert cells(rows[:3], "model,temperature", "accuracy")[2] == ("gpt-4.1", "85.0", "-")


def test_difference_from_the_row_of_reference_stands_beside_the_value(rows: list[Row]) -> None:
    marks = {("run-2", "accuracy"): Mark(-20.0, 0.0004)}
    (grid,) = pivots(rows, ("model", "temperature"), "accuracy", marks=marks)
    assert text_table(grid).rows[0][2] == "70.0 -20.0 (p < 0.001)"
    assert records_of(grid)["rows"][0]["temperature 1"] == {
        "value": 0.7, "low": None, "high": None, "best": False, "points": -20.0, "p_adjusted": 0.0004,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "metric", "says"),
    [
        ("model", None, "write two different axes"),
        ("model,model", None, "write two different axes"),
        ("model,", None, "write two different axes"),
        ("model,temprature", None, 'no axis temprature (did you mean "temperature"?)'),
        ("model,temperature", "acuracy", 'no such value (did you mean "accuracy"?)'),
        ("model,task", None, "they differ in model.params.temperature"),
    ],
)
def test_mistakes_say_what_to_write(axes: str, metric: str | None, says: str, rows: list[Row]) -> None:
    with pytest.raises(UsageError) as caught:
        pivots(rows, axes_of(axes), metric)
    assert says in str(caught.value)


def test_rows_are_sorted_best_first_and_what_has_no_value_last(rows: list[Row]) -> None:
    (grid,) = pivots(rows[:3], ("model", "temperature"), "accuracy")

    def order(column: str) -> list[str]:
        return [row[0].text for row in sort_rows(grid, column).rows]

    assert order("temperature 0") == ["gpt-4o", "gpt-4.1"]
    assert order("-temperature 0") == ["gpt-4.1", "gpt-4o"]
    assert order("temperature 1") == order("-temperature 1") == ["gpt-4o", "gpt-4.1"]
    assert order("model") == ["gpt-4.1", "gpt-4o"]
    with pytest.raises(UsageError, match="no such column"):
        sort_rows(grid, "temperature 2")


def test_lower_values_come_first_where_lower_is_better(rows: list[Row]) -> None:
    (grid,) = pivots(rows, ("model", "temperature"), "ter")
    assert [row[0].text for row in sort_rows(grid, "temperature 1").rows] == ["gpt-4.1", "gpt-4o"]


def test_settings_that_are_numbers_are_sorted_as_numbers() -> None:
    runs = [Row(n, {}, run(n, "m", value, 0.5)) for n, value in enumerate((10.0, 2.0, 0.5), start=1)]
    (grid,) = pivots(runs, ("temperature", "model"), "accuracy")
    assert [row[0].text for row in grid.rows] == ["0.5", "2", "10"]
    assert [row[0].text for row in sort_rows(grid, "-temperature").rows] == ["10", "2", "0.5"]
