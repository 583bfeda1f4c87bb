"""Which loader reads a file, by its ending: the one list to add a format to."""

from __future__ import annotations

from pathlib import PurePath

from evalkit.datasets.arrow import Arrow
from evalkit.datasets.base import Source
from evalkit.datasets.compression import OPENERS, bare
from evalkit.datasets.files import Csv, JsonFile, JsonLines, TextLines, Tsv
from evalkit.datasets.parquet import Parquet
from evalkit.datasets.text import TextFile
from evalkit.errors import DatasetError

TEXT: dict[str, type[TextFile]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".json": JsonFile,
    ".csv": Csv,
    ".tsv": Tsv,
    ".txt": TextLines,
}
BINARY: dict[str, type[Parquet | Arrow]] = {
    ".parquet": Parquet,
    ".arrow": Arrow,
    ".feather": Arrow,
}


def source_for(path: str, encoding: str = "utf-8") -> Source:
    """Return the loader that a file's ending asks for; the ending of a compression is looked through."""
    suffix = PurePath(bare(path)).suffix.lower()
    if suffix in TEXT:
        return TEXT[suffix](path, encoding=encoding)
    if suffix in BINARY and bare(path) == path:
        return BINARY[suffix](path)
    packed = f" (text formats also compressed: {', '.join(OPENERS)})"
    raise DatasetError(
        f"{path}: no loader for the ending {suffix or '(none)'}; use {', '.join([*TEXT, *BINARY])}{packed}"
    )
