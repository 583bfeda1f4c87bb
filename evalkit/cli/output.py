"""Printing tables: bold and fitted on a terminal, whole and plain in a pipe, or as JSON."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.table import Table as RichTable

    from evalkit.report.table import Table

BOLD, RESET = "\x1b[1m", "\x1b[0m"
SPARE = (
    "run",
    "dataset",
    "trials",
    "detectable",
    "adjusted p",
)  # dropped in this order where a terminal is narrow
RIGHT = {"#", "score", "n", "failed", "unparsed"}


def print_table(table: Table) -> None:
    """Print a table and its note."""
    table = _shown(table)
    if not sys.stdout.isatty():
        print("\n".join(plain_lines(table)))
        print(wrapped("", table.note))
        return
    from rich.cells import cell_len
    from rich.console import Console

    console = Console()
    for fitted in _narrower(table):
        header, *rows = plain_lines(fitted)
        if max(map(cell_len, (header, *rows))) <= console.width:
            print("\n".join((f"{BOLD}{header}{RESET}", *rows)))
            break
    else:
        console.print(_folded(fitted))
    print(wrapped("", table.note))


def print_tables(tables: Sequence[Table]) -> None:
    """Print tables with an empty line between them."""
    for place, table in enumerate(tables):
        if place:
            print()
        print_table(table)


def _narrower(table: Table) -> Iterator[Table]:
    """Yield the table, then without the columns that a terminal can do without; a pipe always gets all."""
    from dataclasses import replace

    yield table
    for name in SPARE:
        if name in table.header[1:]:  # the first column is what the rows are about
            place = table.header.index(name)
            rows = tuple(row[:place] + row[place + 1 :] for row in table.rows)
            table = replace(table, header=table.header[:place] + table.header[place + 1 :], rows=rows)
            yield table


def _folded(table: Table) -> RichTable:
    """Return the whole table with its cells folded: for a terminal that is too narrow for all else."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(box=SIMPLE_HEAD, header_style="bold", padding=(0, 1))
    for name in table.header:
        shown.add_column(name, justify="right" if name in RIGHT else "left", overflow="fold")
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))  # Text: a name in [brackets] is no markup
    return shown


def wrapped(start: str, text: str) -> str:
    """Return text behind a column, folded under itself on a terminal; in a pipe an entry stays one line."""
    if not sys.stdout.isatty():
        return f"{start}{text}".rstrip()
    from shutil import get_terminal_size
    from textwrap import TextWrapper

    width = max(get_terminal_size().columns, len(start) + 20)
    folding = TextWrapper(width, subsequent_indent=" " * len(start), break_long_words=False)
    folding.break_on_hyphens = False  # a setting or a model's name can be copied whole
    return "\n".join(folding.fill(start + line) for line in text.split("\n"))


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
    from evalkit.client.redaction import hide

    print(one_line(hide(text)), file=sys.stderr)


def print_traceback() -> None:
    """Print the error that is being handled, as Python does; its texts may quote settings or a server."""
    import traceback

    from evalkit.client.redaction import hide

    print(hide(traceback.format_exc()), end="", file=sys.stderr)


def _shown(table: Table) -> Table:
    """Names come from configs, servers and other people's reports: each cell is one harmless line."""
    from dataclasses import replace

    return replace(
        table,
        header=tuple(map(one_line, table.header)),
        rows=tuple(tuple(map(one_line, row)) for row in table.rows),
    )
