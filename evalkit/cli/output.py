"""Printing tables: bold and fitted on a terminal, whole and plain in a pipe, or as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evalkit.report.table import Table

RIGHT = {"score", "n", "failed", "unparsed"}


def print_table(table: Table) -> None:
    """Print a table and its note."""
    table = _shown(table)
    if not sys.stdout.isatty():
        print("\n".join(plain_lines(table)))
        print(table.note)
        return
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(caption=table.note, caption_justify="left", header_style="bold")
    for name in table.header:
        shown.add_column(name, justify="right" if name in RIGHT else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))  # Text: a name in [brackets] is no markup
    Console().print(shown)


def one_line(text: str) -> str:
    """Return a text on one line, without characters that could steer the terminal."""
    from evalkit.report.markdown import harmless

    return harmless(" ".join(text.split()))


def plain_lines(table: Table) -> list[str]:
    """Return aligned lines, never cut."""
    from rich.cells import cell_len

    rows = [table.header, *table.rows]
    widths = [max(cell_len(row[place]) for row in rows) for place in range(len(table.header))]
    lines = []
    for row in rows:
        cells = []
        for name, cell, width in zip(table.header, row, widths, strict=True):
            gap = " " * (width - cell_len(cell))
            cells.append(gap + cell if name in RIGHT else cell + gap)
        lines.append("  ".join(cells).rstrip())
    return lines


def print_json(value: Any) -> None:
    """Print plain data; with escapes where the output cannot hold a text (lone surrogates, ASCII pipes)."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, ensure_ascii=True, indent=2)
    print(text)


def note(text: str) -> None:
    """Say something beside the output, on one line."""
    print(one_line(text), file=sys.stderr)


def _shown(table: Table) -> Table:
    """Names come from configs, servers and other people's reports: each cell is one harmless line."""
    from dataclasses import replace

    return replace(
        table,
        header=tuple(map(one_line, table.header)),
        rows=tuple(tuple(map(one_line, row)) for row in table.rows),
    )
