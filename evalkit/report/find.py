"""Finds a run again: a path, a run id, a unique prefix, `latest` or `latest:TASK`."""

from __future__ import annotations

from pathlib import Path

from evalkit.errors import ReportError, did_you_mean
from evalkit.report.base import REPORT

LATEST = "latest"


def run_folders(results_dir: Path, task: str | None = None) -> list[Path]:
    """Return the folders of all finished runs, oldest first (run ids begin with their time)."""
    pattern = f"{task or '*'}/*/{REPORT}"
    found = [path.parent for path in (results_dir / "runs").glob(pattern)]
    return sorted((path for path in found if not path.name.startswith(".")), key=lambda path: path.name)


def find(name: str, results_dir: Path) -> Path:
    """Return the folder of one run; ReportError when there is none, or more than one."""
    as_path = Path(name)
    if as_path.name == REPORT and as_path.is_file():
        return as_path.parent
    if (as_path / REPORT).is_file():
        return as_path
    word, _, task = name.partition(":")
    runs = run_folders(results_dir, task if word == LATEST and task else None)
    if word == LATEST:
        if not runs:
            of_task = f' of task "{task}"' if task else ""
            raise ReportError(f"no run{of_task} under {results_dir / 'runs'} yet; make one with evalkit run")
        return runs[-1]
    matches = [path for path in runs if path.name == name] or [
        path for path in runs if path.name.startswith(name)
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(path.name for path in matches[:5])
        raise ReportError(f'"{name}" is the beginning of {len(matches)} runs ({shown}); write more of the id')
    raise ReportError(
        f'no run "{name}"{did_you_mean(name, [path.name for path in runs])} under {results_dir / "runs"}; '
        "evalkit list runs shows them"
    )
