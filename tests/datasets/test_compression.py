from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import zstandard

from evalkit.datasets.base import FieldMap
from evalkit.datasets.files import Csv, JsonFile, JsonLines, TextLines, Tsv
from evalkit.datasets.formats import source_for
from evalkit.errors import DatasetError

if TYPE_CHECKING:
    from dataset_files import Read, Refusal

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstandard.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
CONTENT = {
    "jsonl": '{"text": "a"}\n{"text": "é"}\n',
    "json": '[{"text": "a"}, {"text": "é"}]',
    "csv": "text\na\né\n",
    "tsv": "text\na\né\n",
    "txt": "a\né\n",
}
LINES = "".join(f'{{"id": "{number}", "text": "{number * 7919}"}}\n' for number in range(20_000)).encode()


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("name", CONTENT)
def test_every_text_format_is_read_compressed(read: Read, name: str, packing: str) -> None:
    """The fingerprint is that of the plain file."""
    plain = read(f"d.{name}", CONTENT[name])
    packed = read(f"d.{name}.{packing}", PACK[packing](CONTENT[name].encode()))
    assert packed.fingerprint == plain.fingerprint
    assert [one.input for one in packed.samples] == [{"text": "a"}, {"text": "é"}]


@pytest.mark.parametrize(
    ("path", "cls"),
    [
        ("d.jsonl.gz", JsonLines),
        ("d.JSON.GZ", JsonFile),
        ("d.csv.zst", Csv),
        ("d.tsv.bz2", Tsv),
        ("d.v2.txt.xz", TextLines),
    ],
)
def test_the_ending_of_the_format_chooses_the_loader(path: str, cls: type) -> None:
    assert type(source_for(path)) is cls


@pytest.mark.parametrize("path", ["d.gz", "d.parquet.gz", "gz"])
def test_a_compression_without_a_text_format_has_no_loader(path: str) -> None:
    with pytest.raises(DatasetError, match="no loader for the ending"):
        source_for(path)


@pytest.mark.parametrize("packing", PACK)
def test_an_archive_of_several_members_is_read_whole(read: Read, packing: str) -> None:
    """`cat a.gz b.gz` is a valid archive."""
    parts = [b'{"text": "a"}\n', b'{"text": "b"}\n']
    content = b"".join(PACK[packing](part) for part in parts)
    assert [one.input["text"] for one in read(f"d.jsonl.{packing}", content).samples] == ["a", "b"]


@pytest.mark.parametrize("packing", PACK)
def test_a_cut_off_archive_names_the_last_line_that_was_read(refusal: Refusal, packing: str) -> None:
    whole = PACK[packing](LINES)
    message = refusal(f"d.jsonl.{packing}", whole[:-10])
    assert f"the {packing} archive ends too early (cut off?); copy or compress it anew" in message
    if packing != "bz2":  # which gives nothing of a block that is not whole
        line = int(message.split("after line ")[1].split(":")[0])
        assert 15_000 < line <= 20_000


@pytest.mark.parametrize("packing", PACK)
def test_a_plain_file_with_an_archives_ending_is_told(refusal: Refusal, packing: str) -> None:
    message = refusal(f"d.jsonl.{packing}", CONTENT["jsonl"])
    assert message.startswith(f"d.jsonl.{packing}, at its beginning: no sound {packing} archive (")
    assert message.endswith("); copy or compress it anew")


@pytest.mark.parametrize("packing", PACK)
def test_a_damaged_archive_is_told(refusal: Refusal, packing: str) -> None:
    whole = bytearray(PACK[packing](LINES))
    # A checksum, and the mark of a block: what they pack they make something of, whatever it is.
    whole[{"gz": -6, "bz2": 5}.get(packing, len(whole) // 2)] ^= 255
    assert f"no sound {packing} archive" in refusal(f"d.jsonl.{packing}", bytes(whole))


@pytest.mark.parametrize("packing", PACK)
def test_an_empty_archive_holds_no_rows(refusal: Refusal, packing: str) -> None:
    assert "no rows" in refusal(f"d.jsonl.{packing}", PACK[packing](b""))


def test_a_wrong_byte_in_an_archive_is_named_with_its_line(refusal: Refusal) -> None:
    message = refusal("d.txt.gz", gzip.compress(b"a\n" * 200_000 + b"caf\xe9\n"))
    assert message.startswith("d.txt.gz, line 200001: byte 0xe9 is not utf-8; ")


def test_a_limit_reads_no_further_into_the_archive_than_it_must(read: Read) -> None:
    """The archive is cut off behind the rows that are wanted."""
    cut = gzip.compress(LINES)[:-10]
    assert len(read("d.jsonl.gz", cut, FieldMap(), 100).samples) == 100
