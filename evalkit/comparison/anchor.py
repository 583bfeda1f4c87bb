"""The line of a prompt file that changed: where a reviewer looks for the cause."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from evalkit.comparison.base import Side
from evalkit.comparison.baseline import MANIFEST, baseline_folder
from evalkit.comparison.git import last_commit, merge_base, new_line, resolve
from evalkit.comparison.load import GIT, MERGE_BASE
from evalkit.errors import UsageError
from evalkit.prompts import parts_of
from evalkit.report.base import Report, read
from evalkit.report.renderers.base import Place

PROMPTS = Path("configs") / "prompt"
Part = tuple[str, int]


def changed_line(report: Report, baseline: Side, commit: str | None = None) -> Place | None:
    """Return where the prompt differs from the baseline's; None when it does not, or its file is not here.

    `commit` is the baseline's, for a baseline without texts: then git knows what changed since.
    """
    prompt = report.prompt
    if prompt is None or prompt["sha256"] == baseline.facts["prompt_sha256"]:
        return None
    path = _prompt_file(report)
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd())
    if path is None or not path.resolve().is_relative_to(root.resolve()):
        return None
    line = None
    if baseline.folder is not None:
        line = _new_line(read(baseline.folder).prompt, prompt, path)
    elif commit is not None:
        line = new_line(commit, path)
    return Place(path.resolve().relative_to(root.resolve()).as_posix(), line or 1)


def commit_of(baseline: str, results_dir: Path) -> str | None:
    """Return the commit that a baseline's name stands for; None for a run, or outside a repository."""
    if baseline.partition(":")[0] == MERGE_BASE:
        return merge_base()
    if baseline.startswith(GIT):
        return resolve(baseline.removeprefix(GIT).partition(":")[0])
    manifest = baseline_folder(results_dir, baseline) / MANIFEST
    try:
        return last_commit(manifest) if manifest.is_file() else None
    except UsageError:  # no git here: nothing to point at, and no reason to fail
        return None


def _prompt_file(report: Report) -> Path | None:
    """Return the file that a run's prompt was read from, if it lies in the working directory."""
    assert report.prompt is not None
    given = (report.config.get("prompt") or {}).get("file")
    if given:
        path = Path(given).expanduser()
        return path if path.is_file() else None
    name = report.prompt["name"]
    named = re.compile(rf"^name:\s*[\"']?{re.escape(name)}[\"']?\s*$", re.MULTILINE)
    files = sorted(PROMPTS.glob("*.yaml"), key=lambda one: (one.stem != name, one.name))
    return next((one for one in files if named.search(_text(one))), None)


def _new_line(old: Mapping[str, Any] | None, new: Mapping[str, Any], path: Path) -> int | None:
    """Return the line of the file that holds the first new line of the prompt."""
    before = _parts(old["source"]) if old is not None else {}
    lines = [line.strip() for line in _text(path).splitlines()]
    for wanted in _first_changes(before, _parts(new["source"])):
        for number, line in enumerate(lines, start=1):
            if wanted and wanted in line:
                return number
    return None


def _first_changes(before: Mapping[Part, list[str]], after: Mapping[Part, list[str]]) -> Iterator[str]:
    """Yield the lines that only the new prompt has, then those where one is gone."""
    for part, new in after.items():
        yield from (line.strip() for line in new if line not in before.get(part, []))
    for part, new in after.items():
        gone = [place for place, line in enumerate(before.get(part, [])) if line not in new]
        yield from (new[min(place, len(new) - 1)].strip() for place in gone if new)


def _parts(source: Mapping[str, Any]) -> dict[tuple[str, int], list[str]]:
    """Return the lines of each part of a prompt, by its name and how often that came before."""
    found: dict[tuple[str, int], list[str]] = {}
    for name, text in parts_of(source):
        found[name, sum(name == other for other, _ in found)] = text.splitlines()
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
