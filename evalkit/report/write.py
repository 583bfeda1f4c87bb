"""Writes a run's folder whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import orjson

from evalkit.errors import ReportError
from evalkit.report.base import MARKDOWN, REPORT, SAMPLES, Report
from evalkit.report.markdown import render


def write(report: Report, samples: Iterable[Mapping[str, Any]], results_dir: Path) -> Path:
    """Write report.json, samples.jsonl and report.md; return the run's folder."""
    parent = results_dir / "runs" / report.task["name"]
    final: Path = parent / report.run_id
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place, so that the rename is atomic; a killed process leaves only a hidden folder.
        folder = Path(tempfile.mkdtemp(prefix=f".{report.run_id}-", dir=parent))
        try:
            folder.chmod(0o755)
            with (folder / SAMPLES).open("wb") as file:
                for line in samples:
                    file.write(_json_line(line))
                _to_disk(file)
            text = json.dumps(report.to_json(), ensure_ascii=False, indent=2, allow_nan=False)
            (folder / REPORT).write_text(text + "\n", "utf-8")
            (folder / MARKDOWN).write_text(render(report), "utf-8")
            folder.rename(final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise ReportError(
            f"{final}: the report cannot be written ({error.strerror or error}); answers are in the cache: "
            "free space or set results_dir=FOLDER and run again"
        ) from None
    return final


def write_text(path: Path, text: str) -> None:
    """Write one file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, "utf-8")
    temporary.replace(path)


def _json_line(line: Mapping[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        return json.dumps(line, ensure_ascii=True).encode("ascii") + b"\n"


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
