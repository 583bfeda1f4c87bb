"""LaTeX tables after the booktabs package: the best in bold, stars for significance, every text escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator

from evalkit.report.grid import LEVELS, Cell, Grid, Kind
from evalkit.report.markdown import harmless
from evalkit.report.renderers.base import Publication

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\char34{}",  # babel's German gives it a meaning
}
ESCAPES = str.maketrans(SPECIAL)
_LIGATURE = re.compile(r"([-',])(?=\1)")  # -- would be set as a dash, '' as a quotation mark
_ARGUMENT = re.compile(r"^(?=[\[*])")  # after \\ and \midrule a row's first [ would begin an argument


def render(publication: Publication) -> str:
    """Return a table environment for each table; they need the booktabs package."""
    head = "% needs \\usepackage{booktabs}; other than Latin letters need XeLaTeX or LuaLaTeX and a font"
    tables = (_table(grid, grid.title or publication.title) for grid in publication.grids)
    return "\n".join((head, *tables)) + "\n"


def escape(text: str) -> str:
    """Return text that LaTeX sets letter by letter, on one line."""
    plain = harmless(" ".join(text.split())).translate(ESCAPES)
    return _ARGUMENT.sub("{}", _LIGATURE.sub(r"\1{}", plain))


def _table(grid: Grid, title: str) -> str:
    aligned = "".join("l" if column.kind is Kind.TEXT else "r" for column in grid.columns)
    return "\n".join(
        (
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{escape(title)}}}",
            rf"  \begin{{tabular}}{{{aligned}}}",
            r"    \toprule",
            rf"    {' & '.join(escape(column.name) for column in grid.columns)} \\",
            r"    \midrule",
            *(rf"    {' & '.join(_cell(cell, apart=grid.apart) for cell in row)} \\" for row in grid.rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            rf"  \par\smallskip\footnotesize {'; '.join(_notes(grid))}",
            r"\end{table}",
        )
    )


def _notes(grid: Grid) -> Iterator[str]:
    yield escape(grid.note)
    if grid.has_best:
        yield "bold: best"
    if any(mark.stars for mark in grid.marks):
        yield ", ".join(f"$^{{{stars}}}$ $p < {level:g}$" for level, stars in reversed(LEVELS))


def _cell(cell: Cell, *, apart: bool) -> str:
    value = rf"\textbf{{{escape(cell.text)}}}" if cell.best else _number(cell.text)
    if cell.mark is not None and cell.mark.stars:
        value += f"$^{{{cell.mark.stars}}}$"
    if cell.interval and not apart:
        value += rf" {{\scriptsize {escape(cell.interval)}}}"
    return value


def _number(text: str) -> str:
    """Set signed numbers with a minus sign."""
    signed = text[:1] in {"-", "+"} and text[1:].replace(".", "", 1).isdigit()
    return f"${text}$" if signed else escape(text)
