"""Arrow IPC files and streams, and folders that the `datasets` library wrote with `save_to_disk`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.datasets.base import Row
from evalkit.datasets.columnar import BATCH, OTHERWISE, ColumnarFile, Columns, rows_of
from evalkit.datasets.parquet import first_line
from evalkit.errors import DatasetError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

SPLITS_FILE, STATE_FILE, INFO_FILE = "dataset_dict.json", "state.json", "dataset_info.json"
FILE_MARK = b"ARROW1"


class Arrow(ColumnarFile):
    """An Arrow file (IPC file, IPC stream, Feather version 2), or a `save_to_disk` folder with its splits."""

    format = "arrow"

    def rows(self) -> Iterator[Row]:
        """Yield one row a record."""
        path = self.path.expanduser()
        if path.is_dir():
            files, features = self._saved(path)
        elif self.split is not None:
            raise DatasetError(
                f"{self.name}: dataset.split={self.split} needs a folder with splits (save_to_disk of a "
                "DatasetDict), this is one file; leave dataset.split out"
            )
        else:
            files, features = [path], None
        for file in files:
            source = self.name if file == path else str(file)
            found = batches(file, source, self.columns)
            for row in rows_of(found, self.columns, source=source, features=features):
                yield row if len(files) == 1 else Row(row.columns, row.where, source)

    def _saved(self, folder: Path) -> tuple[list[Path], Mapping[str, Any]]:
        """Return the Arrow files of a `save_to_disk` folder in order, and its features."""
        if (folder / SPLITS_FILE).is_file():
            folder = folder / self._chosen(_read(folder / SPLITS_FILE).get("splits") or [])
        elif self.split is not None:
            raise DatasetError(
                f"{self.name}: dataset.split={self.split}, and this saved dataset has no splits; "
                "leave dataset.split out"
            )
        if not (folder / STATE_FILE).is_file():
            raise DatasetError(
                f"{self.name}: no dataset saved by save_to_disk ({STATE_FILE} is absent); for a folder of "
                "Parquet files use dataset=parquet"
            )
        state, info = _read(folder / STATE_FILE), _read(folder / INFO_FILE)
        if state.get("_indices_data_files"):
            raise DatasetError(
                f"{self.name}: saved with a selection of its rows by an old datasets library; load it, call "
                "flatten_indices() and save it again"
            )
        files = [folder / str(one["filename"]) for one in state.get("_data_files") or []]
        return files, info.get("features") or {}

    def _chosen(self, splits: Sequence[str]) -> str:
        if self.split is None:
            if len(splits) == 1:
                return splits[0]
            raise DatasetError(f"{self.name}: several splits; set dataset.split={'|'.join(splits)}")
        if self.split not in splits:
            raise DatasetError(
                f'{self.name}: no split "{self.split}"{did_you_mean(self.split, splits)}; '
                f"the splits are {', '.join(splits)}"
            )
        return self.split


def is_saved(folder: Path) -> bool:
    """Say whether a folder was written by `save_to_disk`."""
    return any((folder / name).is_file() for name in (SPLITS_FILE, STATE_FILE))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); save the dataset anew") from None
    return value if isinstance(value, Mapping) else {}


def batches(path: Path, source: str, columns: Columns) -> Iterator[pa.RecordBatch]:
    """Yield small batches of the chosen columns; the file is mapped, so only what is read takes memory."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as file:
            whole = _ipc(file)
            names = columns.choose(source, whole.schema)
            parts: Any = whole
            if isinstance(whole, pa.RecordBatchFileReader):
                parts = (whole.get_batch(place) for place in range(whole.num_record_batches))
            for part in parts:
                chosen = part.select(names)
                for start in range(0, chosen.num_rows, BATCH):
                    yield chosen.slice(start, BATCH)
    except FileNotFoundError:
        raise DatasetError(
            f"{source}: no such file (looked in {Path.cwd()}); set dataset.path to an existing file"
        ) from None
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{source}: no sound Arrow file ({first_line(error)}); {OTHERWISE}") from None


def _ipc(file: pa.MemoryMappedFile) -> pa.RecordBatchFileReader | pa.RecordBatchStreamReader:
    import pyarrow as pa

    mark = file.read(len(FILE_MARK))
    file.seek(0)
    return pa.ipc.open_file(file) if mark == FILE_MARK else pa.ipc.open_stream(file)
