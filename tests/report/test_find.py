from __future__ import annotations

import os
from pathlib import Path

import pytest
from reports import report

from evalkit.errors import ReportError
from evalkit.report.find import find, run_folders
from evalkit.report.write import write


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for task, run_id in [
        ("qa", "20260102-000000-aaaaaa"),
        ("qa", "20260103-000000-bbbbbb"),
        ("sentiment", "20260103-000001-cccccc"),
        ("qa 2[x]", "20260101-000000-dddddd"),
    ]:
        write(report(run_id, task={"name": task}), [], tmp_path)
    return tmp_path


def refused(name: str, results: Path) -> str:
    with pytest.raises(ReportError) as caught:
        find(name, results)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "ends"),
    [
        ("latest", "cccccc"),
        ("latest:qa", "bbbbbb"),
        ("latest:sentiment", "cccccc"),
        ("latest:qa 2[x]", "dddddd"),
        ("20260102", "aaaaaa"),
        ("20260103-000001-cccccc", "cccccc"),
        ("20260103-000000", "bbbbbb"),
    ],
)
def test_run_is_found_by_latest_id_or_prefix(name: str, ends: str, results: Path) -> None:
    assert find(name, results).name.endswith(ends)


def test_run_is_found_by_path_wherever_it_lies(results: Path, tmp_path: Path) -> None:
    folder = results / "runs" / "qa" / "20260102-000000-aaaaaa"
    assert find(str(folder), tmp_path / "elsewhere") == folder
    assert find(str(folder / "report.json"), tmp_path / "elsewhere") == folder


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("20260103", "is the beginning of 2 runs (20260103-000000-bbbbbb, 20260103-000001-cccccc)"),
        ("20260102-000000-aaaaab", 'did you mean "20260102-000000-aaaaaa"'),
        ("nope", 'no run "nope"'),
        ("", 'no run ""'),
        ("latest:qaa", 'no run of task "qaa" (did you mean "qa"?)'),
        ("latest:q*", 'no run of task "q*"'),
        ("latest:..", 'no run of task ".."'),
    ],
)
def test_run_that_is_not_found_is_explained(name: str, says: str, results: Path) -> None:
    assert says in refused(name, results)


def test_no_run_at_all(tmp_path: Path) -> None:
    assert "make one with evalkit run" in refused("latest", tmp_path)
    assert "make one with evalkit run" in refused("latest:qa", tmp_path)
    assert run_folders(tmp_path) == []


def test_half_written_run_is_not_seen(results: Path) -> None:
    (results / "runs/qa/20260102-000000-aaaaaa").rename(results / "runs/qa/.20260104-000000-aaaaaa-x1")
    (results / "runs/qa/20260105-000000-eeeeee").mkdir()
    assert find("latest", results).name.endswith("cccccc")
    assert len(run_folders(results)) == 3


def test_of_runs_of_one_second_the_later_written_is_the_latest(tmp_path: Path) -> None:
    for order, ending in enumerate(["ffffff", "000000", "888888"]):
        folder = write(report(f"20260102-000000-{ending}"), [], tmp_path)
        os.utime(folder / "report.json", ns=(order, order))
    assert find("latest", tmp_path).name.endswith("888888")


def test_a_baseline_s_name_is_told_from_a_run_s(results: Path) -> None:
    (results / "baselines" / "main").mkdir(parents=True)
    assert '"main" is a baseline, which keeps scores and no texts' in refused("main", results)
