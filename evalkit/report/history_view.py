"""The history as a table and as a line chart: a panel for each metric, a line for each model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from evalkit.errors import UsageError
from evalkit.report.grid import Cell, Column, Grid, Kind, number_cell
from evalkit.report.history import ALPHA, Point, Series
from evalkit.report.renderers.svg import drawing, fitted, line, number, ticks, words
from evalkit.report.renderers.xml import attributes, text
from evalkit.report.table import NOTE, shown, units_note

COLUMNS = (
    *(Column("task"), Column("dataset"), Column("model"), Column("metric"), Column("date")),
    *(Column("score", Kind.SCORE), Column("interval", Kind.INTERVAL), Column("n", Kind.NUMBER)),
    *(Column("changed"), Column("run")),
)
LEVELS = f"levels by CUSUM and permutation, at most {ALPHA:.0%} false alarms a series"

WIDTH, PANEL, MARGIN, LEFT, SMALL = 760.0, 200.0, 16.0, 64.0, 11.0
HEAD, FOOT = 30.0, 46.0


@dataclass(frozen=True)
class Look:
    """How the line of one model is told from the others: by colour, dashes, and the corners of its points.

    Without corners a point is round; dashes and corners are seen whatever colours a reader sees.
    """

    colour: str
    dash: str = ""
    corners: str = ""


COLOURS = ("", "second", "third", "fourth")
LINES = (
    ("", ""),
    ("7 4", "-4,-4 4,-4 4,4 -4,4"),
    ("2 4", "0,-5 5,0 0,5 -5,0"),
    ("9 4 2 4", "0,-5 5,4 -5,4"),
)
LOOKS = [Look(COLOURS[k % 4], *LINES[(k + k // 4) % 4]) for k in range(16)]
"""Each colour and each line by turns, then in other pairs: sixteen models before two look alike."""

STYLE = """\
.bar.second{stroke:#bc4c00}.dot.second{fill:#bc4c00}.bar.third{stroke:#8250df}.dot.third{fill:#8250df}
.bar.fourth{stroke:#a40e63}.dot.fourth{fill:#a40e63}
@media (prefers-color-scheme:dark){
.bar.second{stroke:#f0883e}.dot.second{fill:#f0883e}.bar.third{stroke:#b794ff}.dot.third{fill:#b794ff}
.bar.fourth{stroke:#f778ba}.dot.fourth{fill:#f778ba}}"""
"""Colours of the second and later models, after those of every drawing."""


def history_grid(series: Sequence[Series]) -> Grid:
    """One line for each published value, oldest first in each series."""
    rows = [_row(one, point) for one in series for point in one.points]
    units = units_note({one.metric: one.unit for one in series})
    return Grid(COLUMNS, tuple(rows), f"{NOTE.format(intervals=' with their intervals')}{units}; {LEVELS}")


def history_json(series: Sequence[Series]) -> list[dict[str, Any]]:
    """Return the series as plain data."""
    return [
        {
            **{name: getattr(one, name) for name in ("task", "dataset", "model", "metric", "maximum")},
            "points": [
                {
                    **{name: point.data[name] for name in ("run_id", "created")},
                    **{name: point.metric[name] for name in ("value", "low", "high", "n")},
                    "marks": list(point.marks),
                }
                for point in one.points
            ],
        }
        for one in series
    ]


def history_svg(series: Sequence[Series]) -> str:
    """Return line charts with intervals; what changed is a vertical line. UsageError with nothing to draw."""
    panels: dict[tuple[str, str, str], list[Series]] = {}
    for one in series:
        if any(point.value is not None for point in one.points):
            panels.setdefault((one.task, one.dataset, one.metric), []).append(one)
    if not panels:
        raise UsageError("nothing to draw; publish runs first: evalkit history add RUN")
    height = MARGIN + sum(PANEL + 16 * len(some) for some in panels.values())
    parts = [f"<style>{STYLE}</style>"]
    y = MARGIN
    for (task, dataset, metric), some in panels.items():
        name = task if dataset == task else f"{task} on {dataset}"
        parts += _panel(f"{name}: {metric}", some, y)
        y += PANEL + 16 * len(some)
    return drawing(WIDTH, height, "Published scores over time", parts)


def _row(series: Series, point: Point) -> tuple[Cell, ...]:
    low, high = point.metric["low"], point.metric["high"]
    if low is None or high is None:
        low = high = None
    text = shown(point.value, series.maximum, series.unit)
    score = Cell(text, point.value, low, high, series.maximum, unit=series.unit)
    return (
        *map(Cell, (series.task, series.dataset, series.model, series.metric, point.day)),
        *(score, Cell(score.interval or "-"), number_cell(point.metric.get("n"))),
        *(Cell("; ".join(point.marks)), Cell(str(point.data["run_id"]))),
    )


class _Axes:
    """Positions of times and values in one panel; equal times stand in the middle."""

    def __init__(self, series: Sequence[Series], y: float) -> None:
        points = [point for one in series for point in one.points if point.value is not None]
        seconds = [_seconds(point) for point in points]
        ends = [end for one in series for point in one.points for end in _ends(point, one.maximum)]
        self.ticks = ticks(min(ends), max(ends), 5)
        self.top, self.bottom = y + HEAD, y + PANEL - FOOT
        self.first, self.last = min(seconds), max(seconds)
        self.days = (min(point.day for point in points), max(point.day for point in points))

    def x(self, point: Point) -> float:
        span = self.last - self.first
        share = (_seconds(point) - self.first) / span if span else 0.5
        return LEFT + 8 + share * (WIDTH - MARGIN - LEFT - 16)

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return self.bottom - (value - low) / (high - low or 1.0) * (self.bottom - self.top)


def _panel(title: str, series: Sequence[Series], y: float) -> Iterator[str]:
    axes = _Axes(series, y)
    yield words((MARGIN, y + 14), fitted(title, 14, WIDTH - 2 * MARGIN), size=14)
    for tick in axes.ticks:
        yield line((LEFT, axes.y(tick)), (WIDTH - MARGIN, axes.y(tick)), "rule")
        yield words((LEFT - 8, axes.y(tick) + 4), f"{tick:g}", "soft", "end", SMALL)
    first, last = axes.days
    yield words((LEFT, axes.bottom + 18), first, "soft", size=SMALL)
    if last != first:
        yield words((WIDTH - MARGIN, axes.bottom + 18), last, "soft", "end", SMALL)
    for place, one in enumerate(series):
        look = LOOKS[place % len(LOOKS)]
        yield from _line(one, axes, look)
        at = axes.bottom + 38 + 16 * place
        yield _stroke([(LEFT, at - 4), (LEFT + 36, at - 4)], look)
        yield _point((LEFT + 18, at - 4), look)
        last_point = one.points[-1]
        told = f"{one.model}: {shown(last_point.value, one.maximum, one.unit)} on {last_point.day}"
        yield words((LEFT + 44, at), fitted(told, 12, WIDTH - LEFT - 60))


def _line(series: Series, axes: _Axes, look: Look) -> Iterator[str]:
    scale = 100 / series.maximum
    known = [point for point in series.points if point.value is not None]
    yield _stroke([(axes.x(one), axes.y((one.value or 0.0) * scale)) for one in known], look)
    for one in known:
        x, low, high = axes.x(one), *_ends(one, series.maximum)
        yield line((x, axes.y(low)), (x, axes.y(high)), f"bar {look.colour}", 1)
        if one.marks:
            yield line((x, axes.top), (x, axes.bottom), "edge", 1.5)
            yield _mark(one.marks, x, axes.top)
        value = shown(one.value, series.maximum, series.unit)
        told = f"{one.day}: {value}" + "".join(f"; {mark}" for mark in one.marks)
        yield _point((x, axes.y((one.value or 0.0) * scale)), look, told)


def _point(at: tuple[float, float], look: Look, told: str = "") -> str:
    x, y = map(number, at)
    title = f"<title>{text(told)}</title>" if told else ""
    style = f"dot {look.colour}"
    if not look.corners:
        return f"<circle{attributes({'cx': x, 'cy': y, 'r': 3.5, 'class': style})}>{title}</circle>"
    placed = {"points": look.corners, "transform": f"translate({x} {y})", "class": style}
    return f"<polygon{attributes(placed)}>{title}</polygon>"


def _mark(marks: Sequence[str], x: float, top: float) -> str:
    """Say beside its line what changed: an image in a page shows no tooltips."""
    named = ", ".join(map(_in_short, marks))
    left = x > (LEFT + WIDTH) / 2
    label = fitted(named, SMALL, (x - LEFT if left else WIDTH - MARGIN - x) - 8)
    at = (x - 5 if left else x + 5, top + 10)
    return words(at, label, "ink halo", "end" if left else "start", SMALL)


def _in_short(mark: str) -> str:
    """Return `level 80.0 -> 60.0`, `served model`, `prompt`: the table has the rest."""
    if mark.startswith("level"):
        return mark.partition(" (")[0]
    return mark.removesuffix(" changed") if mark.endswith(" changed") else " ".join(mark.split()[:2])


def _stroke(points: Sequence[tuple[float, float]], look: Look) -> str:
    told = {
        "points": " ".join(f"{number(x)},{number(y)}" for x, y in points),
        "class": f"bar {look.colour}",
        "fill": "none",
        "stroke-width": 2,
        **({"stroke-dasharray": look.dash} if look.dash else {}),
    }
    return f"<polyline{attributes(told)}/>"


def _ends(point: Point, maximum: float) -> tuple[float, ...]:
    """Return the interval out of 100; the value twice where there is none."""
    value, low, high = point.value, point.metric["low"], point.metric["high"]
    if value is None:
        return ()
    scale = 100 / maximum
    return ((value if low is None else low) * scale, (value if high is None else high) * scale)


def _seconds(point: Point) -> float:
    return datetime.fromisoformat(str(point.data["created"])).timestamp()
