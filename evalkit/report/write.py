"""Writes a run's folder whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalkit.errors import ReportError
from evalkit.report.base import Report
from evalkit.report.lines import json_line
from evalkit.report.place import MARKDOWN, REPORT, RUNS, SAMPLES


def write(report: Report, samples: Iterable[Mapping[str, Any] | bytes], results_dir: Path) -> Path:
    """Write report.json, samples.jsonl (of lines or their JSON) and report.md; return the run's folder."""
    from evalkit.report.publication import SAMPLES as QUOTED
    from evalkit.report.publication import publication_of
    from evalkit.report.renderers.markdown import render

    parent = results_dir / RUNS / report.task["name"]
    final: Path = parent / report.run_id
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Beside its final place, so that the rename is atomic; a killed process leaves only a hidden folder.
        folder = Path(tempfile.mkdtemp(prefix=f".{report.run_id}-", dir=parent))
        try:
            folder.chmod(0o755)
            with (folder / SAMPLES).open("wb") as file:
                for line in samples:
                    file.write(line if isinstance(line, bytes) else json_line(line))
                _to_disk(file)
            _write_whole(folder / REPORT, (json_text(report.to_json()),))
            published = publication_of(replace(report, folder=folder), samples=QUOTED)
            _write_whole(folder / MARKDOWN, (render(published),))
            folder.rename(final)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    except OSError as error:
        raise ReportError(
            f"{final}: the report cannot be written ({error.strerror or error}); answers are in the cache: "
            "free space or set results_dir=FOLDER and run again"
        ) from error
    return final


def write_text(path: Path, text: str) -> None:
    """Write one file whole or not at all."""
    write_parts(path, (text,))


def write_parts(path: Path, parts: Iterable[str]) -> None:
    """Write one file whole or not at all, from parts that are not held in memory together."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            _write_whole(temporary, parts)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror or error})") from error


def json_text(value: Any) -> str:
    """Return indented JSON, readable in any language; with escapes where a text is no valid Unicode."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # a lone surrogate, which JSON can spell and UTF-8 cannot
        text = json.dumps(value, ensure_ascii=True, indent=2, allow_nan=False)
    return text + "\n"


def _write_whole(path: Path, parts: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(parts)
        _to_disk(file)


def _to_disk(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
