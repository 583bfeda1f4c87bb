"""Tables of values: what each cell shows and the number behind it; every format is made from these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from evalkit.errors import UsageError, did_you_mean
from evalkit.records import Aggregate
from evalkit.report.base import finite
from evalkit.report.table import Table, moved, shown

BEST = "*"
SMALL_P = 0.001
LEVELS = ((0.01, "**"), (0.05, "*"))
"""Adjusted p-values and the stars that stand for them, the smallest first."""


class Kind(Enum):
    """What a column holds, and so how a format aligns and spells it."""

    TEXT = "text"
    NUMBER = "number"
    """Counts, US dollars, seconds: shown as they are."""
    SCORE = "score"
    """Stored in the metric's own scale, shown out of 100, with an interval."""
    INTERVAL = "interval"
    """The interval of the score beside it, for tables that give it a column."""


@dataclass(frozen=True)
class Mark:
    """How a score differs from the row of reference: `points` of 100, two-sided p adjusted over the table.

    Where the metric has a unit of its own, the difference is in that.
    """

    points: float
    p: float
    unit: str | None = None

    @property
    def text(self) -> str:
        """How a table shows it: `+2.1 (p = 0.031)`."""
        p = f"< {SMALL_P:g}" if self.p < SMALL_P else f"= {self.p:.3f}"
        return f"{moved(self.points, 100.0, self.unit)} (p {p})"

    @property
    def stars(self) -> str:
        """Return the stars of its significance; empty at 0.05 and above."""
        return next((stars for level, stars in LEVELS if self.p < level), "")


@dataclass(frozen=True)
class Column:
    """A header and how its cells compare; `higher_is_better` is None where no cell is the best."""

    name: str
    kind: Kind = Kind.TEXT
    higher_is_better: bool | None = None


@dataclass(frozen=True)
class Cell:
    """A value as text, and as stored: `number`, `low`, `high` in the metric's own scale up to `maximum`."""

    text: str
    number: float | None = None
    low: float | None = None
    high: float | None = None
    maximum: float = 1.0
    best: bool = False
    mark: Mark | None = None
    unit: str | None = None

    @property
    def interval(self) -> str:
        """Return `[81.2, 92.0]`, or nothing."""
        if self.low is None or self.high is None:
            return ""
        return f"[{shown(self.low, self.maximum, self.unit)}, {shown(self.high, self.maximum, self.unit)}]"


@dataclass(frozen=True)
class Grid:
    """Columns, rows of as many cells, and a note that says how to read them.

    The first `once` columns name a run and are written once for neighbours with the same last cell. `measure`
    is the value that all score columns hold, where they hold the same one.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str
    title: str = ""
    once: int = 0
    measure: str = ""

    @property
    def has_best(self) -> bool:
        """Whether a cell is marked as the best."""
        return any(cell.best for row in self.rows for cell in row)

    @property
    def marks(self) -> list[Mark]:
        """The differences from the row of reference."""
        return [cell.mark for row in self.rows for cell in row if cell.mark is not None]

    @property
    def apart(self) -> bool:
        """Whether intervals have a column of their own."""
        return any(column.kind is Kind.INTERVAL for column in self.columns)


def score_cell(one: Aggregate, mark: Mark | None = None) -> Cell:
    """Return a metric's value with its interval."""
    low, high = finite(one.low), finite(one.high)
    if low is None or high is None:
        low = high = None
    text = shown(one.value, one.maximum, one.unit)
    return Cell(text, finite(one.value), low, high, one.maximum, mark=mark, unit=one.unit)


def number_cell(value: float | None, form: str = "{:g}") -> Cell:
    """Return a number as the form spells it, whole ones in full, a dash for None."""
    if value is None:
        return Cell("-")
    return Cell(str(value) if isinstance(value, int) else form.format(value), value)


def grid_of(table: Table, title: str = "") -> Grid:
    """Return a table of texts as a grid."""
    rows = tuple(tuple(map(Cell, row)) for row in table.rows)
    return Grid(tuple(map(Column, table.header)), rows, table.note, title)


def with_best(grid: Grid, *, across: bool = False) -> Grid:
    """Mark the best of each column where its values differ; `across`: the best of each row instead.

    Across a row the cells share the direction of its first score column.
    """
    if across:
        higher = next((one.higher_is_better for one in grid.columns if one.kind is Kind.SCORE), None)
        return replace(grid, rows=tuple(_marked(row, higher) for row in grid.rows))
    columns = [
        _marked([row[place] for row in grid.rows], column.higher_is_better)
        for place, column in enumerate(grid.columns)
    ]
    return replace(grid, rows=tuple(zip(*columns, strict=True)))


def _marked(cells: Sequence[Cell], higher_is_better: bool | None) -> tuple[Cell, ...]:  # noqa: FBT001
    known = [one.number for one in cells if one.number is not None]
    if higher_is_better is None or len(known) < 2 or min(known) == max(known):  # noqa: PLR2004
        return tuple(cells)
    best = (max if higher_is_better else min)(known)
    return tuple(replace(one, best=one.number == best) for one in cells)


def sort_rows(grid: Grid, wanted: str) -> Grid:
    """Order the rows by a column, the best first, else ascending; `-COLUMN` the other way round.

    What has no value comes last. UsageError for a column that is not there.
    """
    names = [column.name for column in grid.columns]
    name = wanted if wanted in names else wanted.removeprefix("-")
    if name not in names:
        raise UsageError(
            f"--sort {wanted}: no such column{did_you_mean(name, names)}; there are {', '.join(names)}"
        )
    place = names.index(name)
    reverse = bool(grid.columns[place].higher_is_better) is (name == wanted)
    numbers = [_number(row[place]) for row in grid.rows]
    told = all(one is not None or row[place].text == "-" for one, row in zip(numbers, grid.rows, strict=True))

    def known(row: tuple[Cell, ...]) -> bool:
        return row[place].text != "-" if not told else _number(row[place]) is not None

    def key(row: tuple[Cell, ...]) -> float | str:
        number = _number(row[place])
        return number if told and number is not None else row[place].text

    first = sorted(filter(known, grid.rows), key=key, reverse=reverse)
    return replace(grid, rows=(*first, *(row for row in grid.rows if not known(row))))


def with_columns(grid: Grid, wanted: Sequence[str]) -> Grid:
    """Keep these columns, in this order; UsageError for one that is not there."""
    names = [column.name for column in grid.columns]
    for name in wanted:
        if name not in names:
            raise UsageError(
                f"--columns {name}: no such column{did_you_mean(name, names)}; there are {', '.join(names)}"
            )
    places = [names.index(name) for name in wanted]
    rows = tuple(tuple(row[place] for place in places) for row in grid.rows)
    # Neighbours are told apart by the last column: without it every row is written whole.
    once = sum(place < grid.once for place in places) if places[-1] == len(names) - 1 else 0
    return replace(grid, columns=tuple(grid.columns[place] for place in places), rows=rows, once=once)


def _number(cell: Cell) -> float | None:
    """Return the number behind a cell; settings like a temperature are texts that read as one."""
    if cell.number is not None:
        return cell.number
    try:
        number = float(cell.text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def records_of(grid: Grid) -> dict[str, Any]:
    """Return a grid as plain data: stored values, and texts where there is no number behind them."""
    rows = [
        {column.name: _plain(cell) for column, cell in zip(grid.columns, row, strict=True)}
        for row in grid.rows
    ]
    return {
        "title": grid.title,
        "columns": [one.name for one in grid.columns],
        "rows": rows,
        "note": grid.note,
    }


def _plain(cell: Cell) -> Any:
    if cell.number is None:
        return None if cell.text == "-" else cell.text
    if not cell.interval and cell.mark is None:
        return cell.number
    found: dict[str, Any] = {"value": cell.number, "low": cell.low, "high": cell.high, "best": cell.best}
    if cell.mark is not None:
        found |= {"points": cell.mark.points, "p_adjusted": cell.mark.p}
    return found


def text_table(grid: Grid) -> Table:
    """Return a grid as a table of texts, for a terminal or a pipe."""
    rows: list[tuple[str, ...]] = []
    for place, row in enumerate(grid.rows):
        cells = tuple(_spelled(cell, apart=grid.apart) for cell in row)
        same = place and grid.once and grid.rows[place - 1][-1].text == row[-1].text
        rows.append(("",) * grid.once + cells[grid.once :] if same else cells)
    reading = f"{BEST} best of its column" if grid.has_best else ""
    note = "; ".join(part for part in (grid.title, grid.note, reading) if part)
    return Table(tuple(column.name for column in grid.columns), tuple(rows), note)


def _spelled(cell: Cell, *, apart: bool) -> str:
    mark = cell.mark.text if cell.mark is not None else ""
    value = cell.text + BEST * cell.best
    return " ".join(filter(None, (value, "" if apart else cell.interval, mark)))
