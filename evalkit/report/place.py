"""Where runs lie, and what their files are called."""

from __future__ import annotations

import tempfile
from pathlib import Path

from evalkit.errors import ReportError

RUNS = "runs"
BASELINES = "baselines"
REPORT = "report.json"
SAMPLES = "samples.jsonl"
MARKDOWN = "report.md"


def check_writable(results_dir: Path, task: str) -> None:
    """Raise ReportError now, before anything is paid for, when the report could not be written later."""
    parent = results_dir / RUNS / task
    try:
        parent.mkdir(parents=True, exist_ok=True)
        Path(tempfile.mkdtemp(prefix=".check-", dir=parent)).rmdir()
    except OSError as error:
        raise ReportError(
            f"{parent}: reports cannot be written there ({error.strerror or error}); set results_dir=FOLDER"
        ) from error
