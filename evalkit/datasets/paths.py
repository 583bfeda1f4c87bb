"""What `dataset.path` names: one file, several, a pattern, standard input; several files as one source."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from evalkit.datasets.base import Row, Source
from evalkit.datasets.compression import bare
from evalkit.datasets.text import STANDARD_INPUT
from evalkit.errors import DatasetError

NAMED = 3  # files spelled out in a dataset's name


def expand(path: Any) -> list[str]:
    """Return the files that a setting names, patterns resolved and sorted; DatasetError when one has none."""
    if path is None or path == "":
        return []
    parts = path if isinstance(path, list | tuple) else [path]
    found: list[str] = []
    for part in parts:
        if isinstance(part, bool) or not isinstance(part, str | int):
            raise DatasetError(f"dataset.path={path!r}: a path or a list of paths; quote what is no text")
        found += _matches(str(part))
    doubles = [one for place, one in enumerate(found) if one in found[:place]]
    if doubles:
        raise DatasetError(f"dataset.path: {doubles[0]} is named twice; name each file once")
    if len(found) > 1 and STANDARD_INPUT in found:
        raise DatasetError("dataset.path: standard input (-) cannot be mixed with files; give it alone")
    return found


def name_of(path: Any) -> str:
    """Return what a dataset is called when nobody named it: the file's name without its endings."""
    if isinstance(path, list | tuple):
        names = [name_of(one) for one in path]
        more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
        return "+".join([*names[:NAMED], *more])
    text = str(path or "")
    if glob.has_magic(text) and not Path(text).exists():
        return text
    return PurePath(bare(text)).stem or text


class Several:
    """Several files of one format, one after the other; ids are unique across them."""

    def __init__(self, name: str, sources: Sequence[Source]) -> None:
        self.name = name
        self._sources = sources

    @property
    def origin(self) -> Mapping[str, Any]:
        """The files, in the order in which they are read."""
        return {"files": [one.name for one in self._sources]}

    def rows(self) -> Iterator[Row]:
        """Yield the rows of each file."""
        for source in self._sources:
            for row in source.rows():
                yield Row(row.columns, row.where, row.file or source.name)


def _matches(path: str) -> list[str]:
    if not path:
        raise DatasetError("dataset.path: an empty path among several; remove it")
    # A file that is really called so wins over the pattern.
    if path == STANDARD_INPUT or not glob.has_magic(path) or Path(path).expanduser().exists():
        return [path]
    # Path.glob takes no absolute pattern.
    found = sorted(glob.glob(str(Path(path).expanduser()), recursive=True))  # noqa: PTH207
    found = [one for one in found if not Path(one).is_dir()]
    if not found:
        raise DatasetError(f"{path}: no file matches (looked in {Path.cwd()}); correct the pattern")
    return found
