"""Where few-shot examples come from, as a dataset's settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePath
from typing import Any

from evalkit.config.schema import DatasetConfig, FewShotConfig
from evalkit.errors import ConfigError
from evalkit.plugins import plugin, takes


def pool_of(dataset: DatasetConfig, settings: FewShotConfig) -> DatasetConfig:
    """Return the settings that read the examples' rows: the dataset's columns, from another split or path.

    A file is read by the loader of its ending, and has no splits; anything else by the dataset's loader.
    """
    if settings.path is None and settings.split is None:
        raise ConfigError(
            f"fewshot.k={settings.k}: examples need rows of their own; set fewshot.split=train (a dataset "
            "with splits) or fewshot.path=FILE (columns as in the dataset)"
        )
    pool = replace(dataset, name=None, limit=settings.limit, shuffle=None, split=settings.split)
    if settings.path is None:
        if "split" not in takes(plugin(dataset._target_, "dataset")):
            raise ConfigError(
                f"fewshot.split={settings.split}: {dataset.path or 'the dataset'} has no splits; set "
                "fewshot.path=FILE (columns as in the dataset)"
            )
        return pool
    pool.path, pool.subset, pool.revision = settings.path, None, None
    loader = _loader_of(settings.path)
    if loader is not None:
        pool._target_, pool.split = loader, None
    return pool


def _loader_of(path: Any) -> str | None:
    from evalkit.datasets.compression import bare
    from evalkit.datasets.formats import BINARY, TEXT

    first = path[0] if isinstance(path, list) and path else path
    ending = PurePath(bare(str(first))).suffix.lower()
    cls = {**TEXT, **BINARY}.get(ending)
    return None if cls is None else f"{cls.__module__}.{cls.__qualname__}"
