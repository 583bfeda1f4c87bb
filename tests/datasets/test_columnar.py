"""Parquet and Arrow: plain JSON comes out, small batches go in, and every bad file gives one line."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from evalkit.datasets.arrow import Arrow
from evalkit.datasets.base import FieldMap, load
from evalkit.datasets.formats import source_for
from evalkit.datasets.parquet import Parquet
from evalkit.errors import DatasetError

ROWS = [{"id": str(number), "text": f"t {number}", "n": number} for number in range(700)]
LABELS = {
    "text": {"dtype": "string", "_type": "Value"},
    "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
}


def write(path: Path, table: pa.Table) -> str:
    """Write a table as the ending says: Parquet, Arrow file, Arrow stream (.stream.arrow) or Feather."""
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, path)
    else:
        maker = pa.ipc.new_stream if ".stream" in path.name else pa.ipc.new_file
        with maker(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=300)
    return str(path)


def labelled(features: dict[str, Any] = LABELS, **columns: Any) -> pa.Table:
    """A table with the features that the `datasets` library writes."""
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.table(columns).replace_schema_metadata(metadata)


def columns_of(path: str, **options: Any) -> list[dict[str, Any]]:
    loader = Parquet if path.endswith(".parquet") else Arrow
    return [dict(row.columns) for row in loader(path, **options).rows()]


def refusal(path: str | Path, **options: Any) -> str:
    loader = Parquet if "parquet" in str(path) else Arrow
    with pytest.raises(DatasetError) as caught:
        load(loader(str(path), **options), FieldMap())
    assert "\n" not in str(caught.value)
    return str(caught.value)


GIF = b"GIF89a\x03\x00\x02\x00\x00\x00\x00"
FILES = ["d.parquet", "d.arrow", "d.stream.arrow", "d.feather"]


@pytest.mark.parametrize("name", FILES)
def test_rows_ids_and_fingerprint_are_those_of_the_same_rows_in_json_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    reference = load(source_for(str(tmp_path / "d.jsonl")), FieldMap())
    dataset = load(source_for(write(tmp_path / name, pa.Table.from_pylist(ROWS))), FieldMap())
    assert dataset.fingerprint == reference.fingerprint
    assert dataset.samples == reference.samples


@pytest.mark.parametrize("name", FILES)
def test_values_become_plain_json(tmp_path: Path, name: str) -> None:
    table = pa.table(
        {
            "day": pa.array([date(2024, 2, 29), None]),
            "at": pa.array([datetime(2024, 1, 1, 12, 30, tzinfo=UTC), None]),
            "clock": pa.array([time(12, 30, 1), None]),
            "price": pa.array([Decimal("1.10"), None]),
            "kind": pa.array(["x", None]).dictionary_encode(),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
            "nested": pa.array([{"days": [date(2024, 1, 1)], "n": 1}, None]),
            "big": pa.array([2**64 - 1, None], pa.uint64()),
            "none": pa.nulls(2),
        }
    )
    if name == "d.stream.arrow":
        table = table.combine_chunks()
    first, second = columns_of(write(tmp_path / name, table))
    assert first == {
        "day": "2024-02-29",
        "at": "2024-01-01T12:30:00+00:00",
        "clock": "12:30:01",
        "price": "1.10",
        "kind": "x",
        "map": {"k": 1},
        "nested": {"days": ["2024-01-01"], "n": 1},
        "big": 2**64 - 1,
        "none": None,
    }
    assert json.loads(json.dumps(first)) == first
    assert set(second.values()) == {None}


def test_a_time_of_nanoseconds_keeps_them(tmp_path: Path) -> None:
    table = pa.table({"at": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))})
    assert columns_of(write(tmp_path / "d.parquet", table)) == [{"at": "2023-11-14T22:13:20.123456789"}]


@pytest.mark.parametrize("name", FILES)
def test_class_labels_are_spelled_by_their_names(tmp_path: Path, name: str) -> None:
    """-1 marks a row without a label."""
    path = write(tmp_path / name, labelled(text=["a", "b", "c"], label=[1, 0, -1]))
    assert [row["label"] for row in columns_of(path)] == ["pos", "neg", None]
    assert [row["label"] for row in columns_of(path, label_names=False)] == [1, 0, -1]


@pytest.mark.parametrize(
    ("feature", "value", "spelled"),
    [
        ({"_type": "List", "feature": LABELS["label"]}, [1, 0], ["pos", "neg"]),
        ({"_type": "Sequence", "feature": LABELS["label"]}, [1], ["pos"]),
        ([LABELS["label"]], [0, 1], ["neg", "pos"]),
        ({"a": LABELS["label"], "b": LABELS["text"]}, {"a": 1, "b": "x"}, {"a": "pos", "b": "x"}),
    ],
)
def test_class_labels_inside_lists_and_objects(
    tmp_path: Path, feature: Any, value: Any, spelled: Any
) -> None:
    table = labelled({"label": feature}, label=[value])
    assert columns_of(write(tmp_path / "d.parquet", table)) == [{"label": spelled}]


def test_a_label_without_a_name_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "d.parquet", labelled(text=["a", "b"], label=[1, 2]))
    assert refusal(path).startswith(
        f'{path}, row 2, column "label": class label 2 has no name, there are 2; leave the column out'
    )


@pytest.mark.parametrize("name", FILES)
def test_bytes_are_refused_with_the_option_that_leaves_them_out(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, pa.table({"text": ["a"], "raw": [b"\x89PNG"], "label": ["x"]}))
    assert refusal(path).endswith(
        'column "raw" holds bytes (audio, files), which are no text; leave it out: '
        '"dataset.options.columns=[text,label]"'
    )
    assert columns_of(path, columns=["label", "text"]) == [{"label": "x", "text": "a"}]


@pytest.mark.parametrize("name", FILES)
def test_an_unknown_column_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, pa.table({"text": ["a"]}))
    assert refusal(path, columns=["txt"]) == (
        f'{path}: no column "txt" for dataset.options.columns (did you mean "text"?); the columns are text'
    )


def test_a_limit_reads_one_batch_of_a_parquet_file(tmp_path: Path) -> None:
    """The second row group is destroyed, and with limit=10 nobody looks at it."""
    path = tmp_path / "d.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=350, compression="NONE")
    start = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    content = bytearray(path.read_bytes())
    content[start - 40 : start + 400] = bytes(440)
    path.write_bytes(bytes(content))
    assert len(load(Parquet(str(path)), FieldMap(), 10).samples) == 10
    assert "damaged Parquet file (" in refusal(path)


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow"])
@pytest.mark.parametrize("content", [b"", b"PAR1", b"ARROW1\0\0", b'{"text": "a"}\n' * 100])
def test_what_is_no_such_file_is_told_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert f"no sound {'Parquet' if 'parquet' in name else 'Arrow'} file (" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow", "d.stream.arrow"])
def test_a_file_cut_off_is_told(tmp_path: Path, name: str) -> None:
    path = Path(write(tmp_path / name, pa.Table.from_pylist(ROWS)))
    path.write_bytes(path.read_bytes()[:-200])
    assert "no sound" in refusal(path)


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow"])
def test_a_missing_file_says_where_it_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal(name) == (
        f"{name}: no such file (looked in {tmp_path}); set dataset.path to an existing file"
    )


@pytest.mark.parametrize("name", ["d.parquet", "d.arrow"])
def test_one_file_has_no_splits(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, pa.table({"text": ["a"]}))
    assert "dataset.split=test needs a folder" in refusal(path, split="test")


def test_not_a_number_is_named_by_row_and_column(tmp_path: Path) -> None:
    path = write(tmp_path / "d.parquet", pa.table({"x": pa.array([1.0, float("nan")])}))
    assert refusal(path).startswith(f'{path}, row 2, column "x": holds NaN or Infinity')


class TestFolders:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """A folder as the hub's: two shards of a test split, one of train."""
        folder = tmp_path / "parquet"
        (folder / "data").mkdir(parents=True)
        for name, rows in {
            "data/test-00000-of-00002.parquet": ROWS[:2],
            "data/test-00001-of-00002.parquet": ROWS[2:3],
            "data/train-00000-of-00001.parquet": ROWS[3:],
        }.items():
            write(folder / name, pa.Table.from_pylist(rows))
        return folder

    def test_a_split_is_read_in_order(self, folder: Path) -> None:
        dataset = load(Parquet(str(folder), split="test"), FieldMap())
        assert [one.id for one in dataset.samples] == ["0", "1", "2"]

    def test_several_splits_are_never_mixed(self, folder: Path) -> None:
        assert refusal(folder) == f"{folder}: several splits in this folder; set dataset.split=test|train"

    def test_an_unknown_split_lists_those_there_are(self, folder: Path) -> None:
        assert refusal(folder, split="tset") == (
            f'{folder}: no split "tset" (did you mean "test"?); the splits are test, train'
        )

    def test_an_id_that_comes_twice_names_both_files(self, folder: Path) -> None:
        write(folder / "data/test-00001-of-00002.parquet", pa.Table.from_pylist(ROWS[:1]))
        assert refusal(folder, split="test").startswith(
            f'{folder}/data/test-00001-of-00002.parquet, row 1: id "0" was used before at '
            f"{folder}/data/test-00000-of-00002.parquet, row 1; "
        )

    def test_files_without_splits_in_their_names_are_one_dataset(self, tmp_path: Path) -> None:
        for number in range(3):
            write(tmp_path / f"part-{number}.parquet", pa.Table.from_pylist(ROWS[number : number + 1]))
        assert [one.id for one in load(Parquet(str(tmp_path)), FieldMap()).samples] == ["0", "1", "2"]

    def test_a_folder_without_parquet_files_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "parquet").mkdir()
        assert "no .parquet file in this folder" in refusal(tmp_path / "parquet")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders written by the library's own save_to_disk."""
    import datasets

    names = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["n", "p"])}
    )
    rows = [{"text": f"t{number}", "label": number % 2} for number in range(6)]
    whole = datasets.Dataset.from_list(rows, features=names)
    folder = tmp_path_factory.mktemp("saved")
    datasets.disable_progress_bars()
    try:
        whole.save_to_disk(folder / "one", num_shards=2)
        whole.select([5, 0]).save_to_disk(folder / "selected")
        both = datasets.DatasetDict({"train": whole, "test": whole.select(range(2))})
        both.save_to_disk(folder / "both")
    finally:
        datasets.enable_progress_bars()
    return folder


class TestSaveToDisk:
    def test_shards_are_read_in_order(self, saved: Path) -> None:
        rows = columns_of(str(saved / "one"))
        assert [row["text"] for row in rows] == [f"t{number}" for number in range(6)]
        assert [row["label"] for row in rows] == ["n", "p"] * 3

    def test_a_selection_of_rows_is_what_was_saved(self, saved: Path) -> None:
        assert [row["text"] for row in columns_of(str(saved / "selected"))] == ["t5", "t0"]

    def test_a_split_is_chosen(self, saved: Path) -> None:
        assert [row["text"] for row in columns_of(str(saved / "both"), split="test")] == ["t0", "t1"]
        assert refusal(saved / "both") == f"{saved}/both: several splits; set dataset.split=train|test"
        assert 'no split "dev"; the splits are train, test' in refusal(saved / "both", split="dev")
        assert "this saved dataset has no splits" in refusal(saved / "one", split="test")

    def test_another_folder_is_refused(self, tmp_path: Path) -> None:
        assert "no dataset saved by save_to_disk (state.json is absent)" in refusal(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_images_are_told_by_reference(tmp_path: Path, name: str) -> None:
    """As the `datasets` library stores them: bytes with the name that the file had, alone or in lists."""
    one = {"bytes": GIF, "path": "/somewhere/dot.gif"}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "image": pa.array([one, None, {"bytes": None, "path": "b.gif"}], kind),
            "more": pa.array([[one, {**one, "path": None}], [], None], pa.list_(kind)),
        }
    )
    told = f"(image/gif, 3x2, 13 bytes, sha256:{hashlib.sha256(GIF).hexdigest()})"
    assert columns_of(write(tmp_path / name, table)) == [
        {"image": f"dot.gif {told}", "more": [f"dot.gif {told}", told]},
        {"image": None, "more": []},
        {"image": "b.gif", "more": None},
    ]


def test_bytes_that_are_no_image_are_refused_by_row(tmp_path: Path) -> None:
    table = pa.table({"audio": pa.array([{"bytes": b"RIFF1234WAVE", "path": "a.wav"}])})
    assert 'row 1, column "audio": holds no PNG, JPEG, GIF or WebP image; leave the column out' in refusal(
        write(tmp_path / "d.parquet", table)
    )
