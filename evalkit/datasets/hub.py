"""Datasets of the Hugging Face hub, by id; or a local folder in the same form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.datasets import prepared
from evalkit.datasets.arrow import Arrow, is_saved
from evalkit.datasets.base import Row
from evalkit.datasets.columnar import Columns
from evalkit.datasets.layout import chosen_split, layout_of, skeleton
from evalkit.datasets.repository import Commit, HubUnreachable, Repository
from evalkit.errors import DatasetError


class Hub:
    """A hub dataset: `path` is owner/name, or a folder with a copy (data files, or save_to_disk).

    Only the files of the chosen split are fetched, one when the one before is used up, into the hub's own
    cache. Code from the hub is never run.
    """

    format = "hub"

    def __init__(
        self,
        path: str | None,
        *,
        subset: str | None = None,
        split: str | None = None,
        revision: str | None = None,
        columns: Sequence[str] | None = None,
        label_names: bool = True,
    ) -> None:
        if not path:
            raise DatasetError("dataset=hub needs a dataset: set dataset.path=OWNER/NAME or a folder")
        self.name = path
        self.subset = subset
        self.split = split
        self.revision = revision
        self.columns = Columns(columns, label_names)
        self.origin: Mapping[str, Any] = {}
        self.notes: tuple[str, ...] = ()

    def rows(self) -> Iterator[Row]:
        """Yield the split's rows; `origin` and `notes` are known when the first one is there."""
        folder = Path(self.name).expanduser()
        if folder.is_dir():
            return self._folder_rows(folder)
        if folder.is_file():
            raise DatasetError(
                f"{self.name}: a file, and dataset=hub reads hub ids and folders; use dataset=parquet or "
                "another format (evalkit list datasets)"
            )
        return self._hub_rows()

    def _folder_rows(self, folder: Path) -> Iterator[Row]:
        if is_saved(folder):
            self.origin = {"folder": self.name, "split": self.split}
            saved = Arrow(
                self.name,
                split=self.split,
                columns=self.columns.wanted,
                label_names=self.columns.label_names,
            )
            yield from saved.rows()
            return
        layout = layout_of(folder, self.name, self.subset)
        split = layout.choose(self.split)
        files = layout.splits[split]
        self.origin = {"folder": self.name, "subset": layout.subset, "split": split, "files": list(files)}
        yield from layout.rows(split, lambda file: folder / file, self.columns, several=len(files) > 1)

    def _hub_rows(self) -> Iterator[Row]:
        repository = Repository(self.name, self.revision)
        try:
            commit = repository.resolve()
            files = repository.files(commit.sha)
        except HubUnreachable as error:
            yield from self._prepared_rows(repository, error)
            return
        with skeleton(files) as folder:
            layout = layout_of(folder, self.name, self.subset)
            split = layout.choose(self.split)
        wanted = layout.splits[split]
        self._say(commit, pinned=repository.pinned)
        read: list[str] = []
        self.origin = self._origin(layout.subset, split, commit.sha, pinned=repository.pinned) | {
            "files": read
        }

        def fetch(file: str) -> Path:
            read.append(file)
            return repository.fetch(commit.sha, file)

        try:
            yield from layout.rows(split, fetch, self.columns, several=len(wanted) > 1)
        except HubUnreachable as error:
            raise self._unreachable(error) from None

    def _prepared_rows(self, repository: Repository, error: HubUnreachable) -> Iterator[Row]:
        """Yield the rows of a copy that `load_dataset` prepared here before."""
        if self.revision is not None and not repository.pinned:
            raise self._unreachable(error)  # which commit a branch meant, nobody knows here
        found = prepared.find(self.name, self.subset, self.revision)
        if found is None:
            raise self._unreachable(error)
        split = chosen_split(self.name, found.splits, self.split)
        self._say(Commit(found.commit, reached=False), pinned=repository.pinned)
        self.origin = self._origin(found.subset, split, found.commit, pinned=repository.pinned)
        yield from found.rows(split, self.columns)

    def _origin(self, subset: str, split: str, commit: str, *, pinned: bool) -> dict[str, Any]:
        return {
            "hub": self.name,
            "subset": subset,
            "split": split,
            "revision": self.revision or "main",
            "commit": commit,
            "pinned": pinned,
        }

    def _say(self, commit: Commit, *, pinned: bool) -> None:
        notes = []
        if not commit.reached:
            notes.append(f"{self.name}: the hub cannot be reached; the cached copy is used")
        if not pinned:
            branch = self.revision or "main"
            notes.append(
                f"{self.name}: read at commit {commit.sha}, not pinned: {branch} may move on; "
                f"dataset.revision={commit.sha} pins it"
            )
        self.notes = tuple(notes)

    def _unreachable(self, error: HubUnreachable) -> DatasetError:
        return DatasetError(
            f"{self.name}: the hub cannot be reached ({error}) and no copy is cached; give a local one "
            "(dataset.path=FOLDER with its Parquet files, or made by save_to_disk), or run once with access"
        )
