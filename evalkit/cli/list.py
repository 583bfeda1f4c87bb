"""`evalkit list`: what there is to choose from, read from the config folders without composing anything."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

from evalkit import search_path
from evalkit.cli.task_facts import facts_of

GROUPS = {
    "tasks": "task",
    "datasets": "dataset",
    "models": "model",
    "metrics": "metrics",
    "prompts": "prompt",
    "retrieval": "retrieval",
    "experiments": "experiment",
}
TASK = "Task:"


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser("evalkit list", description="What there is to choose from.")
    found.add_argument("what", nargs="?", choices=[*GROUPS, "runs"], help="one kind only")
    found.add_argument("--json", action="store_true", help="machine-readable")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Print one kind of choice, or all of them."""
    options = parser().parse_args(argv)
    if options.what == "runs":
        return _runs(Path(options.results_dir), as_json=options.json)
    kinds = [options.what] if options.what else list(GROUPS)
    found = {kind: choices(GROUPS[kind]) for kind in kinds}
    if options.json:
        from evalkit.cli.output import print_json

        plain = {kind: [_plain(kind, one) for one in entries] for kind, entries in found.items()}
        print_json(plain if options.what is None else plain[options.what])
        return 0
    for kind, entries in found.items():
        if options.what is None and entries:
            print(f"{kind} ({GROUPS[kind]}=…)")
        _print(entries, facts=kind == "tasks")
    return 0


class Choice(NamedTuple):
    """One file of a config group; `yours` when it comes from ./configs and not from evalkit.

    `task` is whose data it is, by the comment line `# Task: …`; empty where it is any task's.
    """

    name: str
    description: str
    yours: bool
    file: str
    task: str = ""


def _plain(kind: str, one: Choice) -> dict[str, Any]:
    """Return a choice as JSON; of a task also what its file says of it."""
    return one._asdict() | (asdict(facts_of(_path(one), _comment(_path(one)))) if kind == "tasks" else {})


def _path(one: Choice) -> Path:
    folder = search_path.user_configs() if one.yours else search_path.shipped("configs")
    assert folder is not None
    return folder.parent / one.file


def _about(one: Choice) -> str:
    """Return a task's data, metrics and endpoints in a line."""
    facts = facts_of(_path(one), _comment(_path(one)))
    data = "" if facts.dataset is None else f"dataset {facts.dataset}"
    if facts.samples is not None:
        data += f" ({facts.samples} samples)"
    told = filter(None, (data, ", ".join(facts.metrics), ", ".join(facts.endpoints)))
    return f"[{'; '.join(told)}]"


def _print(entries: Sequence[Choice], *, facts: bool) -> None:
    """Print names and descriptions in columns, under the tasks that they belong to."""
    from evalkit.cli.output import wrapped

    width = max((len(one.name) for one in entries), default=0)
    tasks = sorted({one.task for one in entries}, key=lambda task: (not task, task))
    for task in tasks:
        if tasks != [""]:
            print(f" {task or 'any task: your own data'}")
        for one in entries:
            if one.task == task:
                lines = [one.description + (f" ({one.file})" if one.yours else "")]
                lines += [_about(one)] if facts else []
                if not sys.stdout.isatty():  # in a pipe an entry stays one line
                    lines = [" ".join(lines)]
                for number, line in enumerate(lines):
                    print(wrapped(f"  {'' if number else one.name:<{width}}  ", line))


def choices(group: str) -> list[Choice]:
    """Return what a config group offers, by name, with the sentence in each file's first comment."""
    found: dict[str, Choice] = {}
    mine, ours = search_path.user_configs(), search_path.shipped("configs")
    for folder in (mine, ours):
        if folder is None:
            continue
        for path in (folder / group).rglob("*.yaml"):
            name = path.relative_to(folder / group).with_suffix("").as_posix()
            shown = path.relative_to(folder.parent).as_posix()
            comment = _comment(path)
            task = next((one.removeprefix(TASK).strip() for one in comment if one.startswith(TASK)), "")
            description = next((one for one in comment if one), "")
            found.setdefault(name, Choice(name, description, folder is mine, shown, task))
    return [found[name] for name in sorted(found)]


def _comment(path: Path) -> list[str]:
    """Return the lines of the comment that a file begins with, Hydra's own apart."""
    try:
        lines = path.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
    texts = [line.lstrip("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    return [text for text in texts if not text.startswith("@package")]


def _runs(results_dir: Path, *, as_json: bool) -> int:
    from evalkit.cli.output import note, print_json, print_table
    from evalkit.errors import ReportError
    from evalkit.report.base import Report, read
    from evalkit.report.find import run_folders
    from evalkit.report.table import Table

    reports: list[Report] = []
    for folder in run_folders(results_dir):
        try:
            reports.append(read(folder))
        except ReportError as error:  # one damaged report must not hide the others
            note(f"evalkit: {error}")
    header = ("run", "task", "dataset", "model", "status", "n", "failed")
    rows = tuple(
        (
            one.run_id,
            one.task["name"],
            one.dataset["name"],
            one.model["asked"],
            one.status,
            str(one.dataset["n"]),
            str(one.counts["failed"]),
        )
        for one in reports
    )
    if as_json:
        print_json([dict(zip(header, row, strict=True)) for row in rows])
    else:
        print_table(Table(header, rows, f"{len(rows)} runs under {results_dir / 'runs'}"))
    return 0
