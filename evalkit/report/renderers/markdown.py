"""Markdown for pull requests and step summaries: the verdict first, never too large for GitHub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from evalkit.report.grid import Cell, Grid
from evalkit.report.markdown import code, escape, fenced
from evalkit.report.renderers.base import Excerpt, Publication

LIMIT = 900 * 1024
"""Bytes; GitHub cuts off nothing of a step summary below 1 MiB, and shows nothing of a larger one."""
COMMENT = 60_000
"""Bytes of a comment: GitHub takes 65,536 characters, and whoever writes it adds a line or two."""


def render(publication: Publication, limit: int = LIMIT) -> str:
    """Return verdict, warnings and tables whole, then all the rest that stays within `limit` bytes."""
    parts = list(_first(publication))
    room = limit - _size(parts)
    further = list(_further(publication))
    left_out = [title for title, _ in further]
    for title, text in further:
        if _size([text]) <= room:
            room -= _size([text])
            left_out.remove(title)
            parts.append(text)
    if left_out:
        parts.append(f"_Left out, because this file would be too long: {escape(', '.join(left_out))}._")
    parts += _samples(publication, room)
    return "\n\n".join(parts) + "\n"


def comment(publication: Publication) -> str:
    """Return what has room in the comment of a pull request."""
    return render(publication, COMMENT)


def markdown_table(grid: Grid) -> str:
    """Return a pipe table with the best value in bold."""
    lines = ["| " + " | ".join(escape(column.name) for column in grid.columns) + " |"]
    lines.append("|" + " --- |" * len(grid.columns))
    lines += ["| " + " | ".join(_cell(cell, apart=grid.apart) for cell in row) + " |" for row in grid.rows]
    return "\n".join(lines)


def _first(publication: Publication) -> Iterator[str]:
    yield f"# {escape(publication.title)}"
    if publication.sentence:
        yield f"**{escape(publication.sentence)}**"
    yield from (f"**{escape(warning)}**" for warning in publication.warnings)
    for grid in publication.grids:
        yield from _table(grid)


def _further(publication: Publication) -> Iterator[tuple[str, str]]:
    """Yield what can be left out, with its name."""
    if publication.remarks:
        yield "remarks", "\n".join(f"- {escape(remark)}" for remark in publication.remarks)
    for grid in publication.details:
        yield grid.title, "\n\n".join(_table(grid))
    if publication.facts:
        lines = "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in publication.facts)
        yield "how it was made", f"## How it was made\n\n{lines}"
    for title, text in publication.texts:
        yield title, f"## {escape(title)}\n\n{fenced(text)}"


def _table(grid: Grid) -> Iterator[str]:
    if grid.title:
        yield f"## {escape(grid.title)}"
    if grid.rows:
        yield markdown_table(grid)
    note = "; ".join(part for part in (grid.note, "bold: best" if grid.has_best else "") if part)
    yield f"_{escape(note)}_"


def _cell(cell: Cell, *, apart: bool) -> str:
    value = escape(cell.text)
    parts = [f"**{value}**" if cell.best else value]
    if cell.interval and not apart:
        parts.append(escape(cell.interval))
    if cell.mark is not None:
        parts.append(escape(cell.mark.text))
    return " ".join(parts)


def _samples(publication: Publication, room: int) -> list[str]:
    """Return as many samples as there is room for, worst first, and how many that are."""
    if not publication.samples:
        return []
    found = []
    room -= 200  # the heading and the sentence
    for one in publication.samples:
        text = _sample(one)
        room -= _size([text])
        if room < 0:
            break
        found.append(text)
    cut = len(publication.samples) - len(found)
    shorter = f"; {cut} more would make this file too long" if cut else ""
    return ["## Worst samples", f"{len(found)} of them{shorter}; all are in samples.jsonl.", *found]


def _sample(one: Excerpt) -> str:
    scores = ", ".join(f"{name} {value:.1f}" for name, value in one.scores.items())
    trial = f"trial {one.trial}" if one.trial else ""
    told = ", ".join(filter(None, (trial, scores, one.remark)))
    lines = [f"### {code(one.id)}{f': {escape(told)}' if told else ''}"]
    lines += [f"{escape(name)}:\n\n{fenced(_text(value))}" for name, value in one.input.items()]
    if one.target is not None:
        lines.append(f"target:\n\n{fenced(_text(one.target))}")
    if one.before is not None:
        lines.append(f"baseline's output:\n\n{fenced(one.before)}")
    if one.output is not None:
        lines.append(f"output:\n\n{fenced(one.output)}")
    return "\n\n".join(lines)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _size(parts: list[str]) -> int:
    return sum(len(part.encode("utf-8")) + 2 for part in parts)
