"""`evalkit list`: what there is to choose from, read from the config folders without composing anything."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit import search_path

GROUPS = {
    "tasks": "task",
    "datasets": "dataset",
    "models": "model",
    "metrics": "metrics",
    "prompts": "prompt",
    "experiments": "experiment",
}


def main(argv: Sequence[str]) -> int:
    """Print one kind of choice, or all of them."""
    parser = argparse.ArgumentParser("evalkit list", description="What there is to choose from.")
    parser.add_argument("what", nargs="?", choices=[*GROUPS, "runs"], help="one kind only")
    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    options = parser.parse_args(argv)
    if options.what == "runs":
        return _runs(Path(options.results_dir), as_json=options.json)
    kinds = [options.what] if options.what else list(GROUPS)
    found = {kind: choices(GROUPS[kind]) for kind in kinds}
    if options.json:
        import json

        print(
            json.dumps(found if options.what is None else found[options.what], ensure_ascii=False, indent=2)
        )
        return 0
    for kind, entries in found.items():
        if not entries:
            continue
        if options.what is None:
            print(f"{kind} ({GROUPS[kind]}=…)")
        width = max(map(len, entries))
        for name, text in entries.items():
            print(f"  {name:<{width}}  {text}".rstrip())
    return 0


def choices(group: str) -> dict[str, str]:
    """Return the names in a config group with the sentence in each file's first comment; the user's first."""
    found: dict[str, str] = {}
    for folder in (search_path.user_configs(), search_path.shipped("configs")):
        if folder is not None:
            for path in sorted((folder / group).glob("*.yaml")):
                found.setdefault(path.stem, _described(path))
    return found


def _described(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if not line.startswith("#"):
                break
            text = line.lstrip("#").strip()
            if text and not text.startswith("@package"):
                return text
    return ""


def _runs(results_dir: Path, *, as_json: bool) -> int:
    from evalkit.cli.output import print_json, print_table
    from evalkit.report.base import read
    from evalkit.report.find import run_folders
    from evalkit.report.table import Table

    reports = [read(folder) for folder in run_folders(results_dir)]
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
