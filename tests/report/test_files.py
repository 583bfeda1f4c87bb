"""A run's folder: written whole or not at all, read back as it was, refused when it is not whole."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from reports import aggregate, report

from evalkit.errors import ReportError
from evalkit.report.base import read
from evalkit.report.place import REPORT, SAMPLES, check_writable
from evalkit.report.suite import Member, Suite, read_suite, write_suite
from evalkit.report.write import write

SAMPLE = {"id": "1", "trial": 0, "output": "数据 ü"}


def written(folder: Path, *lines: dict[str, Any], **changes: Any) -> Path:
    return write(report(**changes), lines or (SAMPLE,), folder)


def damaged(folder: Path, text: str) -> str:
    path = written(folder)
    (path / REPORT).write_text(text)
    with pytest.raises(ReportError) as caught:
        read(path)
    return str(caught.value)


def test_report_comes_back_as_it_was(tmp_path: Path) -> None:
    made = report("r1", aggregate("a", 1 / 3), aggregate("b", low=None, high=None), suite="study")
    folder = write(made, [SAMPLE], tmp_path)
    found = read(folder)
    assert found == made
    assert found.folder == folder == tmp_path / "runs" / "sentiment" / "r1"
    assert list(found.samples()) == [SAMPLE]
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "report.md", "samples.jsonl"]


def test_what_cannot_be_computed_is_null_not_nan(tmp_path: Path) -> None:
    folder = write(report("r1", aggregate("a", math.nan, low=-math.inf, high=math.inf)), [SAMPLE], tmp_path)
    json.loads((folder / REPORT).read_text(), parse_constant=pytest.fail)
    found = asdict(read(folder).metrics["a"])
    assert [found[name] for name in ("value", "low", "high")] == [None] * 3
    assert "| a | \\- | \\- |" in (folder / "report.md").read_text()


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb", "\ude00\ud83d"], ids=ascii)
def test_lone_surrogates_survive(text: str, tmp_path: Path) -> None:
    folder = written(tmp_path, {"id": text, "output": text}, model={**report().model, "asked": text})
    assert list(read(folder).samples()) == [{"id": text, "output": text}]
    assert read(folder).model["asked"] == text
    for path in folder.iterdir():
        path.read_text("utf-8")


def test_integers_of_any_length_survive(tmp_path: Path) -> None:
    assert list(read(written(tmp_path, {"id": "1", "n": 2**80})).samples()) == [{"id": "1", "n": 2**80}]


def test_samples_that_cannot_be_made_leave_nothing_behind(tmp_path: Path) -> None:
    def lines() -> Iterator[dict[str, Any]]:
        yield SAMPLE
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write(report(), lines(), tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


KILLED = """
import sys, signal, os
from pathlib import Path
from reports import report
from evalkit.report.write import write

def lines():
    yield {"id": "1"}
    os.kill(os.getpid(), signal.SIGKILL)

write(report(), lines(), Path(sys.argv[1]))
"""


def test_process_killed_while_writing_leaves_no_run_to_be_seen(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = (tmp_path / "runs" / "sentiment").iterdir()
    assert left.name.startswith(".")


def test_existing_run_is_never_overwritten(tmp_path: Path) -> None:
    folder = written(tmp_path)
    with pytest.raises(ReportError, match="cannot be written"):
        written(tmp_path, {"id": "2"})
    assert list(read(folder).samples()) == [SAMPLE]


def test_unwritable_folder_is_told_before_and_after(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportError, match="set results_dir=FOLDER"):
        check_writable(tmp_path / "file", "sentiment")
    with pytest.raises(ReportError, match="answers are in the cache"):
        written(tmp_path / "file")
    with pytest.raises(ReportError, match="cannot be written"):
        write_suite(Suite("s", "s", []), tmp_path / "file")


def test_check_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    check_writable(tmp_path, "sentiment")
    assert list((tmp_path / "runs" / "sentiment").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_told_in_one_line(tmp_path: Path) -> None:
    suites = tmp_path / "suites"
    suites.mkdir()
    (suites / f".s.json.{os.getpid()}").symlink_to("/dev/full")
    with pytest.raises(ReportError, match="No space left on device"):
        write_suite(Suite("s", "s", []), tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("\x00", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "not an evalkit report"),
        ("{}", "not an evalkit report"),
        ('{"schema_version": true}', "not an evalkit report"),
        ('{"schema_version": 1}', "damaged"),
        ('{"schema_version": 99}', "written by a newer evalkit (schema 99, this one reads up to 2); upgrade"),
    ],
    ids=lambda text: text[:30],
)
def test_damaged_or_newer_report_is_refused_by_name(text: str, says: str, tmp_path: Path) -> None:
    message = damaged(tmp_path, text)
    assert says in message
    assert REPORT in message


@pytest.mark.parametrize(
    ("name", "value"),
    [("task", "qa"), ("task", {}), ("metrics", []), ("metrics", {"a": {}}), ("metrics", {"a": 5}),
     ("counts", None), ("dataset", {"name": "x"}), ("surprise", 1)],
)  # fmt: skip
def test_report_with_a_wrong_part_is_damaged(name: str, value: object, tmp_path: Path) -> None:
    data = json.loads((written(tmp_path / "whole") / REPORT).read_text())
    assert "damaged" in damaged(tmp_path, json.dumps({**data, name: value}))


def test_report_that_is_no_file_or_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / REPORT).write_bytes(b"\xff\xfe")
    with pytest.raises(ReportError, match="damaged"):
        read(folder)
    (folder / REPORT).unlink()
    with pytest.raises(ReportError, match="no report there"):
        read(folder)
    (folder / REPORT).mkdir()
    with pytest.raises(ReportError, match="cannot be read"):
        read(folder)


@pytest.mark.parametrize("line", [b"{", b"5\n", b"{}\n", b'{"id": "\xff"}\n', b"\n"])
def test_damaged_sample_is_named_by_its_line(line: bytes, tmp_path: Path) -> None:
    folder = written(tmp_path)
    with (folder / SAMPLES).open("ab") as file:
        file.write(line)
    with pytest.raises(ReportError, match=r"samples.jsonl, line 2: damaged"):
        list(read(folder).samples())


def test_lost_samples_are_told(tmp_path: Path) -> None:
    folder = written(tmp_path)
    (folder / SAMPLES).unlink()
    with pytest.raises(ReportError, match="has lost its samples"):
        list(read(folder).samples())


def test_suite_comes_back_as_it_was(tmp_path: Path) -> None:
    members = [Member(0, ["task=qa"], "runs/qa/r1", None, 0), Member(1, ["task=\ud800"], None, "no", 2)]
    suite = Suite("study-1", "study", members)
    path = write_suite(suite, tmp_path)
    assert path == tmp_path / "suites" / "study-1.json"
    assert read_suite(path) == suite
    assert read_suite(path).runs == ["runs/qa/r1"]


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "damaged"), ("[]", "damaged"), ("{}", "damaged"), ('{"schema_version": 9}', "newer evalkit"),
     ('{"schema_version": 1, "members": [{}]}', "damaged"), ('{"schema_version": "1"}', "damaged")],
)  # fmt: skip
def test_damaged_or_newer_suite_is_refused(text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(text)
    with pytest.raises(ReportError, match=says):
        read_suite(path)
    with pytest.raises(ReportError, match="cannot be read"):
        read_suite(tmp_path / "absent.json")
