"""Baselines: accepted measurements as small text files that git can show, diff and merge; no texts in them.

    results/baselines/<name>/manifest.json              what was measured, how, and why it was accepted
    results/baselines/<name>/<case>/statistics.jsonl    one line a sample, sorted by id
    results/baselines/<name>/<case>/measurements.json   latency and cost, histograms: these differ by run

Accepting an unchanged measurement again writes the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evalkit.comparison.base import Measured, Side
from evalkit.comparison.side import family_of
from evalkit.errors import NoBaseline, ReportError
from evalkit.report.base import without_unit
from evalkit.report.place import BASELINES
from evalkit.report.write import write_text

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
STATISTICS = "statistics.jsonl"
MEASUREMENTS = "measurements.json"
ATTRIBUTES = "* text eol=lf linguist-generated=true\n"
MEASURED = ("latency", "cost", "cost_usd")
# Facts that change although the measurement does not.
VOLATILE = ("run_id", "created", "git", "latency_p50", "latency_p95", *MEASURED)


class Files(Protocol):
    """Where a baseline's files are read from: a folder, or a commit."""

    place: str

    def read(self, path: str) -> str | None:
        """Return a file's text; None when it is not there."""
        ...


class Folder:
    """Files on disk."""

    def __init__(self, root: Path) -> None:
        self.place = str(root)
        self._root = root

    def read(self, path: str) -> str | None:
        """Return a file's text; None when it is not there."""
        try:
            return (self._root / path).read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return None


def baseline_folder(results_dir: Path, name: str) -> Path:
    """Return where a baseline lies."""
    return results_dir / BASELINES / name


def write_baseline(sides: Sequence[Side], name: str, reason: str, results_dir: Path) -> Path:
    """Write (or replace) a baseline; returns its folder. Cases that `sides` do not hold stay as they are."""
    folder = baseline_folder(results_dir, name)
    old = _manifest(Folder(folder))
    cases = dict(old["cases"]) if old else {}
    for side in sides:
        cases[side.case] = _case(side, reason)
        if old and _same(old["cases"].get(side.case), cases[side.case]):
            cases[side.case] = old["cases"][side.case]  # its old reason: nothing new was accepted
        lines = [_line(one, side.samples[one]) for one in sorted(side.samples)]
        write_text(folder / side.case / STATISTICS, "".join(line + "\n" for line in lines))
        measured = {key: side.facts.get(key) for key in MEASURED}
        measured["cost_usd"] = _rounded(measured["cost_usd"])
        write_text(folder / side.case / MEASUREMENTS, _pretty(measured, sort_keys=False))
    write_text(folder / MANIFEST, _pretty({"schema_version": SCHEMA_VERSION, "name": name, "cases": cases}))
    attributes = results_dir / BASELINES / ".gitattributes"
    if not attributes.exists():
        write_text(attributes, ATTRIBUTES)
    return folder


def read_baseline(files: Files, name: str) -> list[Side]:
    """Read a baseline's cases; NoBaseline when there is none, ReportError when it is damaged or newer."""
    manifest = _manifest(files)
    if manifest is None:
        raise NoBaseline(
            f'no baseline "{name}" in {files.place}; make one from a run: '
            f'evalkit accept RUN --baseline {name} --reason "…"'
        )
    return [_side(files, name, case, stored) for case, stored in sorted(manifest["cases"].items())]


def _manifest(files: Files) -> dict[str, Any] | None:
    text = files.read(MANIFEST)
    if text is None:
        return None
    try:
        data = json.loads(text)
        version = data["schema_version"]
        cases = data["cases"]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ReportError(f"{files.place}/{MANIFEST}: damaged ({error}); accept a run again") from None
    if version > SCHEMA_VERSION or not isinstance(cases, dict):
        raise ReportError(f"{files.place}/{MANIFEST}: written by a newer evalkit; upgrade evalkit")
    return data  # type: ignore[no-any-return]


def _case(side: Side, reason: str) -> dict[str, Any]:
    families = {}
    for name, family in sorted(side.families.items()):
        stored = without_unit(asdict(family))
        del stored["name"]
        families[name] = stored
    return {
        "reason": reason,
        "facts": {key: value for key, value in side.facts.items() if key not in VOLATILE},
        "families": families,
    }


def _same(old: Any, new: Mapping[str, Any]) -> bool:
    """Whether the same was measured, whatever the reason given."""
    if old is None:
        return False
    return bool(
        json.dumps({**old, "reason": ""}, sort_keys=True) == json.dumps({**new, "reason": ""}, sort_keys=True)
    )


def _line(name: str, one: Measured) -> str:
    line: dict[str, Any] = {"id": name, "hash": one.hash}
    if one.group is not None:
        line["group"] = one.group
    line["statistics"] = {family: _numbers(rows) for family, rows in sorted(one.rows.items())}
    if one.failed:
        line["failed"] = one.failed
    if one.bounds:
        line["bounds"] = {
            family: [_numbers(end) for end in ends] for family, ends in sorted(one.bounds.items())
        }
    line["request_keys"] = list(one.request_keys)
    return json.dumps(line, ensure_ascii=True)


def _numbers(values: FloatArray) -> Any:
    """Whole numbers as such: counts stay short."""
    if values.ndim > 1:
        return [_numbers(row) for row in values]
    return [int(value) if value.is_integer() else value for value in values.tolist()]


def _rounded(value: float | None) -> float | None:
    """Two significant digits: enough to see a change, too few to change with every run."""
    return None if value is None else float(f"{value:.2g}")


def _side(files: Files, name: str, case: str, stored: Mapping[str, Any]) -> Side:
    text = files.read(f"{case}/{STATISTICS}")
    if text is None:
        raise ReportError(f"{files.place}/{case}/{STATISTICS}: missing; accept a run again")
    measured = json.loads(files.read(f"{case}/{MEASUREMENTS}") or "{}")
    samples: dict[str, Measured] = {}
    for number, raw in enumerate(text.splitlines(), start=1):
        try:
            line = json.loads(raw)
            samples[line["id"]] = _read_line(line)
        except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise ReportError(
                f"{files.place}/{case}/{STATISTICS}, line {number}: damaged ({error}); an unresolved merge? "
                "accept a run again"
            ) from None
    families = {family: family_of(family, one) for family, one in stored["families"].items()}
    facts = {**dict.fromkeys(VOLATILE), **stored["facts"], **measured}
    label = f"baseline {name}"
    return Side(label, case, facts=facts, families=families, samples=samples, baseline=name)


def _read_line(line: Mapping[str, Any]) -> Measured:
    return Measured(
        hash=line["hash"],
        group=line.get("group"),
        rows={
            family: np.asarray(rows, dtype=np.float64).reshape(len(rows), -1)
            for family, rows in line["statistics"].items()
        },
        failed=line.get("failed", 0),
        bounds={
            family: (np.asarray(worst, dtype=np.float64), np.asarray(best, dtype=np.float64))
            for family, (worst, best) in line.get("bounds", {}).items()
        },
        request_keys=tuple(line["request_keys"]),
    )


def _pretty(value: Any, *, sort_keys: bool = True) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=sort_keys) + "\n"
