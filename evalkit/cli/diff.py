"""`evalkit diff BASE CAND`: the prompt's changes, then the outputs side by side, largest loss first."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.report.markdown import escape, fenced, harmless

if TYPE_CHECKING:
    from evalkit.comparison.diff import Change, SampleDiff

COLOURS = {"removed": "\x1b[31m", "added": "\x1b[32m", "same": ""}
PLAIN = {"removed": ("[-", "-]"), "added": ("{+", "+}"), "same": ("", "")}
RESET = "\x1b[0m"


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit diff", description="Prompt diff, then outputs side by side, largest loss first."
    )
    found.add_argument("base", metavar="BASE", help="a run: path, id, unique prefix or latest:TASK")
    found.add_argument("candidate", metavar="CAND", nargs="?", default="latest", help="default: latest")
    found.add_argument(
        "--flips", action="store_true", help="only samples that went from right to wrong or back"
    )
    found.add_argument("--limit", type=int, default=10, help="samples shown (default: 10)")
    found.add_argument("--markdown", action="store_true", help="for a pull request's comment")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Print the differences of two runs."""
    options = parser().parse_args(argv)

    from evalkit.comparison.diff import prompt_diff, sample_diffs
    from evalkit.comparison.side import side_of
    from evalkit.report.base import read
    from evalkit.report.find import find

    results = Path(options.results_dir)
    reports = read(find(options.base, results)), read(find(options.candidate, results))
    sides = side_of(reports[0], "baseline"), side_of(reports[1], "candidate")
    found = sample_diffs(reports, sides, flips=options.flips)
    prompt = prompt_diff(*reports)
    lines = _markdown if options.markdown else _text
    for line in lines(prompt, found[: options.limit], len(found)):
        print(line)
    return 0


def _text(prompt: Sequence[str], found: Sequence[SampleDiff], total: int) -> Iterator[str]:
    from evalkit.comparison.diff import word_diff

    colour = sys.stdout.isatty()
    yield from (harmless(line) for line in prompt)
    yield f"{total} samples differ{'' if total <= len(found) else f', {len(found)} shown'}"
    for one in found:
        scores = ", ".join(f"{name} {old:.2f} to {new:.2f}" for name, old, new in one.scores)
        yield f"\n=== {harmless(one.id)} ({scores})"
        for name, value in one.input.items():
            yield f"{harmless(name)}: {harmless(_inline(value))}"
        yield f"target: {harmless(_inline(one.target))}"
        yield f"baseline:  {harmless(one.before)}"
        yield f"candidate: {_marked(word_diff(one.before, one.after), colour=colour)}"
        yield from (f"    {harmless(line)}" for line in one.request)


def _markdown(prompt: Sequence[str], found: Sequence[SampleDiff], total: int) -> Iterator[str]:
    if prompt:
        yield "### Prompt\n"
        yield fenced("\n".join(prompt), "diff") + "\n"
    yield f"### {total} samples differ\n"
    for one in found:
        scores = ", ".join(f"{escape(name)} {old:.2f} to {new:.2f}" for name, old, new in one.scores)
        yield f"**{escape(one.id)}** ({scores})\n"
        yield fenced(
            "\n".join(
                (
                    *(f"{name}: {_inline(value)}" for name, value in one.input.items()),
                    f"target: {_inline(one.target)}",
                    *(f"- {line}" for line in one.before.splitlines() or [""]),
                    *(f"+ {line}" for line in one.after.splitlines() or [""]),
                )
            ),
            "diff",
        )


def _marked(changes: Sequence[Change], *, colour: bool) -> str:
    parts = []
    for one in changes:
        before, after = PLAIN[one.kind]
        text = harmless(one.text)
        if colour and COLOURS[one.kind]:
            parts.append(f"{COLOURS[one.kind]}{text}{RESET}")
        else:
            parts.append(f"{before}{text}{after}")
    return "".join(parts)


def _inline(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
