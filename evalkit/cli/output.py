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
    """Print plain data."""
    print(json.dumps(value, ensure_ascii=False, indent=2))


def note(text: str) -> None:
    """Say something beside the output."""
    print(text, file=sys.stderr)
