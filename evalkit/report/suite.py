"""Suites: runs made together (a sweep, the demo), so that one table can cover them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evalkit.errors import ReportError
from evalkit.report.find import LATEST, run_folders
from evalkit.report.place import REPORT
from evalkit.report.write import json_text, write_text

SCHEMA_VERSION = 1
SUITES = "suites"


@dataclass(frozen=True)
class Member:
    """One job of a suite: its overrides and run, or the error that it ended with, and its exit code."""

    number: int
    overrides: Sequence[str]
    run: str | None
    error: str | None
    code: int


@dataclass(frozen=True)
class Suite:
    """A name and the runs under it, in the order of the sweep; paths are relative to the results folder."""

    suite_id: str
    name: str
    members: Sequence[Member]

    @property
    def runs(self) -> list[str]:
        """The members that have a report."""
        return [one.run for one in self.members if one.run is not None]


def write_suite(suite: Suite, results_dir: Path) -> Path:
    """Write results/suites/<suite-id>.json."""
    path = results_dir / SUITES / f"{suite.suite_id}.json"
    write_text(path, json_text({"schema_version": SCHEMA_VERSION, **asdict(suite)}))
    return path


def suite_file(name: str, results_dir: Path) -> Path | None:
    """Return a suite's file by its path or id; `latest` is the newest run's suite, None where it has none."""
    given, by_id = Path(name), results_dir / SUITES / f"{name}.json"
    if given.suffix == ".json" and given.name != REPORT and given.is_file():
        return given
    if by_id.is_file():
        return by_id
    if name == LATEST:
        newest = run_folders(results_dir)[-1:]
        for path in sorted((results_dir / SUITES).glob("*.json"), key=_changed, reverse=True):
            if any(Path(run).name == one.name for one in newest for run in read_suite(path).runs):
                return path
    return None


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def read_suite(path: Path) -> Suite:
    """Read a suite back."""
    try:
        data = json.loads(path.read_text("utf-8"))
        version = data["schema_version"]
        if version > SCHEMA_VERSION:
            raise ReportError(
                f"{path}: written by a newer evalkit (schema {version}, this one reads up to "
                f"{SCHEMA_VERSION}); upgrade evalkit"
            )
        members = [Member(**one) for one in data["members"]]
        return Suite(data["suite_id"], data["name"], members)
    except OSError as error:
        raise ReportError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path}: damaged ({error})") from error
