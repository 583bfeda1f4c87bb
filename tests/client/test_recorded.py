"""Outputs from a file, scored like any model's."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from runs import executor

from evalkit.cache.base import Mode
from evalkit.client.recorded import RecordedModel
from evalkit.datasets.base import FieldMap, load
from evalkit.datasets.formats import source_for
from evalkit.errors import DatasetError, ModelError
from evalkit.postprocess import Pipeline
from evalkit.prompts import Prompt
from evalkit.records import Outcome, Question, Request, Sample
from evalkit.runner import collect
from evalkit.task import Task


def file_of(tmp_path: Path, rows: list[dict[str, Any]], name: str = "outputs.jsonl") -> str:
    path = tmp_path / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def recorded(path: str, output: str = "output", **settings: Any) -> RecordedModel:
    return RecordedModel(source_for(path), output=output, **settings)


def samples(*ids: str) -> list[Sample]:
    return [Sample(one, {"text": one}) for one in ids]


def outcomes(path: str, model: RecordedModel, fields: FieldMap | None = None) -> list[Outcome]:
    dataset = load(source_for(path), fields or FieldMap())
    # Nothing is rendered: a template that no sample could fill is no error here.
    task = Task("recorded", dataset, Prompt("none", "{{ absent }}"), Pipeline([], []), {})
    model.check(dataset.samples)
    return list(collect(task, model, executor(), None, mode=Mode.RW).outcomes)


def output_of(tmp_path: Path, value: Any) -> Outcome:
    path = file_of(tmp_path, [{"id": "a", "output": value}])
    [outcome] = outcomes(path, recorded(path))
    return outcome


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("hello", "hello"),
        ("", ""),
        ("  \n", "  \n"),
        ("好 😀 \u2028", "好 😀 \u2028"),
        (3, "3"),
        (3.5, "3.5"),
        (0, "0"),
        (2**70, str(2**70)),
        (True, "true"),
        (False, "false"),
        ({"label": "好"}, '{"label": "好"}'),
        (["a", 1], '["a", 1]'),
        ([], "[]"),
        ({}, "{}"),
    ],
)
def test_any_value_is_an_answer_as_a_model_would_write_it(tmp_path: Path, value: Any, text: str) -> None:
    outcome = output_of(tmp_path, value)
    assert outcome.failure is None
    assert outcome.response is not None
    assert (outcome.response.text, outcome.response.latency) == (text, 0.0)


def test_null_is_a_failure_and_no_empty_answer(tmp_path: Path) -> None:
    outcome = output_of(tmp_path, None)
    assert outcome.response is None
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.attempts) == ("no_output", 1)
    assert "output" in outcome.failure.message


def test_dotted_path_reaches_into_objects_and_a_literal_column_wins(tmp_path: Path) -> None:
    path = file_of(
        tmp_path,
        [
            {"id": "a", "outputs": {"gpt4": "nested"}},
            {"id": "b", "outputs": {"gpt4": "nested"}, "outputs.gpt4": "literal"},
        ],
    )
    model = recorded(path, "outputs.gpt4")
    assert [one.response.text for one in outcomes(path, model) if one.response] == ["nested", "literal"]


def test_missing_output_column_names_the_columns_there_are(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"id": "a", "outputs": {"gpt4": "x"}}])
    with pytest.raises(DatasetError, match=r"line 1.*model\.output.*outputs"):
        recorded(path, "outputs.gpt5")


@pytest.mark.parametrize("column", [None, "key"])
def test_ids_may_be_numbers_and_any_column(tmp_path: Path, column: str | None) -> None:
    path = file_of(tmp_path, [{column or "id": number, "output": f"o{number}"} for number in (1, 2)])
    found = outcomes(path, recorded(path, id_column=column), FieldMap(id=column))
    assert [(one.sample_id, one.response and one.response.text) for one in found] == [
        ("1", "o1"),
        ("2", "o2"),
    ]


def test_dataset_s_own_file_without_ids_matches_by_content(tmp_path: Path) -> None:
    """Ids are then made of the rows; equal rows stay apart."""
    rows = [{"text": "q", "target": "t", "output": "same"}] * 2 + [
        {"text": "r", "target": "t", "output": "o"}
    ]
    path = file_of(tmp_path, rows)
    found = outcomes(path, recorded(path), FieldMap({"text": "text"}, "target"))
    assert [one.response and one.response.text for one in found] == ["same", "same", "o"]
    assert len({one.sample_id for one in found}) == 3


def test_csv_outputs_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "outputs.csv"
    path.write_text("id,output\na,007\nb,\n", "utf-8")
    found = outcomes(str(path), recorded(str(path)))
    assert [one.response and one.response.text for one in found] == ["007", ""]


def test_missing_and_extra_ids_are_counted_and_named(tmp_path: Path) -> None:
    path = file_of(
        tmp_path, [{"id": f"x{number}", "output": "o"} for number in range(7)] + [{"id": "a", "output": "o"}]
    )
    with pytest.raises(ModelError) as caught:
        recorded(path).check(samples("a", "b", "c"))
    message = str(caught.value)
    assert "2 samples without an output (b, c)" in message
    assert "7 outputs without a sample (x0, x1, x2, x3, x4, …)" in message
    assert path in message
    assert "model.id" in message


def test_outputs_beyond_a_limited_dataset_are_allowed_and_missing_ones_are_not(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"id": one, "output": "o"} for one in "abc"])
    recorded(path, partial=True).check(samples("a"))
    with pytest.raises(ModelError, match=r"1 samples without an output \(d\)"):
        recorded(path, partial=True).check(samples("a", "d"))


def test_id_that_comes_twice_is_an_error(tmp_path: Path) -> None:
    path = file_of(tmp_path, [{"id": "a", "output": "one"}, {"id": "a", "output": "two"}])
    with pytest.raises(DatasetError, match='id "a" was used before at line 1'):
        recorded(path)


def test_nothing_of_it_is_cached(tmp_path: Path) -> None:
    class NoCache:
        path = tmp_path

        def alike(self, request: Request) -> Any:
            raise AssertionError("looked up")

        def get_many(self, keys: Any) -> Any:
            raise AssertionError("looked up")

        async def put(self, request: Request, entry: Any) -> None:
            raise AssertionError("kept")

        def close(self) -> None:
            pass

    path = file_of(tmp_path, [{"id": "a", "output": "o"}])
    dataset = load(source_for(path), FieldMap())
    task = Task("recorded", dataset, Prompt("none", "x"), Pipeline([], []), {})
    for mode in Mode:
        [outcome] = collect(task, recorded(path), executor(), NoCache(), mode=mode).outcomes
        assert outcome.response is not None
        assert not outcome.cached


def test_trials_are_the_elements_of_a_list_and_one_text_is_no_second_draw(tmp_path: Path) -> None:
    model = recorded(file_of(tmp_path, [{"id": "1", "output": ["a", "b", "c"]}]), trials=3)
    model.check(samples("1"))
    requests = [model.request(samples("1")[0], Question(), trial) for trial in range(3)]
    texts = [model.parse(one, asyncio.run(model.send(one)).body).text for one in requests]
    assert texts == ["a", "b", "c"]
    single = recorded(file_of(tmp_path, [{"id": "1", "output": "a"}]), trials=2)
    with pytest.raises(ModelError, match="trials=2 needs a list of 2 outputs"):
        single.check(samples("1"))


def test_other_output_under_the_same_id_is_another_request(tmp_path: Path) -> None:
    models = [recorded(file_of(tmp_path, [{"id": "1", "output": text}])) for text in ("a", "b")]
    assert len({one.request(samples("1")[0], Question(), 0).key for one in models}) == 2
