"""Outputs from a file: found by id, complete, and scored as they stand."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from evalkit.client.recorded import RecordedModel
from evalkit.datasets.base import FieldMap, load
from evalkit.datasets.files import JsonLines
from evalkit.errors import DatasetError, ModelError, RequestError
from evalkit.records import Sample


def source(folder: Path, *rows: dict[str, Any]) -> JsonLines:
    path = folder / "outputs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return JsonLines(str(path))


def text(model: RecordedModel, identifier: str) -> str:
    request = model.request(Sample(identifier, {}), (), None, 0)
    return model.parse(request, asyncio.run(model.send(request)).body).text


@pytest.mark.parametrize(
    ("value", "expected"),
    [("yes", "yes"), ("", ""), (7, "7"), (1.5, "1.5"), (True, "true"), (["a"], '["a"]'), ("é 数", "é 数")],
)
def test_output_is_scored_as_text(tmp_path: Path, value: Any, expected: str) -> None:
    model = RecordedModel(source(tmp_path, {"id": "1", "out": value}), output="out")
    assert text(model, "1") == expected


def test_null_is_a_failure_and_not_an_empty_answer(tmp_path: Path) -> None:
    model = RecordedModel(source(tmp_path, {"id": "1", "out": None}), output="out")
    with pytest.raises(RequestError) as caught:
        text(model, "1")
    assert (caught.value.kind, caught.value.retryable) == ("no_output", False)


def test_dots_reach_into_objects_and_a_literal_name_wins(tmp_path: Path) -> None:
    rows = source(tmp_path, {"id": "1", "outputs": {"gpt-4": "deep"}, "outputs.gpt-4": "flat"})
    assert text(RecordedModel(rows, output="outputs.gpt-4"), "1") == "flat"
    rows = source(tmp_path, {"id": "1", "outputs": {"gpt-4": "deep"}})
    assert text(RecordedModel(rows, output="outputs.gpt-4"), "1") == "deep"


def test_missing_and_extra_ids_are_counted_and_named(tmp_path: Path) -> None:
    model = RecordedModel(source(tmp_path, {"id": "a", "out": "x"}, {"id": "b", "out": "y"}), output="out")
    with pytest.raises(ModelError) as caught:
        model.check([Sample("b", {}), Sample("c", {}), Sample("d", {})])
    said = str(caught.value)
    assert "2 samples without an output (c, d)" in said
    assert "1 outputs without a sample (a)" in said


def test_a_part_of_the_dataset_may_leave_outputs_over(tmp_path: Path) -> None:
    rows = source(tmp_path, {"id": "a", "out": "x"}, {"id": "b", "out": "y"})
    RecordedModel(rows, output="out", partial=True).check([Sample("b", {})])


def test_column_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"model\.output"):
        RecordedModel(source(tmp_path, {"id": "a", "out": "x"}), output="outt")


def test_the_datasets_own_file_without_ids(tmp_path: Path) -> None:
    """Ids are hashes of the rows with their occurrence: equal rows stay apart."""
    rows = source(tmp_path, {"q": "1", "a": "x"}, {"q": "1", "a": "x"}, {"q": "2", "a": "y"})
    samples = load(rows, FieldMap(input={"q": "q"}, target="a")).samples
    model = RecordedModel(rows, output="a")
    model.check(samples)
    assert [text(model, sample.id) for sample in samples] == ["x", "x", "y"]
