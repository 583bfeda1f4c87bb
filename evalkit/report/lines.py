"""The lines of samples.jsonl, made as answers are read; the statistics join them when all are scored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from evalkit.report.line import line_of, numbers
from evalkit.spool import SHORT, Spool

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray
    from evalkit.records import Generation, Outcome, Sample

END = b"}\n"


class Lines:
    """The lines of a run, in dataset order."""

    def __init__(self) -> None:
        self._lines: Spool[bytes] = Spool(held=SHORT)  # that of an answer has no end yet

    def add(self, sample: Sample, outcome: Outcome, generation: Generation | None) -> None:
        """Take in the next outcome: its sample as it was asked, and what was read; None for a failure."""
        line = json_line(line_of(sample, outcome, generation))
        self._lines.append(line if generation is None else line[: -len(END)])

    def scored(self, statistics: Mapping[str, FloatArray]) -> Iterator[bytes]:
        """Yield the lines with the statistics of answers, (n, k) of each family for n answers."""
        place = 0
        for line in self._lines:
            if line.endswith(END):
                yield line
                continue
            rows = {family: numbers(one[place]) for family, one in statistics.items()}
            yield b'%b,"statistics":%b%b' % (line, orjson.dumps(rows), END)
            place += 1


def json_line(line: Mapping[str, Any]) -> bytes:
    """Return a line's JSON; with escapes where a text is no valid Unicode."""
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a lone surrogate, which UTF-8 cannot spell, or an integer of more than 64 bits
        return json.dumps(line, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"
