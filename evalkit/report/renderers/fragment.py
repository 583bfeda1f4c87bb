"""A table as HTML, to be put into a page or shown by a notebook: no style, no script, all texts escaped."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from evalkit.report.grid import Cell, Grid, Kind
from evalkit.report.markdown import harmless
from evalkit.report.renderers.base import Publication


def render(publication: Publication) -> str:
    """Return the tables, one after another."""
    return "\n".join(map(fragment, publication.grids)) + "\n"


def fragment(grid: Grid) -> str:
    """Return one table and its note; the best value is bold, numbers are aligned by a class."""
    head = "".join(f'<th scope="col">{_text(column.name)}</th>' for column in grid.columns)
    lines = [f"<tr>{''.join(_cells(grid, row))}</tr>" for row in grid.rows]
    caption = f"<caption>{_text(grid.title)}</caption>" if grid.title else ""
    note = "; ".join(part for part in (grid.note, "bold: best" if grid.has_best else "") if part)
    return "\n".join(
        (
            f'<table class="evalkit">{caption}',
            f"<thead><tr>{head}</tr></thead>",
            "<tbody>",
            *lines,
            "</tbody>",
            "</table>",
            f"<p>{_text(note)}</p>",
        )
    )


def _cells(grid: Grid, row: tuple[Cell, ...]) -> Iterator[str]:
    for column, cell in zip(grid.columns, row, strict=True):
        kind = "" if column.kind is Kind.TEXT else ' class="number"'
        yield f"<td{kind}>{_cell(cell, apart=grid.apart)}</td>"


def _cell(cell: Cell, *, apart: bool) -> str:
    value = _text(cell.text)
    parts = [f"<strong>{value}</strong>" if cell.best else value]
    if cell.interval and not apart:
        parts.append(f"<small>{cell.interval}</small>")
    if cell.mark is not None:
        parts.append(f"<small>{_text(cell.mark.text)}</small>")
    return " ".join(parts)


def _text(text: str) -> str:
    return escape(harmless(" ".join(text.split())))
