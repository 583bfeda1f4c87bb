from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets.base import MISSING, FieldMap, column, load
from evalkit.datasets.files import JsonLines
from evalkit.datasets.fingerprint import Fingerprint

if TYPE_CHECKING:
    from dataset_files import Read, Refusal

ROWS = [
    {"id": "a", "question": "Who?", "answers": {"text": ["me", "I"], "start": [3]}, "doc": "d1"},
    {"id": "b", "question": "Why?", "answers": {"text": ["no"], "start": [1]}, "doc": "d1"},
]


def lines(rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_columns_become_input_target_group_and_metadata(read: Read) -> None:
    fields = FieldMap({"q": "question"}, target="answers.text", group="doc")
    first = read("d.jsonl", lines(ROWS), fields).samples[0]
    assert (first.id, first.input, first.target, first.group) == ("a", {"q": "Who?"}, ["me", "I"], "d1")
    assert first.metadata == {"answers": {"text": ["me", "I"], "start": [3]}, "doc": "d1"}


def test_several_columns_make_a_list(read: Read) -> None:
    row = '{"A": "x", "B": {"text": 2}, "answer": "A", "n": 1}'
    (sample,) = read("d.jsonl", row, FieldMap({"choices": ["A", "B.text"]}, "answer")).samples
    assert (sample.input, sample.target) == ({"choices": ["x", 2]}, "A")
    assert sample.metadata == {"B": {"text": 2}, "n": 1}


def test_without_a_mapping_every_column_but_id_and_target_is_input(read: Read) -> None:
    sample = read("d.jsonl", '{"id": 1, "a": 2, "b": 3, "c": 4}', FieldMap(target="c")).samples[0]
    assert (sample.id, sample.input, sample.target, sample.metadata) == ("1", {"a": 2, "b": 3}, 4, {})


def test_without_a_mapping_the_object_around_a_dotted_target_is_no_input(read: Read) -> None:
    """Else a template could show the model the answer."""
    sample = read("d.jsonl", lines(ROWS), FieldMap(target="answers.text")).samples[0]
    assert sample.input == {"question": "Who?", "doc": "d1"}
    assert sample.metadata == {"answers": {"text": ["me", "I"], "start": [3]}}


def test_a_column_literally_named_with_dots_wins_over_the_path(read: Read) -> None:
    content = '{"a.b": "literal", "a": {"b": "inner"}, "q": 1}'
    assert read("d.jsonl", content, FieldMap(target="a.b")).samples[0].target == "literal"
    assert read("d.jsonl", content, FieldMap(target="a.b")).samples[0].input == {"a": {"b": "inner"}, "q": 1}
    assert read("d.jsonl", content, FieldMap({"x": "a"}, target="a.b")).samples[0].input == {
        "x": {"b": "inner"}
    }


@pytest.mark.parametrize("target", ["x", "", 3, 2.5, False, ["a", "b"], {"k": [1]}])
def test_targets_of_any_type_arrive_as_they_are(read: Read, target: Any) -> None:
    assert read("d.jsonl", json.dumps({"t": target}), FieldMap(target="t")).samples[0].target == target


@pytest.mark.parametrize("target", [None, [], [None], ["a", None]])
def test_an_empty_target_is_refused(refusal: Refusal, target: Any) -> None:
    content = '{"t": "x"}\n' + json.dumps({"t": target})
    remedy = "give a target or remove the row"
    if target == []:
        remedy += " (or set dataset.unanswerable=true where that says that there is no answer)"
    assert refusal("d.jsonl", content, FieldMap(target="t")) == (
        f'd.jsonl, line 2: the target column "t" is empty or holds null; {remedy}'
    )


def test_an_empty_target_can_say_that_there_is_no_answer(read: Read) -> None:
    """Then the empty text is the right one, as in SQuAD 2.0's script."""
    content = '{"t": []}\n{"t": null}\n{"t": ["x"]}\n'
    samples = read("d.jsonl", content, FieldMap(target="t", unanswerable=True)).samples
    none: tuple[list[str], tuple[str]] = ([], ("",))
    assert [(one.target, one.references) for one in samples] == [none, none, (["x"], ("x",))]


COLUMNS = "question, answers"
INNER = "question, answers, answers.text"


@pytest.mark.parametrize(
    ("fields", "problem", "columns", "setting"),
    [
        (
            FieldMap({"q": "qestion"}),
            'no column "qestion" for dataset.input.q (did you mean "question"?)',
            COLUMNS,
            "dataset.input.q",
        ),
        (FieldMap(target="label"), 'no column "label" for dataset.target', COLUMNS, "dataset.target"),
        (
            FieldMap(target="answers.txt"),
            'no column "answers.txt" for dataset.target (did you mean "answers.text"?)',
            INNER,
            "dataset.target",
        ),
        (
            FieldMap(target="question.text"),
            'no column "question.text" for dataset.target (did you mean "question"?)',
            INNER,
            "dataset.target",
        ),
        (FieldMap(id="key"), 'no column "key" for dataset.id', COLUMNS, "dataset.id"),
        (FieldMap(group="doc"), 'no column "doc" for dataset.group', COLUMNS, "dataset.group"),
    ],
)
def test_a_missing_column_is_named_with_those_there_are(
    refusal: Refusal, fields: FieldMap, problem: str, columns: str, setting: str
) -> None:
    assert refusal("d.jsonl", '{"question": "x", "answers": {"text": ["y"]}}\n', fields) == (
        f"d.jsonl, line 1: {problem}; the columns are {columns}: set {setting}=<column>"
    )


def test_a_column_that_only_one_row_lacks_names_that_row(refusal: Refusal) -> None:
    message = refusal("d.jsonl", '{"a": 1, "b": 2}\n{"b": 2}\n', FieldMap({"x": "a"}))
    assert message.startswith('d.jsonl, line 2: no column "a" for dataset.input.x')


def test_explicit_ids_come_from_the_column_id_or_the_one_named(read: Read) -> None:
    content = '{"id": 7, "key": "k1"}\n{"id": "x", "key": "k2"}\n'
    assert [sample.id for sample in read("d.jsonl", content).samples] == ["7", "x"]
    assert [sample.id for sample in read("d.jsonl", content, FieldMap(id="key")).samples] == ["k1", "k2"]


def test_an_explicit_id_may_lie_in_an_object(read: Read) -> None:
    assert read("d.jsonl", '{"meta": {"id": 3}}', FieldMap(id="meta.id")).samples[0].id == "3"


@pytest.mark.parametrize("second", ['{"id": "7"}', '{"id": 7}'])
def test_an_id_that_comes_twice_names_both_lines(refusal: Refusal, second: str) -> None:
    assert refusal("d.jsonl", '{"id": 7, "a": 1}\n{"id": "8"}\n\n' + second) == (
        'd.jsonl, line 4: id "7" was used before at line 1; '
        "make ids unique, or choose another column with dataset.id=<column>"
    )


@pytest.mark.parametrize("value", ["null", '""'])
def test_an_empty_id_is_refused_where_the_column_was_chosen(refusal: Refusal, value: str) -> None:
    message = refusal("d.jsonl", f'{{"key": {value}}}', FieldMap(id="key"))
    assert message == 'd.jsonl, line 1: the id column "key" is empty; give every row an id'


def test_rows_without_an_id_are_named_by_their_hash_and_occurrence(read: Read) -> None:
    """`printf '{"a":1}' | sha256sum` begins 015abd7f5cc57a2d."""
    samples = read("d.jsonl", '{"a": 1}\n{"a": 2}\n{"a": 1}\n{"a": 1, "id": null}\n').samples
    assert samples[0].id == "015abd7f5cc57a2d-1"
    assert samples[2].id == "015abd7f5cc57a2d-2"
    assert len({sample.id for sample in samples}) == 4


def test_mapping_another_field_changes_no_id(read: Read) -> None:
    content = '{"a": 1, "b": "x", "c": "t"}\n{"a": 1, "b": "x", "c": "t"}\n{"a": 2, "b": "y", "c": "t"}\n'
    maps = [
        FieldMap(),
        FieldMap({"q": "a"}),
        FieldMap({"q": "b"}, target="c"),
        FieldMap(target="a", group="c"),
    ]
    ids = [[sample.id for sample in read("d.jsonl", content, fields).samples] for fields in maps]
    assert all(one == ids[0] for one in ids)


@pytest.mark.parametrize(
    ("value", "group"), [('"d1"', "d1"), ("3", "3"), ("true", "true"), ("null", None), ('""', None)]
)
def test_a_row_without_a_group_has_none(read: Read, value: str, group: str | None) -> None:
    assert read("d.jsonl", f'{{"g": {value}}}', FieldMap(group="g")).samples[0].group == group


def test_rows_stay_in_file_order_and_limit_takes_the_first(read: Read) -> None:
    content = lines({"id": str(number)} for number in (5, 3, 9, 1))
    assert [sample.id for sample in read("d.jsonl", content).samples] == ["5", "3", "9", "1"]
    assert [sample.id for sample in read("d.jsonl", content, limit=2).samples] == ["5", "3"]
    assert [sample.id for sample in read("d.jsonl", content, limit=99).samples] == ["5", "3", "9", "1"]


def test_the_fingerprint_is_sha256_over_canonical_lines(read: Read) -> None:
    r"""`printf '{"label":"1","text":"007"}\n{"label":"2","text":"NA"}\n' | sha256sum`."""
    dataset = read("d.csv", "text,label\n007,1\nNA,2\n")
    assert dataset.fingerprint == "7e4ddcc246725e52e9abe0ac4d0b13cbcd9670139af71459dca431e453f844af"


def test_the_fingerprint_is_that_of_the_rows_not_of_the_file(read: Read, tmp_path: Path) -> None:
    rows = [{"text": "é 007", "n": "1"}, {"text": "b", "n": "2"}]
    reference = read("d.jsonl", lines(rows)).fingerprint
    os.utime(tmp_path / "d.jsonl", (1, 1))
    assert load(JsonLines(str(tmp_path / "d.jsonl")), FieldMap({"x": "text"})).fingerprint == reference
    assert read("other.jsonl", lines(dict(reversed(row.items())) for row in rows)).fingerprint == reference
    assert read("d.json", json.dumps(rows, indent=3, ensure_ascii=False)).fingerprint == reference
    assert read("d.csv", "\ufeffn,text\r\n1,é 007\r\n2,b\r\n").fingerprint == reference
    assert (
        read("d.tsv", "n\ttext\n1\té 007\n2\tb".encode("utf-16"), encoding="utf-16").fingerprint == reference
    )


@pytest.mark.parametrize(
    "rows",
    [
        [{"a": "2", "b": "x"}, {"a": "1", "b": "x"}],
        [{"a": "1", "b": "x"}],
        [{"a": "1", "b": "x"}, {"a": "2", "b": "x"}, {"a": "2", "b": "x"}],
        [{"a": 1, "b": "x"}, {"a": "2", "b": "x"}],
        [{"a": "1", "b": "x"}, {"a": "2", "b": "x "}],
        [{"a": "1", "b": "x"}, {"a": "2", "c": "x"}],
        [{"a": "1", "b": "x"}, {"a": "2", "b": "x", "c": None}],
    ],
    ids=["order", "fewer", "more", "type", "value", "name", "column"],
)
def test_the_fingerprint_changes_with_the_rows(read: Read, rows: list[dict[str, Any]]) -> None:
    reference = read("d.jsonl", lines([{"a": "1", "b": "x"}, {"a": "2", "b": "x"}])).fingerprint
    assert read("d.jsonl", lines(rows)).fingerprint != reference


@given(
    st.lists(
        st.dictionaries(st.text(st.characters(codec="utf-8")), st.integers() | st.booleans()), max_size=4
    )
)
def test_the_fingerprint_agrees_with_a_plain_computation(rows: list[dict[str, Any]]) -> None:
    fingerprint = Fingerprint()
    for row in rows:
        fingerprint.add(row)
    plain = "".join(json.dumps(row, sort_keys=True, separators=(",", ":")) + "\n" for row in rows)
    assert fingerprint.value == hashlib.sha256(plain.encode()).hexdigest()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "rows", "fields"),
    [
        ("sentiment_vader_tweets", 800, FieldMap({"text": "text"}, "label")),
        ("qa_extractive_xquad_en", 611, FieldMap({"question": "question"}, "answers.text", group="title")),
        ("summarization_scitldr", 532, FieldMap({"document": "document"}, "references")),
        ("translation_ntrex_en-zh", 500, FieldMap({"source": "source"}, "target", group="doc_id")),
        ("qa_math_gsm8k", 500, FieldMap()),
        ("dialogue_sgd", 500, FieldMap()),
    ],
)
def test_public_data_loads_whole(shared_data: Path, name: str, rows: int, fields: FieldMap) -> None:
    """The counts are those of the data's own list."""
    dataset = load(JsonLines(str(shared_data / f"{name}.jsonl")), fields)
    assert len(dataset.samples) == rows
    assert fields.target is None or all(sample.references for sample in dataset.samples)
    assert fields.group is None or 1 < len({sample.group for sample in dataset.samples}) < rows


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("outputs.gpt-3.5-turbo", "a"),
        ("outputs.gpt-3.5-turbo.text", MISSING),
        ("a.b.c.d", 1),
        ("a.b", MISSING),
    ],
)
def test_names_inside_an_object_may_hold_dots(path: str, value: object) -> None:
    row = {"outputs": {"gpt-3.5-turbo": "a", "gpt-3": {"x": 1}}, "a": {"b.c": {"d": 1}}}
    assert column(row, path) == value
