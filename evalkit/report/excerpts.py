"""The samples that a publication quotes: those that scored worst."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from evalkit.report.base import Report
from evalkit.report.line import answer_text
from evalkit.report.renderers.base import Excerpt
from evalkit.report.scores import Scores

BLOCK = 256
"""Answers that are aggregated at once: the weights of a block are a square matrix."""
LONGEST = 2000
"""Characters of each text that is quoted; the whole of it is in samples.jsonl."""

_Answer = tuple[Mapping[str, Any], Mapping[str, float]]  # a line of samples.jsonl and its values by name


def worst(report: Report, most: Mapping[str | None, int]) -> dict[str | None, list[Excerpt]]:
    """Return the answers with the lowest value of each metric, at most so many; one pass over the samples.

    None stands for the first metric that scores single answers. Failed requests come first; equal answers
    stay in dataset order.
    """
    if not any(most.values()):
        return {name: [] for name in most}
    found: dict[str | None, list[_Answer]] = {name: [] for name in most}
    scores = Scores(report)
    for block in _answers(report, scores):
        for name, kept in found.items():
            found[name] = heapq.nsmallest(most[name], chain(kept, block), key=_rank(scores, name))
    return {name: [excerpt(line, values) for line, values in kept] for name, kept in found.items()}


def _rank(scores: Scores, name: str | None) -> Callable[[_Answer], tuple[bool, float]]:
    """Return the order: what failed, then the worst value, and what has none last."""
    higher = {column["name"]: column["higher"] for column in scores.columns}
    by = name if name is not None and name in higher else str(next(iter(higher), ""))
    sign = 1 if higher.get(by, True) else -1
    return lambda one: ("output" in one[0], sign * one[1][by] if by in one[1] else math.inf)


def _answers(report: Report, scores: Scores) -> Iterator[list[_Answer]]:
    """Yield the lines with their answers' own values, a block at a time in dataset order."""
    names = [column["name"] for column in scores.columns]
    for lines in _blocks(report.samples()):
        values = scores.values([line.get("statistics") for line in lines])
        yield [
            (line, {name: one for name, one in zip(names, row or (), strict=False) if one is not None})
            for line, row in zip(lines, values, strict=True)
        ]


def excerpt(line: Mapping[str, Any], scores: Mapping[str, float], before: str | None = None) -> Excerpt:
    """Return a line of samples.jsonl as it is quoted, its texts cut."""
    remark = None
    if "failure" in line:
        failure = line["failure"]
        remark = f"failed: {failure['kind']}, {failure['message']}"
    elif "unparsed" in line:
        remark = f"unparsed: {line['unparsed']}"
    output = answer_text(line) if "output" in line else None
    return Excerpt(
        id=line["id"],
        trial=line.get("trial", 0),
        input={name: _cut(value) for name, value in line.get("input", {}).items()},
        target=_cut(line.get("target")),
        output=None if output is None else _cut(output),
        scores=scores,
        remark=remark,
        before=None if before is None else _cut(before),
    )


def _cut(value: Any) -> Any:
    if not isinstance(value, str) or len(value) <= LONGEST:
        return value
    return f"{value[:LONGEST]}… ({len(value) - LONGEST} more characters)"


def _blocks(lines: Iterable[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    every = iter(lines)
    while block := list(islice(every, BLOCK)):
        yield block
