from __future__ import annotations

import json
from pathlib import Path

import pytest

from evalkit.errors import DatasetError
from evalkit.retrieval.base import Passage
from evalkit.retrieval.knowledge import Columns, passages_of, read

ROWS = [{"id": "a", "text": "Alpha.", "title": "First"}, {"id": "b", "text": "Beta.", "title": ""}]


def lines(path: Path, *rows: object) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(path)


def test_rows_are_documents_with_their_ids(tmp_path: Path) -> None:
    found = read(lines(tmp_path / "k.jsonl", *ROWS), Columns())
    assert found.documents == (Passage("a", "Alpha."), Passage("b", "Beta."))
    assert len(found.fingerprint) == 64


def test_a_title_stands_above_the_text(tmp_path: Path) -> None:
    found = read(lines(tmp_path / "k.jsonl", *ROWS), Columns(title="title"))
    assert [one.text for one in found.documents] == ["First\nAlpha.", "Beta."]


def test_every_format_of_a_dataset_is_read_alike(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    csv, tsv, txt = (tmp_path / f"k.{ending}" for ending in ("csv", "tsv", "txt"))
    csv.write_text("id,text\na,Alpha.\nb,Beta.\n", "utf-8")
    tsv.write_text("id\ttext\na\tAlpha.\nb\tBeta.\n", "utf-8")
    txt.write_text("Alpha.\nBeta.\n", "utf-8")
    pq.write_table(pa.table({"id": ["a", "b"], "text": ["Alpha.", "Beta."]}), tmp_path / "k.parquet")
    wanted = (Passage("a", "Alpha."), Passage("b", "Beta."))
    found = [read(str(path), Columns()) for path in (csv, tsv, tmp_path / "k.parquet")]
    assert [one.documents for one in found] == [wanted] * 3
    assert len({one.fingerprint for one in found}) == 1
    assert [one.text for one in read(str(txt), Columns()).documents] == ["Alpha.", "Beta."]


def test_a_folder_of_text_files_is_a_knowledge_base(tmp_path: Path) -> None:
    for name, text in {
        "b.md": "# B\n\nBeta.",
        "in/a.txt": "Alpha.",
        ".git/x.md": "no",
        "pic.png": "no",
    }.items():
        path = tmp_path / "kb" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    found = read(str(tmp_path / "kb"), Columns(text="body"))
    assert found.documents == (Passage("b.md", "# B\n\nBeta."), Passage("in/a.txt", "Alpha."))
    assert read(str(tmp_path / "kb" / "b.md"), Columns()).documents == (Passage("b.md", "# B\n\nBeta."),)


def test_several_files_make_one(tmp_path: Path) -> None:
    for name in "ab":
        lines(tmp_path / f"k{name}.jsonl", {"id": name, "text": name})
    assert [one.id for one in read(str(tmp_path / "k*.jsonl"), Columns()).documents] == ["a", "b"]


def test_rows_without_a_text_are_left_out_and_told(tmp_path: Path) -> None:
    path = lines(tmp_path / "k.jsonl", ROWS[0], {"id": "b", "text": None}, {"id": "c", "text": " "})
    found = read(path, Columns())
    assert [one.id for one in found.documents] == ["a"]
    assert found.notes == (f"{path}: 2 rows without a text were left out (b, c)",)


@pytest.mark.parametrize(
    ("content", "columns", "says"),
    [
        ("", Columns(), "no rows; there is nothing to retrieve"),
        (
            '{"id": "a", "text": ""}\n',
            Columns(),
            "none of its 1 rows has a text; there is nothing to retrieve",
        ),
        ('{"id": "a", "txt": "x"}\n', Columns(), 'no column "text" for retrieval.text (did you mean "txt"?)'),
        ('{"id": "a", "text": "x"}\n' * 2, Columns(), "choose another column with retrieval.id=<column>"),
        ('{"text": "x"}\n', Columns(id="key"), 'no column "key" for retrieval.id'),
        ('{"id": "a", "text": {"x": 1}}\n', Columns(), "no text but an object; set retrieval.text=<column>"),
    ],
)
def test_what_is_wrong_is_told_in_words_of_retrieval(
    content: str, columns: Columns, says: str, tmp_path: Path
) -> None:
    path = tmp_path / "k.jsonl"
    path.write_text(content, "utf-8")
    with pytest.raises(DatasetError) as caught:
        read(str(path), columns)
    assert says in str(caught.value)
    assert "dataset." not in str(caught.value)


def test_an_absent_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere\.jsonl"):
        read(str(tmp_path / "nowhere.jsonl"), Columns())
    with pytest.raises(DatasetError, match="a folder without files"):
        read(str(tmp_path), Columns())


def test_passages_that_a_sample_brings() -> None:
    """Texts by their places, lists of sentences with titles beside them (HotpotQA), objects (MS MARCO)."""
    assert passages_of(["x", "y"], None, None, Columns(), "s") == [Passage("0", "x"), Passage("1", "y")]
    sentences, titles = [["One.", " Two."], ["Three."]], ["A", "B"]
    assert passages_of(sentences, titles, titles, Columns(), "s") == [
        Passage("A", "A\nOne. Two."),
        Passage("B", "B\nThree."),
    ]
    objects = [{"id": 7, "text": "x"}, {"text": "y"}]
    assert passages_of(objects, None, None, Columns(), "s") == [Passage("7", "x"), Passage("1", "y")]


def test_passages_of_the_wrong_shape_are_named() -> None:
    assert passages_of("x", None, None, Columns(), "s") == [Passage("0", "x")]
    with pytest.raises(DatasetError, match="s: no list of passages but a number"):
        passages_of(5, None, None, Columns(), "s")
    with pytest.raises(DatasetError, match=r"retrieval\.title is no list as long as the 2 passages"):
        passages_of(["x", "y"], ["A"], None, Columns(), "s")
