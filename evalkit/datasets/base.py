"""From rows to samples: field mapping, ids and the fingerprint, the same for every source."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from evalkit.errors import DatasetError, did_you_mean
from evalkit.records import Sample, canonical_json, content_hash

DEFAULT_ID = "id"
MISSING = object()


@dataclass(frozen=True, slots=True)
class Row:
    """One raw row: its columns, and where it stands ("line 17", "row 3") for messages."""

    columns: Mapping[str, Any]
    where: str


class Source(Protocol):
    """Anything that yields rows in a fixed order."""

    name: str
    """What messages call it: the path or the hub id."""

    def rows(self) -> Iterator[Row]:
        """Yield rows in file order; raise DatasetError naming file, line and remedy."""
        ...


@dataclass(frozen=True)
class FieldMap:
    """Which columns become which fields; dots reach into objects (`answers.text`)."""

    input: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    id: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Dataset:
    """Samples in file order and the fingerprint of their rows."""

    name: str
    samples: tuple[Sample, ...]
    fingerprint: str


def column(row: Mapping[str, Any], path: str) -> Any:
    """Return the value at a column name or dotted path, `MISSING` where there is none.

    A column that is literally named with dots wins over the path into objects.
    """
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return MISSING
        value = value[part]
    return value


def required(row: Row, source: str, path: str, setting: str) -> Any:
    """Return the value at `path`; DatasetError that names the columns there are when it is absent."""
    value = column(row.columns, path)
    if value is MISSING:
        names = list(row.columns)
        if "." in path:
            objects = {name: one for name, one in row.columns.items() if isinstance(one, Mapping)}
            names += [f"{name}.{key}" for name, one in objects.items() for key in one]
        raise DatasetError(
            f'{source}, {row.where}: no column "{path}" for {setting}{did_you_mean(path, names)}; '
            f"the columns are {', '.join(names) or '(none)'}: set {setting}=<column>"
        )
    return value


class Fingerprint:
    """A hash over canonical row JSON, in order: independent of path, machine, format and library version."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, row: Mapping[str, Any]) -> None:
        """Take in one row; ValueError, TypeError or RecursionError when UTF-8 JSON cannot spell it."""
        text = canonical_json(row)
        if "\\ud" in text:  # an emoji or other pair; ValueError for a half one, which no request can carry
            json.dumps(row, ensure_ascii=False).encode()
        self._hash.update(text.encode("ascii"))
        self._hash.update(b"\n")

    @property
    def value(self) -> str:
        """The SHA-256 in hex."""
        return self._hash.hexdigest()


def load(source: Source, fields: FieldMap, limit: int | None = None) -> Dataset:
    """Read a source into samples: mapped, numbered, fingerprinted; an empty source is an error."""
    fingerprint = Fingerprint()
    samples: list[Sample] = []
    for row, identifier in identify(source, fields, limit):
        try:
            fingerprint.add(row.columns)
        except (TypeError, ValueError, RecursionError):
            raise _not_json(source, row) from None
        samples.append(_sample(row, identifier, source.name, fields))
    if not samples:
        raise DatasetError(f"{source.name}: no rows; give a file with at least one sample")
    return Dataset(source.name, tuple(samples), fingerprint.value)


def identify(source: Source, fields: FieldMap, limit: int | None = None) -> Iterator[tuple[Row, str]]:
    """Yield each row with its sample id; an explicit id that comes twice is an error."""
    seen: dict[str, str] = {}
    copies: Counter[str] = Counter()
    for row in islice(source.rows(), limit):
        try:
            identifier = _identifier(row, source.name, fields, copies)
        except (TypeError, ValueError, RecursionError):
            raise _not_json(source, row) from None
        if identifier in seen:
            raise DatasetError(
                f'{source.name}, {row.where}: id "{identifier}" was used before at {seen[identifier]}; '
                "make ids unique, or choose another column with dataset.id=<column>"
            )
        seen[identifier] = row.where
        yield row, identifier


def _not_json(source: Source, row: Row) -> DatasetError:
    for name, value in row.columns.items():
        for part in (name, value):
            problem = _problem(part)
            if problem is not None:
                return DatasetError(f'{source.name}, {row.where}, column "{name}": {problem}')
    return DatasetError(f"{source.name}, {row.where}: not plain JSON; write the row anew")


def _problem(value: Any) -> str | None:
    """Say why a value cannot be hashed and sent as UTF-8 JSON; None when it can."""
    try:
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair, which UTF-8 cannot spell (a cut emoji?); remove or repair it"
    except RecursionError:
        return "nested too deeply; flatten it"
    except ValueError:
        return "holds NaN or Infinity (or a number too large for a float), which JSON lacks; use null or text"
    except TypeError as error:
        return f"not JSON ({error}); use text, numbers, booleans, lists and objects"
    return None


def _sample(row: Row, identifier: str, source: str, fields: FieldMap) -> Sample:
    used = {fields.id or DEFAULT_ID}
    target = _target(row, source, fields.target) if fields.target is not None else None
    if fields.target is not None:
        used.add(fields.target)
    if fields.input:
        inputs = {
            name: required(row, source, path, f"dataset.input.{name}") for name, path in fields.input.items()
        }
        used.update(fields.input.values())
    else:
        # Templates must not see the object that a dotted target lies in.
        hidden = used | {_root(row, fields.target or "")}
        inputs = {name: value for name, value in row.columns.items() if name not in hidden}
        used.update(inputs)
    group = None
    if fields.group is not None:
        value = required(row, source, fields.group, "dataset.group")
        group = None if value is None or value == "" else _name_of(value)  # then a cluster of its own
    metadata = {name: value for name, value in row.columns.items() if name not in used}
    return Sample(id=identifier, input=inputs, target=target, metadata=metadata, group=group)


def _root(row: Row, path: str) -> str:
    return path if path in row.columns else path.partition(".")[0]


def _target(row: Row, source: str, path: str) -> Any:
    target = required(row, source, path, "dataset.target")
    if target is None or target == [] or (isinstance(target, list) and None in target):
        raise DatasetError(
            f'{source}, {row.where}: the target column "{path}" is empty or holds null; '
            "give a target or remove the row"
        )
    return target


def _identifier(row: Row, source: str, fields: FieldMap, copies: Counter[str]) -> str:
    """Return the explicit id, or the raw row's hash with its occurrence number.

    Made of the raw row, so mapping another field changes no id; equal rows stay apart.
    """
    if fields.id is not None:
        value = required(row, source, fields.id, "dataset.id")
    else:
        value = row.columns.get(DEFAULT_ID)
    if value is None or value == "":
        if fields.id is not None:
            raise DatasetError(
                f'{source}, {row.where}: the id column "{fields.id}" is empty; give every row an id'
            )
        digest = content_hash(row.columns)[:16]
        copies[digest] += 1
        return f"{digest}-{copies[digest]}"
    return _name_of(value)


def _name_of(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)
