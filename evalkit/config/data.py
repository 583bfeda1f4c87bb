"""Settings of the data -> its samples: read, mapped, prepared, with what was found for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from evalkit import search_path
from evalkit.config.schema import DatasetConfig, RetrievalConfig, RunConfig
from evalkit.errors import ConfigError
from evalkit.plugins import check_options, construct, plugin, takes
from evalkit.records import text_of

if TYPE_CHECKING:
    from evalkit.datasets.base import Dataset, Source
    from evalkit.datasets.fields import Field
    from evalkit.retrieval.lookup import Lookup

OF_DATASET = ("path", "encoding", "records", "subset", "split", "revision")
"""What loaders take from settings of their own, and not from dataset.options."""


def build_data(config: RunConfig) -> Dataset:
    """Read the data with the images that its rows name."""
    images = config.prompt.images
    if images is None:
        return build_dataset(config.dataset)
    from evalkit.config.pictures import pictures_of, with_pictures

    wanted = pictures_of(images)
    return with_pictures(build_dataset(config.dataset), wanted, config.dataset.path)


def build_passages(
    dataset: Dataset, config: RetrievalConfig, lookup: Lookup | None
) -> tuple[Dataset, Mapping[str, Any] | None]:
    """Return the data with what was found for each sample, and how it was found; None without retrieval."""
    if lookup is not None:
        found = lookup.apply(dataset.samples)
        return replace(dataset, samples=found.samples, notes=(*dataset.notes, *found.notes)), found.facts
    if config.path or config.passages or config.relevant:
        from evalkit.retrieval.lookup import without_passages

        # There are passages and none is shown: so recall is 0, and comparable.
        return replace(dataset, samples=without_passages(dataset.samples, config.relevant)), None
    return dataset, None


def build_dataset(config: DatasetConfig) -> Dataset:
    """Read the data; DatasetError names file, line and remedy."""
    from evalkit.datasets.base import FieldMap, load
    from evalkit.datasets.paths import name_of

    if config.limit is not None and config.limit < 1:
        raise ConfigError(f"dataset.limit={config.limit}: must be at least 1 (null for all)")
    where = None
    if config.where is not None:
        from evalkit.datasets.where import Where

        where = Where(config.where)
    source = build_source(config)
    labels = {text_of(spelling): label for spelling, label in config.labels.items()}
    columns = _columns(config.input)
    fields = FieldMap(columns, config.target, config.id, config.group, labels, config.unanswerable)
    dataset = load(source, fields, config.limit, where=where, shuffle=config.shuffle)
    origin = dataset.origin or ({} if config.path is None else {"path": config.path})
    made = build_fields(config.preprocess)
    if made:
        from evalkit.datasets.fields import with_fields

        dataset = replace(dataset, samples=with_fields(dataset.samples, made))
    return replace(
        dataset,
        name=config.name or getattr(source, "title", None) or name_of(config.path),
        origin=origin,
        preprocess={name: one.told(name) for name, one in made.items()},
    )


def build_fields(config: Mapping[str, Any]) -> dict[str, Field]:
    """Return the fields that pre-processing adds: `{field: steps}`, `{field: {from: …, steps: …}}`."""
    if not config:
        return {}
    from evalkit.datasets.fields import SETTING, Field
    from evalkit.preprocess.steps import build

    made = {}
    for name, value in config.items():
        setting, source, steps = f"{SETTING}.{name}", name, value
        if isinstance(value, Mapping):
            if set(value) != {"from", "steps"}:
                raise ConfigError(
                    f"{setting}: a list of steps, or {{from: <field>, steps: […]}} for a field of another; "
                    f"got {value!r}"
                )
            source, steps = str(value["from"]), value["steps"]
        made[name] = Field(source, build(steps, setting))
    return made


def _columns(fields: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """Return the column of each field, or its columns; numbers are names too, as JSON and CSV have them."""
    found: dict[str, str | list[str]] = {}
    for name, path in fields.items():
        parts = path if isinstance(path, list) else [path]
        if not parts or not all(isinstance(one, str | int) and not isinstance(one, bool) for one in parts):
            raise ConfigError(f"dataset.input.{name}: a column's name or a list of names, got {path!r}")
        found[name] = [str(one) for one in parts] if isinstance(path, list) else str(path)
    return found


def pinned(config: RunConfig) -> RunConfig:
    """Return the settings with the data named so that it can be found again: `latest` moves on."""
    pin = getattr(plugin(config.dataset._target_, "dataset", ("rows",)), "pin", None)
    if pin is None:
        return config
    path = pin(config.dataset.path, **config.dataset.options)
    return replace(config, dataset=replace(config.dataset, path=path))


def build_source(config: DatasetConfig) -> Source:
    """Return the loader that `_target_` names, with the options that it takes; several files make one."""
    from evalkit.datasets.paths import Several, expand

    cls = plugin(config._target_, "dataset", ("rows",))
    if getattr(cls, "whole", False):
        return _loader(cls, config, config.path)
    files = expand(_data_path(config.path))
    if len(files) > 1:
        sources = [_loader(cls, config, one) for one in files]
        return Several(", ".join(config.path) if isinstance(config.path, list) else config.path, sources)
    return _loader(cls, config, files[0] if files else None)


def _loader(cls: type[Any], config: DatasetConfig, path: Any) -> Source:
    taken = takes(cls)
    check_options(config.options, [one for one in taken if one not in OF_DATASET], cls, "dataset.options")
    always: dict[str, Any] = {"path": path, "encoding": config.encoding}
    # A third party's loader may have no file and no encoding.
    options = {name: value for name, value in always.items() if name in taken} | config.options
    for name in OF_DATASET[2:]:
        value = getattr(config, name)
        if value is not None and name not in taken:
            kind = getattr(cls, "format", cls.__name__)
            raise ConfigError(f"dataset.{name}={value}: dataset={kind} has none; leave dataset.{name} out")
        if value is not None:
            options[name] = value
    return construct(cls, options, "dataset")  # type: ignore[no-any-return]


def _data_path(path: Any) -> Any:
    """Return the setting with `benchmark:<name>` replaced by the file."""
    if isinstance(path, list):
        return [_data_path(one) for one in path]
    return search_path.data_path(path) if isinstance(path, str) else path
