"""How a hub dataset's files make up subsets and splits: by the `datasets` library's own rules and readers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.datasets.base import Row
from evalkit.datasets.columnar import BATCH, BUFFER, Columns, rows_of
from evalkit.errors import DatasetError, did_you_mean

if TYPE_CHECKING:
    import pyarrow as pa

# Formats of texts and tables; the others hold images, sound, molecules.
READABLE = {"parquet", "json", "csv", "text", "arrow"}


@dataclass(frozen=True)
class Layout:
    """One subset of a dataset: its splits with their files, relative to the dataset's folder."""

    name: str
    subset: str
    splits: Mapping[str, Sequence[str]]
    _builder: Any

    def choose(self, split: str | None) -> str:
        """Return the split to read; DatasetError lists those there are."""
        return chosen_split(self.name, self.splits, split)

    def rows(
        self, split: str, fetch: Callable[[str], Path], columns: Columns, *, several: bool
    ) -> Iterator[Row]:
        """Yield a split's rows, one file after the other: a file is fetched when its first row is wanted."""
        for file in self.splits[split]:
            source = f"{self.name}, {file}" if several else self.name
            for row in self._file_rows(split, fetch(file), source, columns):
                yield Row(row.columns, row.where, source) if several else row

    def _file_rows(self, split: str, path: Path, source: str, columns: Columns) -> Iterator[Row]:
        from datasets.data_files import DataFilesDict, DataFilesList

        self._builder.config.data_files = DataFilesDict({split: DataFilesList([str(path)], [(str(path),)])})
        if type(self._builder).__name__ == "Parquet":  # a whole row group may be larger than memory
            from pyarrow.dataset import ParquetFragmentScanOptions

            self._builder.config.batch_size = BATCH
            self._builder.config.fragment_scan_options = ParquetFragmentScanOptions(
                use_buffered_stream=True, buffer_size=BUFFER, pre_buffer=False
            )
        try:
            found = self._builder.as_streaming_dataset(split=split)
            features = None if found.features is None else found.features.to_dict()
            tables = found.with_format("arrow").iter(batch_size=BATCH)
            yield from rows_of(_chosen(tables, columns, source), columns, source=source, features=features)
        except DatasetError:
            raise
        except Exception as error:  # each format's reader raises its own
            raise DatasetError(
                f"{source}: cannot be read by the datasets library ({first_line(error)}); "
                "use another dataset.revision or a local copy"
            ) from error


def chosen_split(name: str, splits: Mapping[str, Any], split: str | None) -> str:
    """Return the split that was asked for, or the only one."""
    if split is None:
        if len(splits) == 1:
            return next(iter(splits))
        raise DatasetError(f"{name}: several splits; set dataset.split={'|'.join(splits)}")
    if split not in splits:
        hint = "; dataset.limit and dataset.shuffle take a part of a split" if "[" in split else ""
        known = ", ".join(splits)
        raise DatasetError(
            f'{name}: no split "{split}"{did_you_mean(split, splits)}; the splits are {known}{hint}'
        )
    return split


def layout_of(folder: Path, name: str, subset: str | None) -> Layout:
    """Return the layout of a dataset's folder (a README with its settings, and data files)."""
    import datasets

    folder = folder.resolve()
    with _apart() as scratch:
        try:
            builder = datasets.load_dataset_builder(str(folder), name=subset, cache_dir=scratch)
        except datasets.exceptions.DataFilesNotFoundError:
            raise DatasetError(
                f"{name}: no data files that can be read; of a dataset made by a script there is often a "
                "Parquet copy: dataset.revision=refs/convert/parquet"
            ) from None
        except Exception as error:  # noqa: BLE001 - whatever its maintainers wrote into README and names
            raise _no_subset(folder, name, subset, error) from None
    kind = type(builder).__module__.rpartition(".")[2]
    if kind not in READABLE:
        raise DatasetError(f"{name}: {kind} data, not text; evalkit reads {', '.join(sorted(READABLE))}")
    splits = {
        str(split): [Path(one).relative_to(folder).as_posix() for one in files]
        for split, files in (builder.config.data_files or {}).items()
    }
    return Layout(name, builder.config.name, splits, builder)


def _no_subset(folder: Path, name: str, subset: str | None, error: Exception) -> DatasetError:
    import datasets

    try:
        known = [str(one) for one in datasets.get_dataset_config_names(str(folder))]
    except Exception:  # noqa: BLE001 - the first error tells more
        known = []
    if subset is None and len(known) > 1:
        return DatasetError(f"{name}: several subsets; set dataset.subset={'|'.join(known)}")
    if subset is not None and known and subset not in known:
        return DatasetError(
            f'{name}: no subset "{subset}"{did_you_mean(subset, known)}; the subsets are {", ".join(known)}'
        )
    return DatasetError(f"{name}: its files cannot be made out ({first_line(error)}); use a local copy")


@contextmanager
def skeleton(files: Mapping[str, Path | None]) -> Iterator[Path]:
    """Give a folder with a repository's file names: empty files, and those that describe the data.

    Which file belongs to which split is decided by names and the README, so nothing else need be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="evalkit-hub-") as made:
        folder = Path(made)
        for name, path in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(b"" if path is None else path.read_bytes())
        yield folder


@contextmanager
def _apart() -> Iterator[str]:
    """Give the library a cache of its own for the moment: it keeps locks beside what it lays out."""
    with tempfile.TemporaryDirectory(prefix="evalkit-layout-") as made:
        yield made


def _chosen(tables: Iterator[pa.Table], columns: Columns, source: str) -> Iterator[pa.Table]:
    names: list[str] | None = None
    for table in tables:
        if names is None:
            names = columns.choose(source, table.schema)
        yield table.select(names)


def first_line(error: BaseException) -> str:
    """Return the last word of an error chain, on one line."""
    cause = error.__cause__ or error
    text = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {text[0]}" if text else type(cause).__name__
