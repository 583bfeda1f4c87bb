"""Several files, patterns and standard input, from the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import evalkit, server, write, write_lines

from evalkit.datasets.paths import expand, name_of
from evalkit.errors import DatasetError

if TYPE_CHECKING:
    from commands import Commands

__all__ = ["evalkit", "server"]

ROWS = [{"id": f"s{number}", "text": f"t{number}", "label": "xy"[number % 2]} for number in range(4)]
COMMON = (
    *("run", "task=sentiment", "prompt=sentiment_text", "dataset.input={text: text}", "dataset.target=label"),
    *("model=recorded", "model.path=out.jsonl", "model.output=label", "task.postprocess=[strip]"),
    *("metrics=[accuracy]", "resamples=10"),
)


@pytest.fixture
def run(evalkit: Commands) -> Commands:
    """A folder with the rows in two files, in one, and their recorded outputs."""
    write_lines(evalkit.folder / "data" / "b.jsonl", *ROWS[2:])
    write_lines(evalkit.folder / "data" / "a.jsonl", *ROWS[:2])
    write_lines(evalkit.folder / "out.jsonl", *ROWS)
    return evalkit


@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("dataset.path=[data/b.jsonl,data/a.jsonl]", ["s2", "s3", "s0", "s1"]),
        ("dataset.path=data/*.jsonl", ["s0", "s1", "s2", "s3"]),
        ("dataset.path=**/[ab].jsonl", ["s0", "s1", "s2", "s3"]),
        ("dataset.path=[data/b*,data/a.jsonl]", ["s2", "s3", "s0", "s1"]),
    ],
)
def test_several_files_are_one_dataset(run: Commands, path: str, ids: list[str]) -> None:
    """In the order that was given; what a pattern finds is sorted."""
    name, _, value = path.partition("=")
    words = (path,) if value.startswith("[") else (f"{name}='{value}'",)
    assert run(*COMMON, "dataset=jsonl", *words).code == 0
    assert [one["id"] for one in run.samples()] == ids
    assert {Path(one).name for one in run.report()["dataset"]["origin"]["files"]} == {"a.jsonl", "b.jsonl"}


def test_messages_name_the_file_among_several(run: Commands) -> None:
    path = run.folder / "data" / "c.jsonl"
    write_lines(path, {"id": "s9", "text": "t"}, ROWS[0])
    files = "dataset.path='data/*.jsonl'"
    assert run(*COMMON, "dataset=jsonl", files).error.startswith(
        'evalkit: data/c.jsonl, line 1: no column "label" for dataset.target; '
    )
    write_lines(path, ROWS[0])
    assert run(*COMMON, "dataset=jsonl", files).error.startswith(
        'evalkit: data/c.jsonl, line 1: id "s0" was used before at data/a.jsonl, line 1; '
    )
    write(path, "{bad\n")
    assert "evalkit: data/c.jsonl, line 1, column 2: bad JSON" in run(*COMMON, "dataset=jsonl", files).error


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("dataset.path='no/*.jsonl'", "no/*.jsonl: no file matches (looked in "),
        ("dataset.path=[data/a.jsonl,'data/*']", "dataset.path: data/a.jsonl is named twice"),
        ("dataset.path=[data/a.jsonl,-]", "dataset.path: standard input (-) cannot be mixed with files"),
        ("dataset.path=[data/a.jsonl,'']", "dataset.path: an empty path among several"),
        ("dataset.path={a: b}", "a path or a list of paths"),
        ("dataset.path=[]", "dataset=jsonl needs a file"),
    ],
)
def test_paths_that_cannot_be_meant(run: Commands, path: str, message: str) -> None:
    assert message in run(*COMMON, "dataset=jsonl", path).error


def test_a_file_that_is_called_like_a_pattern_is_itself(run: Commands) -> None:
    (run.folder / "data" / "a.jsonl").rename(run.folder / "data[1].jsonl")
    write_lines(run.folder / "out.jsonl", *ROWS[:2])
    assert run(*COMMON, "dataset=jsonl", "dataset.path='data[1].jsonl'").code == 0


class TestStandardInput:
    def test_piped_rows_are_read_once_and_the_report_says_so(self, run: Commands) -> None:
        text = "".join(json.dumps(row) + "\n" for row in ROWS)
        done = run.process(*COMMON, "dataset=jsonl", "dataset.path=-", "results_dir=piped", input=text)
        assert done.code == 0, done.err
        assert run.report("piped")["dataset"] | {"fingerprint": ""} == {
            "name": "-",
            "fingerprint": "",
            "n": 4,
            "read": 4,
            "filtered": 0,
            "origin": {"path": "-"},
        }

    def test_piped_csv(self, run: Commands) -> None:
        text = "id,text,label\n" + "".join(",".join(row.values()) + "\n" for row in ROWS)
        assert run.process(*COMMON, "dataset=csv", "dataset.path=-", input=text).code == 0

    def test_errors_say_standard_input(self, run: Commands) -> None:
        done = run.process(*COMMON, "dataset=jsonl", "dataset.path=-", input='{"id": 1}\n')
        assert done.code == 2
        assert 'evalkit: standard input, line 1: no column "text" for dataset.input.text' in done.err

    def test_an_empty_pipe_is_told(self, run: Commands) -> None:
        done = run.process(*COMMON, "dataset=jsonl", "dataset.path=-", input="")
        assert done.code == 2
        assert "standard input is empty; it can be read only once" in done.err

    def test_a_terminal_is_not_waited_for(self, run: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        monkeypatch.setattr("sys.stdin", Terminal())
        assert "standard input is a terminal" in run(*COMMON, "dataset=jsonl", "dataset.path=-").error


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("data/reviews.jsonl", "reviews"),
        ("reviews.csv.gz", "reviews"),
        ("a.b.parquet", "a.b"),
        ("-", "-"),
        ("data/*.jsonl", "data/*.jsonl"),
        (["a.jsonl", "b.jsonl"], "a+b"),
        (["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"], "a+b+c+2 more"),
        ("owner/name", "name"),
        (None, ""),
    ],
)
def test_a_dataset_without_a_name_is_called_by_its_path(path: Any, name: str) -> None:
    assert name_of(path) == name


@pytest.mark.parametrize("path", [True, 1.5, {"a": 1}, [["a"]]])
def test_a_path_is_text(path: Any) -> None:
    with pytest.raises(DatasetError, match="a path or a list of paths"):
        expand(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("dataset=jsonl", "dataset.split=test"), "dataset.split=test: dataset=jsonl has none"),
        (("dataset=csv", "dataset.revision=v1"), "dataset.revision=v1: dataset=csv has none"),
        (("dataset=parquet", "dataset.subset=x"), "dataset.subset=x: dataset=parquet has none"),
        (
            ("dataset=jsonl", "dataset.options.delimiter=x"),
            "dataset.options.delimiter: JsonLines has no such option",
        ),
        (("dataset=parquet", "dataset.path=null"), "dataset=parquet needs a file"),
        (("dataset=arrow", "dataset.path=null"), "dataset=arrow needs a file"),
        (("dataset=hub", "dataset.path=null"), "dataset=hub needs a dataset"),
    ],
)
def test_settings_that_a_loader_does_not_have(run: Commands, words: tuple[str, ...], message: str) -> None:
    assert message in run(*COMMON, "dataset.path=data/a.jsonl", *words).error


def test_filter_shuffle_and_limit_are_in_the_report(run: Commands) -> None:
    words = ("dataset=jsonl", "dataset.path='data/*.jsonl'", "dataset.where='label == \"x\"'")
    assert run(*COMMON, *words, "dataset.shuffle=1").code == 0
    assert {key: run.report()["dataset"][key] for key in ("n", "read", "filtered")} == {
        "n": 2,
        "read": 4,
        "filtered": 2,
    }
    text = (run.last_run() / "report.md").read_text("utf-8")
    assert "2 of 4 rows left out by the filter" in text


@pytest.mark.parametrize("ending", ["jsonl.gz", "parquet", "arrow"])
def test_recorded_outputs_are_read_from_whatever_loaders_read(run: Commands, ending: str) -> None:
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    path = run.folder / f"out.{ending}"
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), path)
    elif ending == "arrow":
        with pa.ipc.new_file(path, pa.Table.from_pylist(ROWS).schema) as writer:
            writer.write_table(pa.Table.from_pylist(ROWS))
    else:
        path.write_bytes(gzip.compress((run.folder / "out.jsonl").read_bytes()))
    words = ("dataset=jsonl", "dataset.path='data/*.jsonl'", f"model.path={path.name}")
    assert run(*COMMON, *words).code == 0
    assert run.report()["metrics"]["accuracy"]["value"] == 1.0


def test_one_dataset_has_one_fingerprint_in_every_format(run: Commands) -> None:
    import gzip

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, run.folder / "d.parquet")
    text = "id,text,label\n" + "".join(",".join(row.values()) + "\n" for row in ROWS)
    write(run.folder / "d.csv", text)
    (run.folder / "d.csv.gz").write_bytes(gzip.compress(text.encode()))
    found = set()
    for words in (
        ("dataset=jsonl", "dataset.path='data/*.jsonl'"),
        ("dataset=jsonl", "dataset.path=out.jsonl"),
        ("dataset=parquet", "dataset.path=d.parquet"),
        ("dataset=csv", "dataset.path=d.csv"),
        ("dataset=csv", "dataset.path=d.csv.gz"),
    ):
        assert run(*COMMON, *words).code == 0
        found.add(run.report()["dataset"]["fingerprint"])
    assert len(found) == 1
