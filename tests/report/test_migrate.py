"""Reports that older versions wrote still open, and give what they gave.

tests/data/report-v<N>: the same six answers, written by the evalkit of that time.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from evalkit.errors import ReportError
from evalkit.report import schema
from evalkit.report.base import SCHEMA_VERSION, read
from evalkit.report.migrate import STEPS, migrated
from evalkit.report.place import REPORT

if TYPE_CHECKING:
    from commands import Commands

DATA = Path(__file__).parents[1] / "data"
VERSIONS = range(1, SCHEMA_VERSION + 1)


def fixture(version: int) -> Path:
    return DATA / f"report-v{version}"


def test_every_version_has_a_fixture_and_every_older_one_a_step() -> None:
    for version in VERSIONS:
        assert json.loads((fixture(version) / REPORT).read_text("utf-8"))["schema_version"] == version
    assert set(STEPS) == set(VERSIONS) - {SCHEMA_VERSION}


@pytest.mark.parametrize("version", VERSIONS)
def test_reports_of_every_version_open_as_this_one(version: int) -> None:
    report = read(fixture(version))
    assert report.schema_version == SCHEMA_VERSION
    assert report.metrics["accuracy"].value == 0.6  # three of five answers; the sixth sample failed
    assert [line["id"] for line in report.samples()] == [f"t{n}" for n in range(1, 7)]
    validator = Draft202012Validator(schema.load("report"))
    assert [one.message for one in validator.iter_errors(report.to_json())] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_reports_of_every_version_are_shown_and_scored_again(version: int, evalkit: Commands) -> None:
    folder = evalkit.folder / "results" / "runs" / "sentiment" / "old"
    shutil.copytree(fixture(version), folder)
    assert "accuracy" in evalkit("show", "old").out
    assert "lang" in evalkit("show", "old", "--by", "lang").out
    assert evalkit("score", "old", "metrics=[exact_match]").code == 0
    assert evalkit.report()["metrics"]["exact_match"]["value"] == 0.6


def test_version_1_knew_no_slices_classes_or_parents() -> None:
    report = read(fixture(1))
    assert (report.slices, report.classes, report.parent) == ({}, {}, None)


def test_a_newer_report_is_refused_by_name() -> None:
    newer = SCHEMA_VERSION + 1
    with pytest.raises(
        ReportError, match=rf"^here: written by a newer evalkit \(schema {newer}, this one reads up to 2\)"
    ):
        migrated({"schema_version": newer}, SCHEMA_VERSION, "here")


@pytest.mark.parametrize(
    "data", [{}, [], None, "2", {"schema_version": 0}, {"schema_version": "2"}], ids=repr
)
def test_what_is_no_report_is_refused(data: object) -> None:
    with pytest.raises(ReportError, match=r"^here: not an evalkit report"):
        migrated(data, SCHEMA_VERSION, "here")
