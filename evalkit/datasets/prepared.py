"""Datasets that the `datasets` library has prepared on this machine: the way out when the hub is away."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.datasets.arrow import INFO_FILE, batches
from evalkit.datasets.base import Row
from evalkit.datasets.columnar import Columns, rows_of


@dataclass(frozen=True)
class Prepared:
    """One subset at one commit, as `load_dataset` left it in its cache."""

    name: str
    folder: Path
    info: Mapping[str, Any]

    @property
    def commit(self) -> str:
        """The commit it was made from: the library names the folder by it."""
        return self.folder.name

    @property
    def subset(self) -> str:
        """The subset."""
        return str(self.info.get("config_name"))

    @property
    def splits(self) -> Mapping[str, Any]:
        """The splits that were prepared."""
        return self.info.get("splits") or {}

    def rows(self, split: str, columns: Columns) -> Iterator[Row]:
        """Yield a split's rows."""
        from datasets.naming import filenames_for_dataset_split

        known = self.splits[split]
        files = filenames_for_dataset_split(
            str(self.folder),
            known.get("dataset_name") or self.info.get("dataset_name"),
            split,
            filetype_suffix="arrow",
            shard_lengths=known.get("shard_lengths"),
        )
        features = self.info.get("features") or {}
        for file in files:
            source = file if len(files) > 1 else self.name
            for row in rows_of(
                batches(Path(file), source, columns), columns, source=source, features=features
            ):
                yield Row(row.columns, row.where, source)


def find(name: str, subset: str | None, commit: str | None) -> Prepared | None:
    """Return the newest prepared copy that fits; None when there is none or it would be a guess."""
    from datasets import config
    from datasets.naming import camelcase_to_snakecase

    owner, _, short = name.rpartition("/")
    parts = [owner, camelcase_to_snakecase(short)] if owner else [camelcase_to_snakecase(short)]
    root = Path(config.HF_DATASETS_CACHE).expanduser() / "___".join(parts)
    found = []
    for info_file in root.glob(f"*/*/{commit or '*'}/{INFO_FILE}"):
        info = json.loads(info_file.read_text("utf-8"))
        # A folder of another name holds the outcome of options that are not ours.
        if info.get("config_name") == info_file.parents[2].name and subset in {None, info["config_name"]}:
            found.append(Prepared(name, info_file.parent, info))
    if len({one.subset for one in found}) != 1:
        return None
    return max(found, key=lambda one: one.folder.stat().st_mtime)
