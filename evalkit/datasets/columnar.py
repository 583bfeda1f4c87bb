"""Arrow tables -> rows of plain JSON: dates become ISO text, decimals text, class labels their names.

pyarrow is imported by the loaders when they open a file, never with this module.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from evalkit.datasets.base import Row
from evalkit.errors import DatasetError, did_you_mean
from evalkit.images.store import keep

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 256  # rows decoded at a time: enough to be fast, few enough for long documents
BUFFER = 1 << 20  # bytes of a Parquet file's column read at a time
OTHERWISE = "copy it anew, or choose the loader of its format (dataset=csv, jsonl, …)"

Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class Columns:
    """Which columns are read, and how: the options that Parquet, Arrow and Hub share.

    `wanted` None reads all. `label_names` spells a ClassLabel (an integer whose names the `datasets` library
    keeps in the file) by its name, -1 (no label) as null.
    """

    wanted: Sequence[str] | None = None
    label_names: bool = True

    def choose(self, source: str, schema: pa.Schema) -> list[str]:
        """Return the columns to read, checked against a file's schema."""
        names: list[str] = list(schema.names)
        for name in self.wanted or ():
            if name not in names:
                near = did_you_mean(str(name), names)
                raise DatasetError(
                    f'{source}: no column "{name}" for dataset.options.columns{near}; '
                    f"the columns are {', '.join(names) or '(none)'}"
                )
        chosen = names if self.wanted is None else [str(name) for name in self.wanted]
        doubles = [name for place, name in enumerate(chosen) if name in chosen[:place]]
        if doubles:
            raise DatasetError(f'{source}: column "{doubles[0]}" appears twice; give columns unique names')
        binary = [
            name
            for name in chosen
            if _holds_bytes(schema.field(name).type) and not _holds_images(schema.field(name).type)
        ]
        if binary:
            rest = ",".join(name for name in chosen if name not in binary)
            raise DatasetError(
                f'{source}: column "{binary[0]}" holds bytes (audio, files), which are no text; '
                f'leave it out: "dataset.options.columns=[{rest}]"'
            )
        return chosen


class ColumnarFile:
    """A local file, or a folder of them; subclasses know its format. `split` chooses part of a folder."""

    format: ClassVar[str]

    def __init__(
        self,
        path: str | None,
        *,
        split: str | None = None,
        columns: Sequence[str] | None = None,
        label_names: bool = True,
    ) -> None:
        if not path:
            raise DatasetError(f"dataset={self.format} needs a file or a folder: set dataset.path=FILE")
        self.name = path
        self.path = Path(path)
        self.split = split
        self.columns = Columns(columns, label_names)


def rows_of(
    batches: Iterable[pa.RecordBatch | pa.Table],
    columns: Columns,
    *,
    source: str,
    features: Mapping[str, Any] | None = None,
) -> Iterator[Row]:
    """Yield the rows of batches that share a schema; `features` are the `datasets` library's, as JSON."""
    number = 0
    converters: dict[str, Convert] | None = None
    for batch in batches:
        if converters is None:
            known = features_of(batch.schema) if features is None else features
            converters = _converters(batch.schema, known if columns.label_names else {})
        for columns_of_row in batch.to_pylist(maps_as_pydicts="strict"):
            number += 1
            for name, convert in converters.items():
                value = columns_of_row[name]
                if value is not None:
                    columns_of_row[name] = _converted(convert, value, f"{source}, row {number}", name)
            yield Row(columns_of_row, f"row {number}")


def features_of(schema: pa.Schema) -> Mapping[str, Any]:
    """Return the features that the `datasets` library wrote into a schema; empty when it did not."""
    try:
        kept = json.loads((schema.metadata or {})[b"huggingface"])
        features = kept["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, Mapping) else {}


def _converters(schema: pa.Schema, features: Mapping[str, Any]) -> dict[str, Convert]:
    found: dict[str, Convert] = {}
    for field in schema:
        label = _labels(features.get(field.name))
        if label is not None:
            found[field.name] = label
        elif _holds_images(field.type):
            found[field.name] = _image
        elif not _is_plain(field.type):
            found[field.name] = _plain
    return found


def _labels(feature: Any) -> Convert | None:
    """Return what spells the class labels inside a feature; None when there are none."""
    if isinstance(feature, list) and len(feature) == 1:  # an older spelling of a list
        feature = {"_type": "List", "feature": feature[0]}
    if not isinstance(feature, Mapping):
        return None
    kind = feature.get("_type")
    if kind == "ClassLabel":
        return _spell(feature.get("names") or [])
    if kind in {"List", "LargeList", "Sequence"}:
        inner = _labels(feature.get("feature"))
        return None if inner is None else lambda values: _each(inner, values)
    if kind is None or not isinstance(kind, str):  # a mapping of features: an object
        members = {name: one for name, one in ((key, _labels(one)) for key, one in feature.items()) if one}
        return (lambda value: _members(members, value)) if members else None
    return None


def _spell(names: Sequence[str]) -> Convert:
    def spelled(value: int) -> str | None:
        if value == -1:  # how public test sets without answers are marked
            return None
        if not 0 <= value < len(names):
            raise ValueError(f"class label {value} has no name, there are {len(names)}")
        return names[value]

    return spelled if names else _plain


def _each(convert: Convert, value: Any) -> Any:
    if isinstance(value, Mapping):  # a Sequence of objects is stored as an object of lists
        return {key: _each(convert, one) for key, one in value.items()}
    return [None if one is None else convert(one) for one in value]


def _members(members: Mapping[str, Convert], value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        key: members[key](one) if key in members and one is not None else _plain(one)
        for key, one in value.items()
    }


def _converted(convert: Convert, value: Any, where: str, name: str) -> Any:
    try:
        return convert(value)
    except (TypeError, ValueError) as error:
        raise DatasetError(
            f'{where}, column "{name}": {error}; leave the column out with dataset.options.columns=[…]'
        ) from None


def _image(value: Any) -> Any:
    """Return an image of the `datasets` library, `{"bytes", "path"}`, by reference; or its path."""
    if isinstance(value, list):
        return [_image(one) for one in value]
    if value is None or value.get("bytes") is None:
        return value and value.get("path")
    try:
        return str(keep(value["bytes"], Path(value.get("path") or "").name))
    except ValueError as error:
        raise ValueError(f"holds {error}") from None


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; a decimal stays exact as text."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {_key(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    raise TypeError(f"a value of type {type(value).__name__}, which JSON lacks")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError("a map whose keys are no text")
    return key


def _is_plain(kind: pa.DataType) -> bool:
    """Say whether Python's value of this type is JSON already."""
    import pyarrow.types as is_

    return (
        is_.is_string(kind)
        or is_.is_large_string(kind)
        or is_.is_boolean(kind)
        or is_.is_integer(kind)
        or is_.is_floating(kind)
        or is_.is_null(kind)
        or ((is_.is_list(kind) or is_.is_large_list(kind)) and _is_plain(kind.value_type))
        or (is_.is_struct(kind) and all(_is_plain(field.type) for field in kind))
        or (is_.is_dictionary(kind) and _is_plain(kind.value_type))
    )


def _holds_images(kind: pa.DataType) -> bool:
    """Say whether a type is that of the `datasets` library's images (or sounds), or a list of them."""
    import pyarrow.types as is_

    if is_.is_list(kind) or is_.is_large_list(kind):
        return _holds_images(kind.value_type)
    if not is_.is_struct(kind) or {field.name for field in kind} != {"bytes", "path"}:
        return False
    held = kind.field("bytes").type
    return bool(is_.is_binary(held) or is_.is_large_binary(held))


def _holds_bytes(kind: pa.DataType) -> bool:
    import pyarrow.types as is_

    if is_.is_binary(kind) or is_.is_large_binary(kind) or is_.is_fixed_size_binary(kind):
        return True
    if is_.is_struct(kind):
        return any(_holds_bytes(field.type) for field in kind)
    if is_.is_map(kind):
        return _holds_bytes(kind.item_type)
    return hasattr(kind, "value_type") and _holds_bytes(kind.value_type)
