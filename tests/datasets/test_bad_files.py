"""Each bad file gives one line: file, place, what is wrong, what to do."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evalkit.datasets.base import FieldMap, load
from evalkit.datasets.files import Csv, JsonFile, JsonLines, TextLines, Tsv
from evalkit.datasets.formats import source_for
from evalkit.datasets.text import TextFile
from evalkit.errors import DatasetError

if TYPE_CHECKING:
    from dataset_files import Read, Refusal

CJK_LATIN = "save the file as UTF-8 or set dataset.encoding (gb18030, latin-1, utf-16-le, …)"


def test_bad_json_on_line_17_is_named_with_its_column(refusal: Refusal) -> None:
    content = '{"a": 1}\n' * 16 + '{"a": 1,, "b": 2}\n' + '{"a": 1}\n'
    assert refusal("d.jsonl", content) == (
        "d.jsonl, line 17, column 9: bad JSON (Expecting property name enclosed in double quotes); "
        "every line must be one JSON object (another format: dataset=csv, json, …)"
    )


def test_blank_lines_count_in_line_numbers(refusal: Refusal) -> None:
    assert refusal("d.jsonl", '\n\r\n{"a": 1}\n   \n{bad}\n').startswith(
        "d.jsonl, line 5, column 2: bad JSON"
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", "", "d.jsonl: no rows; give a file with at least one sample"),
        ("d.jsonl", "\n \r\n", "d.jsonl: no rows; give a file with at least one sample"),
        ("d.json", " \n", "d.json: no rows; give a file with at least one sample"),
        ("d.json", "[]", "d.json: no rows; give a file with at least one sample"),
        ("d.csv", "", "d.csv: no rows; give a file with at least one sample"),
        ("d.csv", "text,label\r\n", "d.csv: no rows; give a file with at least one sample"),
        ("d.txt", "\n\n", "d.txt: no rows; give a file with at least one sample"),
        ("d.jsonl", b"\xef\xbb\xbf", "d.jsonl: no rows; give a file with at least one sample"),
    ],
)
def test_a_file_without_rows_is_refused(refusal: Refusal, name: str, content: str, message: str) -> None:
    assert refusal(name, content) == message


@pytest.mark.parametrize("content", ['["a"]', '"a"', "3", "true", "null"])
def test_a_line_that_is_no_object_is_named_by_its_type(refusal: Refusal, content: str) -> None:
    kinds = {'["a"]': "array", '"a"': "string", "3": "number", "true": "boolean", "null": "null"}
    message = refusal("d.jsonl", '{"a": 1}\n' + content)
    assert message.startswith(f"d.jsonl, line 2: a JSON {kinds[content]}, not an object; ")


@pytest.mark.parametrize("content", ['[\n{"a": 1}\n]', '{\n"a": 1\n}', '[{"a": 1},\n{"a": 2}]', '[{"a": 1}]'])
def test_json_over_several_lines_is_sent_to_the_json_loader(refusal: Refusal, content: str) -> None:
    assert "use dataset=json" in refusal("d.jsonl", content)


def test_one_object_a_line_in_a_json_file_is_sent_to_the_jsonl_loader(refusal: Refusal) -> None:
    assert refusal("d.json", '{"a": 1}\n{"a": 2}\n') == (
        "d.json, line 2, column 1: bad JSON (Extra data); it looks like one object a line: use dataset=jsonl"
    )


def test_a_json_file_cut_off_in_the_middle_names_line_and_column(refusal: Refusal) -> None:
    message = refusal("d.json", '[{"a": 1},\n {"a":')
    assert message.startswith("d.json, line 2, column 7: bad JSON (Expecting value); ")


@pytest.mark.parametrize(
    ("number", "name"),
    [("NaN", "d.jsonl"), ("Infinity", "d.jsonl"), ("-Infinity", "d.json"), ("1e999", "d.json")],
)
def test_numbers_that_json_lacks_are_named_with_their_column(
    refusal: Refusal, number: str, name: str
) -> None:
    row = f'{{"id": "1", "text": "a", "score": {number}}}'
    content, where = ("[" + row + "]", "element 1") if name == "d.json" else ('{"id": "0"}\n' + row, "line 2")
    assert refusal(name, content) == (
        f'{name}, {where}, column "score": holds NaN or Infinity (or a number too large for a float), '
        "which JSON lacks; use null or text"
    )


def test_not_a_number_in_a_row_without_an_id_is_named_alike(refusal: Refusal) -> None:
    assert refusal("d.jsonl", '{"a": {"b": [NaN]}}').startswith('d.jsonl, line 1, column "a": holds NaN')


@pytest.mark.parametrize("where", ['{"a": "x", "b": "\\ud83d"}', '{"a": "x", "b": ["\\udc4d"]}'])
def test_half_a_surrogate_pair_is_refused_before_it_is_sent(refusal: Refusal, where: str) -> None:
    assert refusal("d.jsonl", where) == (
        'd.jsonl, line 1, column "b": half of a surrogate pair, which UTF-8 cannot spell (a cut emoji?); '
        "remove or repair it"
    )


def test_whole_surrogate_pairs_are_an_emoji(read: Read) -> None:
    assert read("d.jsonl", '{"a": "\\ud83d\\udc4d"}').samples[0].input == {"a": "👍"}


@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_json_nested_without_end_is_refused(refusal: Refusal, name: str) -> None:
    content = '{"a": ' + "[" * 100_000 + "]" * 100_000 + "}"
    assert "nested too deeply; flatten" in refusal(name, f"[{content}]" if name == "d.json" else content)


@pytest.mark.parametrize("name", ["d.jsonl", "d.json"])
def test_a_number_of_more_digits_than_python_reads_is_refused(refusal: Refusal, name: str) -> None:
    content = f'{{"a": {"1" * 5000}}}'
    message = refusal(name, f"[{content}]" if name == "d.json" else content)
    assert message == f"{name}, from line 1: a number of thousands of digits; write it as text"


@pytest.mark.parametrize(
    ("content", "records", "message"),
    [
        ('{"data": [{"a": 1}]}', None, "a JSON object, not an array of objects; set dataset.records=data"),
        ("3", None, "a JSON number, not an array of objects; set dataset.records=<path to the array>"),
        (
            '{"data": []}',
            "dta",
            'nothing at dataset.records="dta" (did you mean "data"?); the file\'s object has data',
        ),
        (
            '{"data": {"x": 1}}',
            "data.rows",
            'nothing at dataset.records="data.rows" (did you mean "data"?); the file\'s object has data',
        ),
        ('[{"a": 1}]', "data", 'nothing at dataset.records="data"; leave dataset.records out'),
        (
            '{"data": 3}',
            "data",
            "a JSON number, not an array of objects; set dataset.records=<path to the array>",
        ),
    ],
)
def test_a_json_file_whose_array_lies_elsewhere(
    refusal: Refusal, content: str, records: str | None, message: str
) -> None:
    assert refusal("d.json", content, records=records) == f"d.json: {message}"


def test_an_element_that_is_no_object_is_named(refusal: Refusal) -> None:
    assert refusal("d.json", '[{"a": 1}, 2]') == (
        "d.json, element 2: a JSON number, not an object; every element must be an object"
    )


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_wrong_encoding_is_found_far_behind_the_first_buffer(refusal: Refusal, bom: bytes) -> None:
    content = bom + b'{"a": "x"}\n' * 5000 + b'{"a": "caf\xe9"}\n'
    assert refusal("d.jsonl", content) == f"d.jsonl, line 5001: byte 0xe9 is not utf-8; {CJK_LATIN}"


@pytest.mark.parametrize("name", ["d.json", "d.csv", "d.tsv", "d.txt"])
def test_every_loader_names_the_line_of_an_undecodable_byte(refusal: Refusal, name: str) -> None:
    assert refusal(name, b"a\nb\nc\xff\n").startswith(f"{name}, line 3: byte 0xff is not utf-8; ")


def test_an_explicit_encoding_with_signature_names_the_right_byte(refusal: Refusal) -> None:
    message = refusal("d.txt", b"\xef\xbb\xbfa\nb\xfe\n", encoding="utf-8-sig")
    assert message.startswith("d.txt, line 2: byte 0xfe is not utf-8-sig; ")


def test_wrong_encoding_in_utf_16_names_the_line(refusal: Refusal) -> None:
    """A line feed is two bytes here, and the half of a pair (D800) is what cannot be decoded."""
    good = "line\n".encode("utf-16-le") * 10_000
    message = refusal("d.txt", b"\xff\xfe" + good + b"\x00\xd8\x41\x00\n\x00", encoding="utf-16")
    assert message.startswith("d.txt, line 10001: byte 0x00 is not utf-16; ")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_and_32_without_a_byte_order_mark_are_refused(refusal: Refusal, encoding: str) -> None:
    message = refusal("d.txt", "a\nb\n".encode(f"{encoding}-le"), encoding=encoding)
    assert message.startswith("d.txt")
    assert f"not {encoding}" in message
    assert message.endswith(CJK_LATIN)


def test_gb18030_read_as_utf_8_and_read_right(refusal: Refusal, read: Read) -> None:
    content = "好\n".encode("gb18030")
    assert "is not utf-8; save the file as UTF-8 or set dataset.encoding (gb18030" in refusal(
        "d.txt", content
    )
    assert read("d.txt", content, encoding="gb18030").samples[0].input == {"text": "好"}


@pytest.mark.parametrize("encoding", ["utf9", "hex", ""])
def test_an_unknown_encoding_is_named(refusal: Refusal, encoding: str) -> None:
    assert refusal("d.txt", "a", encoding=encoding) == (
        f'd.txt: unknown encoding "{encoding}"; set dataset.encoding=utf-8 or another name'
    )


@pytest.mark.parametrize("name", ["d.txt", "d.csv", "d.tsv", "d.jsonl"])
def test_utf_16_without_a_mark_read_as_utf_8_is_told_by_its_nul(refusal: Refusal, name: str) -> None:
    message = refusal(name, '{"a": "b"}\n{"a": "c"}\n'.encode("utf-16-le"))
    assert message == (
        f"{name}, line 1, column 2: a NUL character; "
        "set dataset.encoding=utf-16-le (or utf-16) if that is what it is, else remove it"
    )


def test_a_nul_in_the_middle_of_a_table_is_found(refusal: Refusal) -> None:
    assert refusal("d.csv", 'a,b\n"x\ny",1\nz\0,2\n').startswith("d.csv, line 4, column 2: a NUL character")


@pytest.mark.parametrize("cls", [JsonLines, JsonFile, Csv, Tsv, TextLines])
@pytest.mark.parametrize("path", [None, ""])
def test_a_loader_without_a_path_asks_for_one(cls: type[TextFile], path: str | None) -> None:
    with pytest.raises(DatasetError, match=f"dataset={cls.format} needs a file: set dataset.path=FILE"):
        cls(path)


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DatasetError) as caught:
        load(Csv("dta.csv"), FieldMap())
    assert str(caught.value) == (
        f"dta.csv: no such file (looked in {tmp_path}); set dataset.path to an existing file"
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (".", ".: is a folder; set dataset.path to a file inside it"),
        ("file.txt/inner.txt", "cannot be opened (Not a directory)"),
        ("x" * 300, "cannot be opened (File name too long)"),
        ("~no-such-user-/d.txt", "cannot be opened (Could not determine home directory.)"),
        ("a\0b", "cannot be opened (embedded null byte)"),
    ],
)
def test_a_path_that_is_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("a")
    with pytest.raises(DatasetError) as caught:
        load(TextLines(path), FieldMap())
    assert message in str(caught.value)
    assert "set dataset.path to" in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_file_without_permission_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.txt"
    path.write_text("a")
    path.chmod(0)
    with pytest.raises(DatasetError, match="not readable by this user; change its permissions"):
        load(TextLines(str(path)), FieldMap())


def test_an_ending_without_a_loader_lists_those_there_are() -> None:
    with pytest.raises(DatasetError, match=r"d\.xlsx: no loader for the ending \.xlsx; use \.jsonl, "):
        source_for("d.xlsx")
    with pytest.raises(DatasetError, match=r"d: no loader for the ending \(none\)"):
        source_for("d")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3: 1 fields, the header names 2: fill the row up"),
        ("a,b\n1,2,3\n", "line 2: 3 fields, the header names 2: quote fields that hold a comma"),
        ('a,b\n"1\n1",2\n\n3,4,5\n', "line 5: 3 fields, the header names 2: quote fields that hold a comma"),
        ("a,b,a\n1,2,3\n", 'line 1: column "a" appears twice; give columns unique names'),
        ("\n\na,a\n1,2\n", 'line 3: column "a" appears twice; give columns unique names'),
    ],
)
def test_ragged_rows_and_doubled_headers(refusal: Refusal, content: str, message: str) -> None:
    assert refusal("d.csv", content) == f"d.csv, {message}"


def test_a_ragged_tsv_row_asks_for_quoted_tabs(refusal: Refusal) -> None:
    assert refusal("d.tsv", "a\tb\n1\t2\t3\n").endswith(
        "3 fields, the header names 2: quote fields that hold a tab"
    )


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ('a,b\n1,2\n"3"x,4\n', "line 3: bad csv (',' expected after '\"')"),
        ('a,b\n1,2\n"3,4\n5,6\n', "lines 3-4: bad csv (unexpected end of data)"),
        ('a,b\n"x\ny"z,4\n', "lines 2-3: bad csv (',' expected after '\"')"),
    ],
)
def test_broken_quotes_name_the_record_that_they_open(refusal: Refusal, content: str, where: str) -> None:
    assert refusal("d.csv", content) == (
        f'd.csv, {where}; quote fields that hold quotes or line breaks and double inner quotes ("")'
    )


def test_a_field_beyond_the_limit_of_the_csv_module_is_read(read: Read) -> None:
    """The module's own limit is 131072 characters."""
    long = "x" * 1_000_000
    assert read("d.csv", f'text,label\n"{long}",1\n').samples[0].input["text"] == long
    assert csv.field_size_limit() > 131072


@pytest.mark.parametrize(
    ("name", "content", "spelling"),
    [
        ("d.csv", "a;b\n1;2\n", ";"),
        ("d.csv", "a\tb\n", "tab"),
        ("d.csv", "a|b\n", "|"),
        ("d.tsv", "a,b\n", ","),
    ],
)
def test_a_header_that_another_character_separates_is_told(
    refusal: Refusal, name: str, content: str, spelling: str
) -> None:
    header = content.partition("\n")[0]
    assert refusal(name, content) == (
        f'{name}, line 1: the header is the one column "{header}"; '
        f"set \"dataset.options.delimiter='{spelling}'\" if that separates its columns"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"delimiter": ";;"}, "dataset.options.delimiter must be one character (or tab), got ';;'"),
        ({"quotechar": ""}, "dataset.options.quotechar must be one character (or tab), got ''"),
        ({"delimiter": "\n"}, "dataset.options.delimiter must be one character (or tab), got '\\n'"),
        ({"delimiter": 3}, "dataset.options.delimiter must be one character (or tab), got 3"),
        ({"delimiter": '"'}, "dataset.options.delimiter and quotechar must differ"),
    ],
)
def test_delimiters_that_are_none(refusal: Refusal, options: dict[str, str], message: str) -> None:
    assert refusal("d.csv", "a,b\n1,2\n", **options) == f"d.csv: {message}"
