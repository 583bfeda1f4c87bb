"""Charts of a table: scores with their intervals, and quality against cost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from evalkit.errors import UsageError
from evalkit.report.grid import Cell, Grid, Kind
from evalkit.report.renderers.base import Publication
from evalkit.report.renderers.svg import drawing, fitted, line, number, ticks, width_of, words

WIDTH = 760
MARGIN = 20
ROW = 26
LABELS = 250
"""The most that names may take of the width."""
VALUES = 150
HEAD = 34
FOOT = 30
SMALL = 11
POINTS = 100
COST = "cost USD"
WIDE_RANGE = 20
"""From this ratio of the largest to the smallest cost on, the axis is logarithmic."""


@dataclass(frozen=True)
class Panel:
    """One metric: a name and a cell for each row."""

    metric: str
    rows: Sequence[tuple[str, Cell]]
    of: str = ""
    """What it measures, where panels that measure the same shall share their scale."""

    @property
    def ends(self) -> tuple[float, float]:
        """The lowest and the highest point that is drawn."""
        found = [end for _, cell in self.rows for end in _ends(cell)]
        return min(found), max(found)


@dataclass(frozen=True)
class Scale:
    """Maps values to positions; `base` and `tip` are the positions of the first and the last tick."""

    ticks: Sequence[float]
    base: float
    tip: float
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Return the position of a value."""
        low, high, one = (self._of(each) for each in (self.ticks[0], self.ticks[-1], value))
        return self.base + (one - low) / (high - low or 1.0) * (self.tip - self.base)

    def _of(self, value: float) -> float:
        return math.log10(value) if self.logarithmic else value


def scores(publication: Publication) -> str:
    """Return a dot with its interval for each row, one panel a metric."""
    panels = [panel for grid in publication.grids for panel in _panels(grid)]
    if not panels:
        raise UsageError(f"{publication.title}: no scores to draw")
    names = [name for panel in panels for name, _ in panel.rows]
    labels = min(LABELS, max(width_of(name, 12) for name in names) + 16)
    y = float(MARGIN)
    parts: list[str] = []
    for panel in panels:
        alike = [one.ends for one in panels if one.of == panel.of] if panel.of else [panel.ends]
        reach = ticks(min(low for low, _ in alike), max(high for _, high in alike))
        named = replace(panel, metric=panel.metric or publication.title)
        parts += _score_panel(named, y, Scale(reach, MARGIN + labels, WIDTH - MARGIN - VALUES))
        y += HEAD + ROW * len(panel.rows) + FOOT
    note = next(iter(publication.grids)).note
    parts.append(words((MARGIN, y + 4), fitted(note, SMALL, WIDTH - 2 * MARGIN), "soft", size=SMALL))
    return drawing(WIDTH, y + MARGIN, f"{publication.title}: scores with intervals", parts)


def cost(publication: Publication) -> str:
    """Return the first metric against the cost in US dollars; a line joins what nothing beats in both.

    UsageError where fewer than two rows have a cost.
    """
    for grid in publication.grids:
        found = [one for one in grid.columns if one.kind is Kind.SCORE]
        points = list(_costs(grid, found[0].name)) if found else []
        if len(points) > 1:
            higher = found[0].higher_is_better is not False
            return _cost_chart(publication.title, found[0].name, points, higher=higher)
    raise UsageError(
        f"{publication.title}: fewer than two rows with a cost: set model.prices (docs/models.md) and "
        "name the runs of a sweep"
    )


def labels_of(grid: Grid) -> list[str]:
    """Return a name for each row: its texts that differ between rows, else all of them."""
    texts, differing = _texts(grid)
    names = [_joined(row, differing or texts) for row in grid.rows]
    if len(set(names)) == len(names) or grid.columns[-1].name != "run":
        return names
    return [
        f"{name} {row[-1].text}" if names.count(name) > 1 else name
        for name, row in zip(names, grid.rows, strict=True)
    ]


def _texts(grid: Grid) -> tuple[list[int], list[int]]:
    """Return the places of the columns that can name a row, and of those that differ between rows."""
    texts = [
        place
        for place, column in enumerate(grid.columns)
        if column.kind is Kind.TEXT and column.name not in {"run", "metric"}
    ]
    return texts, [place for place in texts if len({row[place].text for row in grid.rows}) > 1]


def _joined(row: Sequence[Cell], places: Sequence[int]) -> str:
    """Return the texts of a row, each once: task and dataset are often called alike."""
    return ", ".join(dict.fromkeys(row[place].text for place in places))


def _panels(grid: Grid) -> Iterator[Panel]:
    names = labels_of(grid)
    columns = [column.name for column in grid.columns]
    if grid.apart and {"metric", "score"} <= set(columns):
        yield from _long_panels(grid, columns.index("metric"), columns.index("score"))
        return
    for place, column in enumerate(grid.columns):
        if column.kind is Kind.SCORE:
            rows = [(name, row[place]) for name, row in zip(names, grid.rows, strict=True)]
            rows = [(name, cell) for name, cell in rows if cell.number is not None]
            if rows:
                yield Panel(", ".join(filter(None, (grid.measure, column.name))), rows, grid.measure)


def _long_panels(grid: Grid, metric: int, score: int) -> Iterator[Panel]:
    """A line a metric: a panel for each metric of several runs; one panel of all where none is shared."""
    by_metric: dict[str, list[tuple[Cell, ...]]] = {}
    for row in grid.rows:
        if row[score].number is not None:
            by_metric.setdefault(row[metric].text, []).append(row)
    if by_metric and max(map(len, by_metric.values())) == 1:
        _, differing = _texts(grid)
        named = (
            (", ".join(filter(None, (_joined(row, differing), name))), row)
            for name, (row,) in by_metric.items()
        )
        yield Panel("", [(name, row[score]) for name, row in named])
        return
    for name, rows in by_metric.items():
        names = labels_of(Grid(grid.columns, tuple(rows), ""))
        yield Panel(name, [(label, row[score]) for label, row in zip(names, rows, strict=True)])


def _score_panel(panel: Panel, y: float, scale: Scale) -> Iterator[str]:
    top, bottom = y + HEAD - 8, y + HEAD + ROW * len(panel.rows)
    yield words((MARGIN, y + 14), fitted(panel.metric, 14, WIDTH - 2 * MARGIN), size=14)
    for tick in scale.ticks:
        yield line((scale.at(tick), top), (scale.at(tick), bottom), "rule")
        yield words((scale.at(tick), bottom + 15), f"{tick:g}", "soft", "middle", SMALL)
    for place, (name, cell) in enumerate(panel.rows):
        yield from _score_row(name, cell, scale, y + HEAD + ROW * place + ROW / 2 - 4)


def _score_row(name: str, cell: Cell, scale: Scale, y: float) -> Iterator[str]:
    low, value, high = _low_value_high(cell)
    yield words((MARGIN, y + 4), fitted(name, 12, scale.base - MARGIN - 16))
    if cell.interval:
        yield line((scale.at(low), y), (scale.at(high), y), "bar", 2)
        for end in (low, high):
            yield line((scale.at(end), y - 4), (scale.at(end), y + 4), "bar", 2)
    yield _dot((scale.at(value), y), "top" if cell.best else "dot")
    best = " best" if cell.best else ""
    told = " ".join(filter(None, (cell.text, cell.interval)))
    yield words((WIDTH - MARGIN - VALUES + 18, y + 4), told + best, "ink", size=SMALL)


def _cost_chart(title: str, metric: str, points: Sequence[tuple[str, float, Cell]], *, higher: bool) -> str:
    costs = [price for _, price, _ in points]
    wide = min(costs) > 0 and max(costs) / min(costs) >= WIDE_RANGE
    height = 420.0
    across = Scale(
        _powers(min(costs), max(costs)) if wide else ticks(0.0, max(costs)), MARGIN + 50, WIDTH - 130, wide
    )
    ends = [end for _, _, cell in points for end in _ends(cell)]
    up = Scale(ticks(min(ends), max(ends)), height - 60, 50)
    parts = [words((MARGIN, 28), fitted(f"{metric} against cost", 14, WIDTH - 2 * MARGIN), size=14)]
    for tick in up.ticks:
        parts.append(line((across.base, up.at(tick)), (across.tip, up.at(tick)), "rule"))
        parts.append(words((across.base - 8, up.at(tick) + 4), f"{tick:g}", "soft", "end", SMALL))
    for tick in across.ticks:
        parts.append(line((across.at(tick), up.base), (across.at(tick), up.base + 5), "rule"))
        parts.append(words((across.at(tick), up.base + 20), f"{tick:g}", "soft", "middle", SMALL))
    axis = "US dollars, logarithmic" if wide else "US dollars"
    parts.append(words(((across.base + across.tip) / 2, up.base + 42), axis, "soft", "middle", SMALL))
    parts += _frontier(points, across, up, higher=higher)
    taken: list[tuple[float, float, float, float]] = []
    for name, price, cell in points:
        parts += _point(name, (across.at(price), cell), up, taken)
    return drawing(WIDTH, height, f"{title}: {metric} against cost", parts)


def _point(
    name: str, at: tuple[float, Cell], up: Scale, taken: list[tuple[float, float, float, float]]
) -> Iterator[str]:
    """Draw a point, its interval, and its name where there is room."""
    x, cell = at
    low, value, high = _low_value_high(cell)
    y = up.at(value)
    if cell.interval:
        yield line((x, up.at(low)), (x, up.at(high)), "bar pale", 2)
        for end in (low, high):
            yield line((x - 4, up.at(end)), (x + 4, up.at(end)), "bar pale", 2)
    yield _dot((x, y), "dot")
    label = fitted(name, SMALL, 160)
    width = width_of(label, SMALL)
    places = [(x + 9, y + 4), (x - 9 - width, y + 4)]
    places += [(x + 9, y + 4 + shift) for shift in (-14, 14, -28, 28, -42, 42, -56, 56)]
    box = next(
        (
            (left, base - 10, left + width, base + 2)
            for left, base in places
            if left >= MARGIN
            and left + width <= WIDTH - 4
            and all(_apart((left, base - 10, left + width, base + 2), other) for other in taken)
        ),
        (places[0][0], places[0][1] - 10, places[0][0] + width, places[0][1] + 2),
    )
    taken.append(box)
    yield words((box[0], box[3] - 2), label, "ink halo", size=SMALL)


def _dot(at: tuple[float, float], style: str) -> str:
    return f'<circle class="{style}" cx="{number(at[0])}" cy="{number(at[1])}" r="5"/>'


def _apart(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]


def _frontier(
    points: Sequence[tuple[str, float, Cell]], across: Scale, up: Scale, *, higher: bool
) -> Iterator[str]:
    """Join the points that no cheaper one equals, in steps."""
    best: list[tuple[float, float]] = []
    sign = 1 if higher else -1
    for _, price, cell in sorted(points, key=lambda one: (one[1], -sign * (one[2].number or 0.0))):
        value = _low_value_high(cell)[1]
        if not best or sign * value > sign * best[-1][1]:
            best.append((price, value))
    corners = [(across.at(price), up.at(value)) for price, value in best]
    if len(corners) > 1:
        path = f"M{number(corners[0][0])} {number(corners[0][1])}"
        path += "".join(f"H{number(x)}V{number(y)}" for x, y in corners[1:])
        yield f'<path class="edge" d="{path}" fill="none" stroke-width="1.5" stroke-dasharray="5 4"/>'


def _costs(grid: Grid, metric: str) -> Iterator[tuple[str, float, Cell]]:
    names = [column.name for column in grid.columns]
    if COST not in names:
        return
    for label, row in zip(labels_of(grid), grid.rows, strict=True):
        price, cell = row[names.index(COST)].number, row[names.index(metric)]
        if price is not None and cell.number is not None:
            yield label, price, cell


def _low_value_high(cell: Cell) -> tuple[float, float, float]:
    """Return the ends of the interval and the value, of 100; the value itself where it has none."""
    assert cell.number is not None
    scale = POINTS / cell.maximum
    value = cell.number * scale
    if cell.low is None or cell.high is None:
        return value, value, value
    return cell.low * scale, value, cell.high * scale


def _ends(cell: Cell) -> tuple[float, float]:
    low, value, high = _low_value_high(cell)
    return min(low, value), max(high, value)


def _powers(low: float, high: float) -> list[float]:
    """Return powers of ten around two costs."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [float(f"1e{power}") for power in range(first, last + 1)]
