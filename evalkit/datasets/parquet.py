"""Parquet files, one or a folder of shards, read in batches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.datasets.base import Row
from evalkit.datasets.columnar import BATCH, BUFFER, OTHERWISE, ColumnarFile, rows_of
from evalkit.errors import DatasetError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

# How the hub and `to_parquet` name shards: test-00000-of-00002.parquet.
SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}")
SPLITS = {"train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval"}


class Parquet(ColumnarFile):
    """A Parquet file, or the Parquet files of a folder; `split` chooses among those named by their split."""

    format = "parquet"

    def rows(self) -> Iterator[Row]:
        """Yield one row a record."""
        files = self._files()
        for file in files:
            source = self.name if file == self.path.expanduser() else str(file)
            with _opened(file, source) as opened:
                names = self.columns.choose(source, opened.schema_arrow)
                for row in rows_of(_batches(opened, names, source), self.columns, source=source):
                    yield row if len(files) == 1 else Row(row.columns, row.where, source)

    def _files(self) -> list[Path]:
        path = self.path.expanduser()
        if not path.is_dir():
            if self.split is not None:
                raise DatasetError(
                    f"{self.name}: dataset.split={self.split} needs a folder with a file for each split, "
                    "this is one file; leave dataset.split out"
                )
            return [path]
        files = sorted(path.rglob("*.parquet"))
        if not files:
            raise DatasetError(f"{self.name}: no .parquet file in this folder; set dataset.path to another")
        splits = {file: split_of(file.relative_to(path)) for file in files}
        known = sorted({split for split in splits.values() if split is not None})
        if self.split is not None and self.split not in known:
            raise DatasetError(
                f'{self.name}: no split "{self.split}"{did_you_mean(self.split, known)}; '
                f"the splits are {', '.join(known) or '(none named)'}"
            )
        if self.split is None and len(known) > 1:
            raise DatasetError(
                f"{self.name}: several splits in this folder; set dataset.split={'|'.join(known)}"
            )
        return files if self.split is None else [file for file in files if splits[file] == self.split]


def split_of(file: Path) -> str | None:
    """Return the split that a file's name or its folder tells; None when neither does."""
    shard = SHARD.fullmatch(file.stem)
    for name in (shard["split"] if shard else file.stem, file.parent.name):
        if name in SPLITS or (shard and name == shard["split"]):
            return name
    return None


@contextmanager
def _opened(path: Path, source: str) -> Iterator[pq.ParquetFile]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Pages are read as they are needed, not a whole row group of long documents at once.
        file = pq.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False)
    except FileNotFoundError:
        raise DatasetError(
            f"{source}: no such file (looked in {Path.cwd()}); set dataset.path to an existing file"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{source}: no sound Parquet file ({first_line(error)}); {OTHERWISE}") from None
    with file:
        yield file


def _batches(file: pq.ParquetFile, names: list[str], source: str) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    try:
        yield from file.iter_batches(batch_size=BATCH, columns=names)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{source}: damaged Parquet file ({first_line(error)}); copy it anew") from None


def first_line(error: Exception) -> str:
    """Return the first line of what pyarrow says, which may fill many."""
    text: Any = str(error).strip().splitlines()
    return str(text[0]) if text else type(error).__name__
