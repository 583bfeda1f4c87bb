"""A run's samples as the page carries them: compressed blocks, of which it opens only what is looked at.

A block has two parts: the index, which lists are filtered and sorted by (all of them are read at the
start), and the bodies, with everything else. Only one block is held in memory while a page is written.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.records import TURNS
from evalkit.report.base import Report
from evalkit.report.html.base import Against, Before
from evalkit.report.line import answer_text
from evalkit.report.markdown import harmless
from evalkit.report.requests import Requests, text_in
from evalkit.report.scores import Scores

SAMPLES = 200
CHARACTERS = 1_000_000
"""A block ends at this many samples or characters, whichever comes first."""
PREVIEW = 160

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Block:
    """Index and bodies of some samples, each base64 of zlib's deflate of a JSON array."""

    index: str
    bodies: str


def blocks(report: Report, scores: Scores, against: Against | None) -> Iterator[Block]:
    """Yield a run's samples in the order of samples.jsonl."""
    requests = Requests(report)
    for lines in _batches(report.samples()):
        before: Sequence[Before | None] = [None] * len(lines) if against is None else against.before(lines)
        values = scores.values([line.get("statistics") for line in lines])
        old = (
            [None] * len(lines)
            if against is None
            else scores.values([one.statistics if one else None for one in before], against.comparable)
        )
        index = [
            [
                harmless(line["id"]),
                line["trial"],
                state_of(line, scores),
                change_of(line, previous, against),
                value,
                was,
                _preview(line),
                line.get("latency"),
            ]
            for line, previous, value, was in zip(lines, before, values, old, strict=True)
        ]
        bodies = [_body(line, requests, previous) for line, previous in zip(lines, before, strict=True)]
        yield Block(_packed(index), _packed(bodies))


def state_of(line: Line, scores: Scores) -> str:
    """Return failed, unparsed, right, wrong, or scored where no metric says right or wrong."""
    if "failure" in line:
        return "failed"
    if "unparsed" in line:
        return "unparsed"
    right = scores.right(line["statistics"])
    return "scored" if right is None else "right" if right else "wrong"


def change_of(line: Line, before: Before | None, against: Against | None) -> str:
    """Return what became of a sample since the baseline.

    broken and fixed by its verdict over all trials, else changed or same by the answer's text; new without a
    counterpart, and empty where there is no baseline or its text is not at hand.
    """
    if against is None:
        return ""
    if line["id"] in against.broken:
        return "broken"
    if line["id"] in against.fixed:
        return "fixed"
    if before is None:
        return "new"
    if before.output is None and before.failure is None:
        return ""
    return "same" if _answer_of(before.output, before.failure) == _answer(line) else "changed"


def _batches(lines: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(str(line.get("output", ""))) + len(str(line["input"]))
        if len(batch) == SAMPLES or size >= CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _body(line: Line, requests: Requests, before: Before | None) -> dict[str, Any]:
    talk = requests.talk(line)
    body: dict[str, Any] = {
        "input": [
            [harmless(name), shown(value)]
            for name, value in _fields(line)
            if value is not None and not (talk and name == TURNS)
        ],
        "target": None if line["target"] is None else shown(line["target"]),
        "facts": [[harmless(name), shown(value)] for name, value in _facts(line)],
        "request": [
            [harmless(str(one["role"])), shown(text_in(one))] for one in requests.messages(line) or ()
        ],
    }
    if talk:
        body["talk"] = [[shown(user), None if reply is None else shown(reply)] for user, reply in talk]
    if "failure" in line:
        body["failure"] = _failure(line["failure"])
    else:
        body["output"] = shown(answer_text(line))
        body["prediction"] = None if line["prediction"] is None else shown(line["prediction"])
        if "unparsed" in line:
            body["unparsed"] = harmless(line["unparsed"])
    if before is not None:
        body["before"] = _before(before)
    return body


def _fields(line: Line) -> Iterator[tuple[str, Any]]:
    """Yield what templates saw: the row's fields, and what evalkit added to them."""
    yield from line["input"].items()
    for name, value in line.get("added", {}).items():
        yield f"{name} (added)", value


def _before(one: Before) -> dict[str, Any]:
    return {
        "output": None if one.output is None else shown(one.output),
        "prediction": None if one.prediction is None else shown(one.prediction),
        "unparsed": None if one.unparsed is None else harmless(one.unparsed),
        "failure": None if one.failure is None else _failure(one.failure),
    }


def _facts(line: Line) -> Iterator[tuple[str, Any]]:
    """Yield what else is known of an answer, in the words of samples.jsonl."""
    usage = line.get("usage")
    if line.get("finish_reason") is not None:
        yield "finish reason", line["finish_reason"]
    for name in ("refusal", "tool_calls"):
        if line.get(name) is not None:
            yield name.replace("_", " "), line[name]
    if usage is not None:
        yield "tokens", f"{usage['prompt']} prompt, {usage['completion']} completion"
    if line.get("latency") is not None:
        yield "latency", f"{line['latency']:.2f} s"
    if line.get("cached"):
        yield "from the cache", "yes"
    if line.get("group") is not None:
        yield "group", line["group"]
    yield from line.get("metadata", {}).items()
    yield "request key", line["request_key"]


def _failure(failure: Mapping[str, Any]) -> str:
    return harmless(f"{failure['kind']} after {failure['attempts']} attempts: {failure['message']}")


def _preview(line: Line) -> str:
    text = _failure(line["failure"]) if "failure" in line else line["output"][: 2 * PREVIEW]
    return harmless(" ".join(text.split())[:PREVIEW])


def _answer(line: Line) -> str:
    return _answer_of(None if "failure" in line else answer_text(line), line.get("failure"))


def _answer_of(output: str | None, failure: Mapping[str, Any] | None) -> str:
    return f"failure {failure['kind']}" if failure else f"answer {output}"


def shown(value: Any) -> str:
    """Return a value as the text that stands in the page: JSON where it is no text, never a raw number.

    JavaScript would round numbers of more than 53 bits.
    """
    return harmless(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2))


def _packed(rows: Sequence[Any]) -> str:
    # Not gzip, whose header names the operating system: the same report gives the same bytes.
    text = json.dumps(rows, ensure_ascii=False, separators=(",", ":"))
    return b64encode(zlib.compress(text.encode(), 6)).decode("ascii")
