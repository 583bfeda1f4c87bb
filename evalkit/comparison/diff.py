"""Two runs side by side: what changed in the prompt, and the samples that lost most."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evalkit.comparison.base import Side
from evalkit.comparison.pair import match
from evalkit.comparison.side import metric_of
from evalkit.comparison.slices import right_or_wrong
from evalkit.prompts import parts_of
from evalkit.report.base import Report
from evalkit.report.line import answer_text
from evalkit.report.requests import Requests, text_in

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")


@dataclass(frozen=True)
class Change:
    """One stretch of two texts: `kind` is same, removed or added."""

    kind: str
    text: str


@dataclass(frozen=True)
class SampleDiff:
    """One sample on both sides; `loss` is how much its score fell, as a share of the metric's scale."""

    id: str
    loss: float
    input: Mapping[str, Any]
    target: Any
    before: str
    after: str
    scores: Sequence[tuple[str, float, float]]
    request: Sequence[str]
    """Unified diff of the rendered requests; empty when they are the same."""


def prompt_diff(baseline: Report, candidate: Report) -> list[str]:
    """Return the unified diff of the prompt templates; empty when nothing changed."""
    before, after = (_prompt_lines(report) for report in (baseline, candidate))
    return list(difflib.unified_diff(before, after, "baseline prompt", "candidate prompt", lineterm="", n=3))


def word_diff(before: str, after: str) -> list[Change]:
    """Return the word-level changes that turn one text into the other."""
    old, new = _WORDS.findall(before), _WORDS.findall(after)
    changes: list[Change] = []
    for kind, start, end, other, last in difflib.SequenceMatcher(
        None, old, new, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            changes.append(Change("same", "".join(old[start:end])))
            continue
        if end > start:
            changes.append(Change("removed", "".join(old[start:end])))
        if last > other:
            changes.append(Change("added", "".join(new[other:last])))
    return changes


def sample_diffs(
    reports: tuple[Report, Report], sides: tuple[Side, Side], *, flips: bool = False
) -> list[SampleDiff]:
    """Return samples whose output or score changed, largest loss first; `flips`: right/wrong ones only."""
    before, after = (_lines(report) for report in reports)
    requests = (Requests(reports[0]), Requests(reports[1]))
    found = []
    for name in match(*sides).common:
        signed = list(_scores(sides, name))
        scores = [(value, *pair) for value, pair, _ in signed]
        changed = _shown(before[name]) != _shown(after[name])
        if flips:
            was, now = (right_or_wrong(side, name) for side in sides)
            changed = was is not None and now is not None and was != now
        if changed or (not flips and any(old != new for _, old, new in scores)):
            loss = max((sign * (old - new) for _, (old, new), sign in signed), default=0.0)
            found.append(
                SampleDiff(
                    id=name,
                    loss=loss,
                    input=after[name]["input"],
                    target=after[name]["target"],
                    before=_shown(before[name]),
                    after=_shown(after[name]),
                    scores=scores,
                    request=_request_diff(requests, before[name], after[name]),
                )
            )
    return sorted(found, key=lambda one: -one.loss)


def _scores(sides: tuple[Side, Side], name: str) -> Iterator[tuple[str, tuple[float, float], int]]:
    """Yield each headline value of one sample on both sides, as a share of its scale.

    The third part is 1, or -1 where lower is better.
    """
    for family, described in sides[1].families.items():
        rows = [side.samples[name].rows.get(family) for side in sides]
        if family not in sides[0].families or any(one is None or not len(one) for one in rows):
            continue
        metric = metric_of(described)
        values = [
            metric.aggregate(metric.combine(one)[np.newaxis], np.ones((1, 1)))[0]
            for one in rows
            if one is not None
        ]
        sign = 1 if described.higher_is_better else -1
        for place, value in enumerate(described.names):
            if value in described.headline:
                scale = described.maximum if described.unit is None else 1.0
                old, new = (float(side[place]) / scale for side in values)
                yield value, (old, new), sign


def _lines(report: Report) -> dict[str, dict[str, Any]]:
    return {line["id"]: line for line in report.samples() if line["trial"] == 0}


def _shown(line: Mapping[str, Any]) -> str:
    if "failure" in line:
        return f"(failed: {line['failure']['kind']})"
    return answer_text(line)


def _prompt_lines(report: Report) -> list[str]:
    if report.prompt is None:
        return []
    source = report.prompt["source"]
    lines = [line for name, text in parts_of(source) for line in (f"[{name}]", *text.splitlines())]
    lines += [f"{name}: {value}" for name, value in sorted(source["variables"].items())]
    return lines


def _request_diff(
    requests: tuple[Requests, Requests], before: Mapping[str, Any], after: Mapping[str, Any]
) -> list[str]:
    """Return a unified diff; empty where the requests are the same, or one cannot be rendered again."""
    if before["prompt_sha256"] == after["prompt_sha256"]:
        return []
    sent = [one.messages(line) for one, line in zip(requests, (before, after), strict=True)]
    if sent[0] is None or sent[1] is None:
        return []
    old, new = _message_lines(sent[0]), _message_lines(sent[1])
    return list(difflib.unified_diff(old, new, "baseline request", "candidate request", lineterm="", n=1))


def _message_lines(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    return [text for one in messages for text in (f"[{one['role']}]", *text_in(one).splitlines())]
