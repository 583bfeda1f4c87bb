"""What a user calls a side -> sides: a run, a suite, a baseline, a commit's baseline, the merge base's."""

from __future__ import annotations

import os
from pathlib import Path

from evalkit.comparison.base import Side
from evalkit.comparison.baseline import MANIFEST, Folder, baseline_folder, read_baseline
from evalkit.comparison.git import Commit, merge_base
from evalkit.comparison.side import side_of
from evalkit.errors import NoBaseline, ReportError
from evalkit.report.base import Report, read
from evalkit.report.find import LATEST, find
from evalkit.report.suite import Suite, read_suite, suite_file

DEFAULT_BASELINE = "main"
MERGE_BASE = "merge-base"
GIT = "git:"


def default_baseline() -> str:
    """Return what a gate compares with when nothing is named: the merge base in a pull request's CI."""
    in_pull_request = os.environ.get("GITHUB_BASE_REF") or os.environ.get(
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"
    )
    return MERGE_BASE if in_pull_request else DEFAULT_BASELINE


def load_baseline(name: str, results_dir: Path) -> list[Side]:
    """Read the side to compare with: a baseline before a run of the same name."""
    if name == MERGE_BASE or name.startswith(f"{MERGE_BASE}:"):
        wanted = name.partition(":")[2] or DEFAULT_BASELINE
        return read_baseline(Commit(merge_base(), baseline_folder(results_dir, wanted)), wanted)
    if name.startswith(GIT):
        ref, _, wanted = name.removeprefix(GIT).partition(":")
        wanted = wanted or DEFAULT_BASELINE
        return read_baseline(Commit(ref, baseline_folder(results_dir, wanted)), wanted)
    folder = baseline_folder(results_dir, name)
    if (folder / MANIFEST).is_file():
        return read_baseline(Folder(folder), name)
    if (Path(name) / MANIFEST).is_file():
        return read_baseline(Folder(Path(name)), Path(name).name)
    try:
        return load_runs(name, results_dir)
    except ReportError as error:
        if "/" in name or name.startswith(LATEST):
            raise
        raise NoBaseline(
            f'no baseline "{name}" in {folder.parent} ({error}); make one from a run: '
            f'evalkit accept RUN --baseline {name} --reason "…"'
        ) from None


def load_runs(name: str, results_dir: Path) -> list[Side]:
    """Read a run, or all runs of a suite, as sides."""
    return [side_of(report, report.run_id) for report in reports_of(name, results_dir)]


def reports_of(name: str, results_dir: Path) -> list[Report]:
    """Return the reports that a name stands for; `latest` is the newest run's whole suite, if it has one."""
    path = suite_file(name, results_dir)
    if path is not None:
        return _members(read_suite(path), path)
    return [read(find(name, results_dir))]


def _members(suite: Suite, path: Path) -> list[Report]:
    failed = [one for one in suite.members if one.run is None]
    if failed:
        raise ReportError(
            f"{path}: {len(failed)} of {len(suite.members)} jobs have no report "
            f"({' '.join(failed[0].overrides)}: {failed[0].error}); run the sweep again"
        )
    return [read(path.parent.parent / run) for run in suite.runs]
