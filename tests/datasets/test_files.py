from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets.base import FieldMap, load
from evalkit.datasets.files import Csv, JsonFile, JsonLines, TextLines, Tsv
from evalkit.datasets.formats import source_for

if TYPE_CHECKING:
    from dataset_files import Read

AS_WRITTEN = {"code": "007", "country": "NA", "day": "2024-01-01", "share": "1e3", "yes": "true", "none": ""}


def inputs(dataset: Any) -> list[dict[str, Any]]:
    return [dict(sample.input) for sample in dataset.samples]


@pytest.mark.parametrize(("name", "separator"), [("d.csv", ","), ("d.tsv", "\t")])
def test_every_value_of_a_table_stays_the_text_in_the_file(read: Read, name: str, separator: str) -> None:
    content = separator.join(AS_WRITTEN) + "\n" + separator.join(AS_WRITTEN.values()) + "\n"
    assert inputs(read(name, content)) == [AS_WRITTEN]


@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_json_types_stay(read: Read, name: str) -> None:
    row = {"a": "007", "b": 7, "c": 7.0, "d": True, "e": None, "f": [1, "2"], "g": {"h": 2**70}}
    (back,) = inputs(read(name, json.dumps([row] if name == "d.json" else row)))
    assert back == row
    assert [type(value) for value in back.values()] == [type(value) for value in row.values()]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("d.jsonl", '{"text": "a"}\n{"text": "b"}\n'),
        ("d.json", '[{"text": "a"},\n{"text": "b"}]\n'),
        ("d.csv", "text\na\nb\n"),
        ("d.tsv", "text\na\nb\n"),
        ("d.txt", "a\nb\n"),
    ],
)
class TestLineEnds:
    """A byte-order mark, CRLF, a missing last line feed and blank lines change nothing."""

    ROWS = ({"text": "a"}, {"text": "b"})

    def test_plain(self, read: Read, name: str, content: str) -> None:
        assert inputs(read(name, content)) == [*self.ROWS]

    def test_byte_order_mark(self, read: Read, name: str, content: str) -> None:
        assert inputs(read(name, b"\xef\xbb\xbf" + content.encode())) == [*self.ROWS]

    @pytest.mark.parametrize("encoding", ["UTF8", "utf_8", "U8", "utf-8-sig"])
    def test_byte_order_mark_under_another_name_of_utf_8(
        self, read: Read, name: str, content: str, encoding: str
    ) -> None:
        assert inputs(read(name, b"\xef\xbb\xbf" + content.encode(), encoding=encoding)) == [*self.ROWS]

    def test_carriage_returns(self, read: Read, name: str, content: str) -> None:
        assert inputs(read(name, content.replace("\n", "\r\n"))) == [*self.ROWS]

    def test_no_final_newline(self, read: Read, name: str, content: str) -> None:
        assert inputs(read(name, content.rstrip("\n"))) == [*self.ROWS]

    def test_blank_lines(self, read: Read, name: str, content: str) -> None:
        assert inputs(read(name, "\n" + content.replace("\n", "\n\n") + "\n")) == [*self.ROWS]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-be"])
    def test_other_encodings(self, read: Read, name: str, content: str, encoding: str) -> None:
        assert inputs(read(name, content.encode(encoding), encoding=encoding)) == [*self.ROWS]


def test_quoted_fields_hold_separators_quotes_and_line_breaks(read: Read) -> None:
    content = 'text,label\r\n"a, b","say ""hi"""\r\n"two\r\nlines",x\r\n'
    assert inputs(read("d.csv", content)) == [
        {"text": "a, b", "label": 'say "hi"'},
        {"text": "two\r\nlines", "label": "x"},
    ]


def test_rows_behind_quoted_line_breaks_are_named_by_their_first_line(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text('text,n\n"a\nb\nc",1\n\nd,2\n"e\n",3\n')
    assert [row.where for row in Csv(str(path)).rows()] == ["line 2", "line 6", "line 7"]


@given(
    rows=st.lists(
        st.lists(
            st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")),
            min_size=2,
            max_size=2,
        ),
        min_size=1,
        max_size=5,
    ),
    delimiter=st.sampled_from([(Csv, ","), (Tsv, "\t")]),
)
def test_what_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: tuple[type[Csv], str]
) -> None:
    cls, separator = delimiter
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=separator)
    writer.writerow(["one", "two"])
    writer.writerows(rows)
    path = tmp_path_factory.mktemp("csv") / "d"
    path.write_bytes(text.getvalue().encode())
    assert [list(row.columns.values()) for row in cls(str(path)).rows()] == rows


def test_a_text_file_gives_a_column_text_and_keeps_inner_space(read: Read) -> None:
    assert inputs(read("d.txt", " a  b \n\n\tc\n")) == [{"text": " a  b "}, {"text": "\tc"}]


def test_unicode_line_separators_inside_a_value_break_no_line(read: Read) -> None:
    assert inputs(read("d.jsonl", '{"a": "x\u2028y\u0085z"}\n')) == [{"a": "x\u2028y\u0085z"}]
    assert inputs(read("d.txt", "x\u2028y\x0cz\n")) == [{"text": "x\u2028y\x0cz"}]


@pytest.mark.parametrize(
    ("content", "records"),
    [
        ('[{"a": 1}]', None),
        ('{"data": [{"a": 1}]}', "data"),
        ('{"data": {"rows": [{"a": 1}]}}', "data.rows"),
        ('{"data.rows": [{"a": 1}], "data": 3}', "data.rows"),
    ],
)
def test_records_of_a_json_file_are_found_by_a_dotted_path(
    read: Read, content: str, records: str | None
) -> None:
    assert inputs(read("d.json", content, records=records)) == [{"a": 1}]


def test_limit_reads_no_further_than_it_must(read: Read) -> None:
    """Line 3 is bad, and with limit=2 nobody looks at it."""
    assert inputs(read("d.jsonl", '{"a": 1}\n{"a": 2}\n{bad\n', limit=2)) == [{"a": 1}, {"a": 2}]


def test_a_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "d.txt").write_text("a")
    assert inputs(load(TextLines("~/d.txt"), FieldMap())) == [{"text": "a"}]


@pytest.mark.parametrize(
    ("path", "cls"),
    [("a.jsonl", JsonLines), ("a.ndjson", JsonLines), ("a.b.JSON", JsonFile), ("a.CSV", Csv), ("a.tsv", Tsv)],
)
def test_the_ending_chooses_the_loader(path: str, cls: type) -> None:
    assert type(source_for(path)) is cls


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a;b\n1,5;x\n", {"delimiter": ";"}),
        ("a|b\n1,5|x\n", {"delimiter": "|"}),
        ("a\tb\n1,5\tx\n", {"delimiter": "tab"}),
        ("a\tb\n1,5\tx\n", {"delimiter": "\\t"}),
        ("a,b\n'1,5',x\n", {"quotechar": "'"}),
    ],
)
def test_other_delimiters_and_quotes(read: Read, content: str, options: dict[str, str]) -> None:
    assert inputs(read("d.csv", content, **options)) == [{"a": "1,5", "b": "x"}]


def test_an_explicit_delimiter_is_not_doubted(read: Read) -> None:
    assert inputs(read("d.csv", "a;b\n1\n", delimiter=",")) == [{"a;b": "1"}]
