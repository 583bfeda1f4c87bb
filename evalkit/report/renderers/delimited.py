"""CSV and TSV: stored values at full precision, for spreadsheets and scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from evalkit.report.grid import Cell, Grid, Kind
from evalkit.report.markdown import harmless
from evalkit.report.renderers.base import Publication

FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a spreadsheet takes for the beginning of a formula, the full-width forms too."""
_NUMBER = re.compile(r"[+-]?\d*\.?\d*")  # a lone sign, too: tables write a dash for nothing


def csv(publication: Publication) -> str:
    """Return RFC 4180: commas, quotes doubled, lines end in CR LF; tables are kept apart by an empty line."""
    return _lines(publication, ",", "\r\n")


def tsv(publication: Publication) -> str:
    """Return tabs between fields, which hold neither tabs nor line breaks, and nothing is quoted."""
    return _lines(publication, "\t", "\n")


def _lines(publication: Publication, between: str, end: str) -> str:
    blocks = (
        "".join(between.join(_field(one, between) for one in row) + end for row in records(grid))
        for grid in publication.grids
    )
    return end.join(blocks)


def records(grid: Grid) -> Iterator[Sequence[str]]:
    """Yield the header and the rows: a score with its interval and its difference has several fields."""
    parts = [(place, part) for place, column in enumerate(grid.columns) for part in _parts(grid, place)]
    yield [guarded(grid.columns[place].name) + (f"_{part}" if part else "") for place, part in parts]
    for row in grid.rows:
        yield [_value(row[place], part) for place, part in parts]


def guarded(text: str) -> str:
    """Return one harmless line with an apostrophe before what a spreadsheet would compute."""
    line = harmless(" ".join(text.split()))
    return f"'{line}" if line.startswith(FORMULA) and not _NUMBER.fullmatch(line) else line


def _parts(grid: Grid, place: int) -> Iterator[str]:
    column, cells = grid.columns[place], [row[place] for row in grid.rows]
    if column.kind is Kind.INTERVAL:
        return
    yield ""
    if any(cell.interval for cell in cells):
        yield from ("low", "high")
    if any(cell.mark is not None for cell in cells):
        yield from ("points", "p_adjusted")


def _value(cell: Cell, part: str) -> str:
    if part in {"points", "p_adjusted"}:
        mark = cell.mark
        number = None if mark is None else mark.points if part == "points" else mark.p
    else:
        number = {"low": cell.low, "high": cell.high}.get(part, cell.number)
    if number is not None:
        return f"{number:.15g}"
    return "" if part or cell.text == "-" else guarded(cell.text)


def _field(text: str, between: str) -> str:
    if between == "\t":
        return text
    return '"' + text.replace('"', '""') + '"' if any(one in text for one in ',"\r\n') else text
