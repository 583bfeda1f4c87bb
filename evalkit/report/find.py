"""Finds a run again: a path, a run id, a unique prefix, `latest` or `latest:TASK`."""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import ReportError, did_you_mean
from evalkit.report.place import BASELINES, REPORT, RUNS

LATEST = "latest"
SECOND = len("20260131-235959")


def run_folders(results_dir: Path) -> list[Path]:
    """Return the folders of all finished runs, oldest first."""
    found = [path for path in (results_dir / RUNS).glob(f"*/*/{REPORT}") if path.parent.name[0] != "."]
    return [path.parent for path in sorted(found, key=_age)]


def _age(path: Path) -> tuple[str, int, str]:
    """Run ids begin with their second; within it, the file's time decides."""
    run_id = path.parent.name
    return run_id[:SECOND], path.stat().st_mtime_ns, run_id


def find(name: str, results_dir: Path) -> Path:
    """Return the folder of one run; ReportError when there is none, or more than one."""
    as_path = Path(name)
    if as_path.name == REPORT and as_path.is_file():
        return as_path.parent
    if (as_path / REPORT).is_file():
        return as_path
    word, _, task = name.partition(":")
    runs = run_folders(results_dir)
    if word == LATEST:
        return _latest(runs, task, results_dir)
    matches = [path for path in runs if path.name == name] or [
        path for path in runs if path.name.startswith(name)
    ]
    if len(matches) == 1 and name:
        return matches[0]
    if matches and name:
        shown = ", ".join(path.name for path in matches[:5])
        raise ReportError(f'"{name}" is the beginning of {len(matches)} runs ({shown}); write more of the id')
    if name and (results_dir / BASELINES / name).is_dir():
        raise ReportError(
            f'"{name}" is a baseline, which keeps scores and no texts; name a run (evalkit list runs), or '
            f"compare scores: evalkit compare {name}"
        )
    raise ReportError(
        f'no run "{name}"{did_you_mean(name, [path.name for path in runs])} under {results_dir / RUNS}; '
        "evalkit list runs shows them"
    )


def _latest(runs: list[Path], task: str, results_dir: Path) -> Path:
    if not runs:
        raise ReportError(f"no run under {results_dir / RUNS} yet; make one with evalkit run")
    of_task = [path for path in runs if not task or path.parent.name == task]
    if not of_task:
        tasks = sorted({path.parent.name for path in runs})
        raise ReportError(
            f'no run of task "{task}"{did_you_mean(task, tasks)} under {results_dir / RUNS}; '
            f"there are runs of {', '.join(tasks)}"
        )
    return of_task[-1]


def results_of(folder: Path, otherwise: Path) -> Path:
    """Return the results folder that a run's folder lies in; `otherwise` where it lies elsewhere."""
    # Relative as it was named, unless the name says nothing (".").
    runs = (folder if len(folder.parts) > 2 else folder.resolve()).parent.parent  # noqa: PLR2004
    return runs.parent if runs.name == RUNS else otherwise
