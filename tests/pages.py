"""HTML reports of made-up runs, and what they carry read back."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from reports import aggregate, report

from evalkit.metrics.exact_match import ExactMatch
from evalkit.report.base import COMPLETE, WITH_FAILURES, Report, read
from evalkit.report.html.base import Against, Before, Difference
from evalkit.report.html.page import parts
from evalkit.report.make import family_of
from evalkit.report.table import Table
from evalkit.report.write import write

RIGHT, WRONG = [1, 1], [0, 1]


def line(name: str, output: str = "Paris", *, right: bool = True, **changes: Any) -> dict[str, Any]:
    """A line of samples.jsonl; `failure` in the changes takes the answer away."""
    made: dict[str, Any] = {
        "id": name,
        "trial": 0,
        "hash": "0" * 64,
        "input": {"question": f"What is the capital of country {name}?"},
        "target": "Paris",
        "prompt_sha256": None,
    }
    if "failure" not in changes:
        made |= {
            "prediction": output,
            "output": output,
            "finish_reason": "stop",
            "usage": {"prompt": 9, "completion": 2, "cached": 0, "reasoning": 0},
            "latency": 0.25,
            "statistics": {"exact_match": RIGHT if right else WRONG},
        }
    return {**made, "cached": False, "request_key": "k" * 64, **changes}


def failure(kind: str = "timeout", message: str = "no answer in 60 s") -> dict[str, Any]:
    return {"kind": kind, "message": message, "attempts": 3}


def stored(folder: Path, lines: Iterable[Mapping[str, Any]], made: Report | None = None) -> Report:
    """Write a run of these lines scored by exact match, and read it back."""
    lines = list(lines)
    failed = [one["failure"]["kind"] for one in lines if "failure" in one]
    counts = {
        "requests": len(lines),
        "answered": len(lines) - len(failed),
        "failed": len(failed),
        "cached": 0,
        "unparsed": sum("unparsed" in one for one in lines),
        "cut_off": 0,
        "refused": 0,
    }
    found = made or report(
        "20260102-030405-abcdef", aggregate("exact_match", 0.5, signature="norm:squad|case:lc")
    )
    found = replace(
        found,
        families=found.families or {"exact_match": family_of(ExactMatch())},
        counts=counts,
        failures={kind: failed.count(kind) for kind in dict.fromkeys(failed)},
        status=WITH_FAILURES if failed else COMPLETE,
    )
    return read(write(found, lines, folder / "results"))


def against(before: Mapping[str, Before], **changes: Any) -> Against:
    """A comparison in which exact match fell; `before` are the baseline's answers by sample id."""
    cells = {
        "baseline": "60.0",
        "candidate": "50.0",
        "difference": "-10.0",
        "interval": "[-18.0, -2.0]",
        "p": "0.012",
        "adjusted p": "0.006",
        "n": "10",
    }

    def answers(lines: Sequence[Mapping[str, Any]]) -> list[Before | None]:
        return [before.get(one["id"]) for one in lines]

    made = Against(
        label="main",
        verdict="REGRESSED",
        sentence="sentiment exact_match fell by 10.0 points, from 60.0 to 50.0.",
        differences=[
            Difference("exact_match", cells, "REGRESSED", True, True, -10.0, -18.0, -2.0, 1.0)  # noqa: FBT003
        ],
        note="differences in points",
        slices=None,
        remarks=["about 400 samples would settle it"],
        prompt=["--- baseline prompt", "+++ candidate prompt", "@@ -1 +1 @@", "-Be kind.", "+Be brief."],
        fixed=frozenset(),
        broken=frozenset(),
        comparable=frozenset({"exact_match"}),
        before=answers,
    )
    return replace(made, **changes)


def table(*rows: tuple[str, ...]) -> Table:
    return Table(("slice", "difference"), rows, "slices never gate")


def page_of(made: Report, beside: Against | None = None) -> str:
    return "".join(parts(made, beside))


def write_page(folder: Path, made: Report, beside: Against | None = None) -> Path:
    path = folder / "page.html"
    path.write_text(page_of(made, beside), "utf-8")
    return path


def carried(page: str, part: str) -> list[Any]:
    """What the page carries of its samples: `index` or `bodies`, all blocks together."""
    blocks = re.findall(rf'<script type="text/plain" class="{part}">([^<]*)</script>', page)
    return [row for block in blocks for row in json.loads(zlib.decompress(b64decode(block)))]
