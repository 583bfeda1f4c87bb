from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evalkit.datasets.base import Dataset, FieldMap, load
from evalkit.datasets.compression import bare
from evalkit.datasets.formats import TEXT
from evalkit.errors import DatasetError

if TYPE_CHECKING:
    from dataset_files import Read, Refusal


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write content to a file of that name and load it with the loader of its ending."""

    def run(
        name: str,
        content: str | bytes,
        fields: FieldMap | None = None,
        limit: int | None = None,
        *,
        shuffle: int | None = None,
        **options: Any,
    ) -> Dataset:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        loader = TEXT[Path(bare(name)).suffix]
        return load(loader(str(path), **options), fields or FieldMap(), limit, shuffle=shuffle)

    return run


@pytest.fixture
def refusal(read: Read, tmp_path: Path) -> Refusal:
    """The message of the DatasetError that a content gives: one line, exit code 2; the folder left out."""

    def run(name: str, content: str | bytes, *args: Any, **options: Any) -> str:
        with pytest.raises(DatasetError) as caught:
            read(name, content, *args, **options)
        message = str(caught.value)
        assert caught.value.exit_code == 2
        assert "\n" not in message
        assert message.startswith(str(tmp_path))
        return message.removeprefix(f"{tmp_path}/")

    return run
