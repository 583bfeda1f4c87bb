"""From rows to samples: field mapping, ids and the fingerprint, the same for every source."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import Any, Protocol

from evalkit.datasets.fingerprint import Fingerprint, problem
from evalkit.datasets.order import shuffled
from evalkit.errors import DatasetError, did_you_mean
from evalkit.records import TURNS, Sample, canonical_json, content_hash, text_of
from evalkit.spool import SHORT, Places, Spool

DEFAULT_ID = "id"
IMPOSSIBLE, ANSWERABLE = "is_impossible", "answerable"
"""The column that SQuAD 2.0 marks questions without an answer by, and the one that says so of samples."""
MISSING = object()


@dataclass(frozen=True, slots=True)
class Row:
    """One raw row: its columns, and where it stands ("line 17", "row 3") for messages.

    `file` names the file among several; None where the source is one file.
    """

    columns: Mapping[str, Any]
    where: str
    file: str | None = None

    def place(self, source: str) -> str:
        """Return file and line, as messages begin."""
        return f"{self.file or source}, {self.where}"


class Source(Protocol):
    """Anything that yields rows in a fixed order."""

    name: str
    """What messages call it: the path or the hub id."""

    def rows(self) -> Iterator[Row]:
        """Yield rows in file order; raise DatasetError naming file, line and remedy."""
        ...


@dataclass(frozen=True)
class FieldMap:
    """Which columns become which fields; dots reach into objects (`answers.text`).

    A field of several columns (`choices: [A, B, C, D]`) is the list of what they hold.
    `labels` spells a classification's targets as the task does: `{neg: negative, pos: positive}`. With
    `unanswerable` an empty target (a list, a text, null) or a true column `is_impossible` means that there is
    no answer; the target is then [], and each sample's metadata tell by `answerable`.
    """

    input: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    target: str | None = None
    id: str | None = None
    group: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    unanswerable: bool = False


@dataclass(frozen=True)
class Dataset:
    """Samples in order and the fingerprint of their rows.

    `read` counts the rows that were looked at, `filtered` those that the filter left out; `origin` says what
    was read (files, or hub id and commit), and `notes` what the user should hear about that. `preprocess` has
    the steps behind each field that was added to the samples.
    """

    name: str
    samples: Sequence[Sample]
    fingerprint: str
    read: int = 0
    filtered: int = 0
    origin: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    preprocess: Mapping[str, str] = field(default_factory=dict)


def column(row: Mapping[str, Any], path: str) -> Any:
    """Return the value at a column name or dotted path, `MISSING` where there is none.

    A name that itself holds dots (`outputs.gpt-3.5-turbo`) is found too, and a column that is literally named
    so wins over the path into objects.
    """
    if path in row:
        return row[path]
    for place, letter in enumerate(path):
        inner = row.get(path[:place]) if letter == "." else None
        if isinstance(inner, Mapping):
            value = column(inner, path[place + 1 :])
            if value is not MISSING:
                return value
    return MISSING


def required(row: Row, source: str, path: str, setting: str) -> Any:
    """Return the value at `path`; DatasetError that names the columns there are when it is absent."""
    value = column(row.columns, path)
    if value is MISSING:
        names = list(row.columns)
        if "." in path:
            objects = {name: one for name, one in row.columns.items() if isinstance(one, Mapping)}
            names += [f"{name}.{key}" for name, one in objects.items() for key in one]
        raise DatasetError(
            f'{row.place(source)}: no column "{path}" for {setting}{did_you_mean(path, names)}; '
            f"the columns are {', '.join(names) or '(none)'}: set {setting}=<column>"
        )
    return value


def load(
    source: Source,
    fields: FieldMap,
    limit: int | None = None,
    *,
    where: Callable[[Row, str], bool] | None = None,
    shuffle: int | None = None,
) -> Dataset:
    """Read a source into samples: filtered, shuffled, cut to `limit`, mapped, fingerprinted.

    A source without rows is an error, and so is a filter that leaves none.
    """
    counts: Counter[str] = Counter()
    named = _named(_filtered(source, where, counts), source.name, fields)
    chosen: Iterable[tuple[Row, str]]
    if shuffle is None:
        chosen = islice(_unique(named, source.name), limit)
    else:
        chosen = shuffled(named, shuffle, limit, partial(_twice, source.name))
    added = getattr(source, "added", ())
    fingerprint = Fingerprint()
    samples: Spool[Sample] = Spool()
    for row, identifier in chosen:
        try:
            fingerprint.add(row.columns)
        except (TypeError, ValueError, RecursionError):
            raise _not_json(source.name, row) from None
        samples.append(_with_added(_sample(row, identifier, source.name, fields), added))
    if not counts["read"]:
        raise DatasetError(f"{source.name}: no rows; give a file with at least one sample")
    if not len(samples):
        raise DatasetError(
            f"{source.name}: dataset.where leaves none of the {counts['read']} rows; make it less strict"
        )
    return Dataset(
        source.name,
        samples.whole,
        fingerprint.value,
        read=counts["read"],
        filtered=counts["filtered"],
        origin=getattr(source, "origin", {}),
        notes=getattr(source, "notes", ()),
    )


def identify(source: Source, fields: FieldMap) -> Iterator[tuple[Row, str]]:
    """Yield each row with its sample id; an explicit id that comes twice is an error."""
    return _unique(_named(source.rows(), source.name, fields), source.name)


def _filtered(
    source: Source, where: Callable[[Row, str], bool] | None, counts: Counter[str]
) -> Iterator[Row]:
    for row in source.rows():
        counts["read"] += 1
        if where is None or where(row, source.name):
            yield row
        else:
            counts["filtered"] += 1


def _named(rows: Iterable[Row], source: str, fields: FieldMap) -> Iterator[tuple[Row, str]]:
    copies = _Copies()
    for row in rows:
        try:
            yield row, _identifier(row, source, fields, copies)
        except (TypeError, ValueError, RecursionError):
            raise _not_json(source, row) from None


def _unique(named: Iterable[tuple[Row, str]], source: str) -> Iterator[tuple[Row, str]]:
    seen, stood = Places(), Spool[tuple[str, str | None]](held=SHORT)
    for row, identifier in named:
        before = seen.add(identifier)
        if before is not None:
            where, file = stood[before]
            raise _twice(source, row, identifier, Row({}, where, file))
        stood.append((row.where, row.file))
        yield row, identifier


def _twice(source: str, row: Row, identifier: str, first: Row) -> DatasetError:
    before = first.where if first.file is None else first.place(source)
    return DatasetError(
        f'{row.place(source)}: id "{identifier}" was used before at {before}; '
        "make ids unique, or choose another column with dataset.id=<column>"
    )


def _not_json(source: str, row: Row) -> DatasetError:
    for name, value in row.columns.items():
        for part in (name, value):
            why = problem(part)
            if why is not None:
                return DatasetError(f'{row.place(source)}, column "{name}": {why}')
    return DatasetError(f"{row.place(source)}: not plain JSON; write the row anew")


def _sample(row: Row, identifier: str, source: str, fields: FieldMap) -> Sample:
    used = {fields.id or DEFAULT_ID}
    if fields.target is not None:
        used.add(fields.target)
    if fields.input:
        inputs = {name: _field(row, source, name, path) for name, path in fields.input.items()}
        used.update(path for paths in fields.input.values() for path in _paths(paths))
    else:
        # Templates must not see the object that a dotted target lies in.
        hidden = used | {_root(row, fields.target or "")}
        inputs = {name: value for name, value in row.columns.items() if name not in hidden}
        used.update(inputs)
    target = None
    if fields.target is not None:
        free = isinstance(inputs.get(TURNS), list)
        target = _target(row, source, fields.target, fields, free=free)
    group = None
    if fields.group is not None:
        value = required(row, source, fields.group, "dataset.group")
        group = None if value is None or value == "" else _name_of(value)  # then a cluster of its own
    metadata = {name: value for name, value in row.columns.items() if name not in used}
    if fields.unanswerable:
        metadata.setdefault(ANSWERABLE, target != [])
    return Sample(id=identifier, input=inputs, target=target, metadata=metadata, group=group)


def _field(row: Row, source: str, name: str, path: str | Sequence[str]) -> Any:
    """Return the value of a column, or the values of several."""
    values = [required(row, source, one, f"dataset.input.{name}") for one in _paths(path)]
    return values[0] if isinstance(path, str) else values


def _paths(path: str | Sequence[str]) -> Sequence[str]:
    return (path,) if isinstance(path, str) else path


def _with_added(sample: Sample, names: Sequence[str]) -> Sample:
    """Return the sample with these columns, which the loader made itself, among what was added to it."""
    found = {name: part[name] for part in (sample.metadata, sample.input) for name in names if name in part}
    if not found:
        return sample
    return replace(
        sample,
        input={name: value for name, value in sample.input.items() if name not in found},
        metadata={name: value for name, value in sample.metadata.items() if name not in found},
        added={**sample.added, **found},
    )


def _root(row: Row, path: str) -> str:
    return path if path in row.columns else path.partition(".")[0]


def _target(row: Row, source: str, path: str, fields: FieldMap, *, free: bool) -> Any:
    """Return the target; a conversation is `free` to have none, or none for some of its turns."""
    target = required(row, source, path, "dataset.target")
    if fields.unanswerable and (target in (None, "", [], [""]) or row.columns.get(IMPOSSIBLE) is True):
        return []
    if free and not fields.labels:
        return target or None
    if target is None or target == [] or (isinstance(target, list) and None in target):
        remedy = "give a target or remove the row"
        if target == []:
            remedy += " (or set dataset.unanswerable=true where that says that there is no answer)"
        raise DatasetError(
            f'{row.place(source)}: the target column "{path}" is empty or holds null; {remedy}'
        )
    return _label(target, fields.labels, f"{row.place(source)}") if fields.labels else target


def _label(target: Any, labels: Mapping[str, str], where: str) -> str:
    name = text_of(target)
    if name not in labels:
        raise DatasetError(
            f'{where}: the target "{name}" is none of dataset.labels ({", ".join(labels)})'
            f"{did_you_mean(name, labels)}; add it, or set dataset.labels to the labels there are"
        )
    return labels[name]


def _identifier(row: Row, source: str, fields: FieldMap, copies: _Copies) -> str:
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
                f'{row.place(source)}: the id column "{fields.id}" is empty; give every row an id'
            )
        digest = content_hash(row.columns)[:16]
        return f"{digest}-{copies.count(digest)}"
    return _name_of(value)


class _Copies:
    """Counts how often each row's hash came."""

    def __init__(self) -> None:
        self._places, self._counts = Places(), array("L")

    def count(self, digest: str) -> int:
        place = self._places.add(digest)
        if place is None:
            self._counts.append(1)
            return 1
        self._counts[place] += 1
        return self._counts[place]


def _name_of(value: Any) -> str:
    return value if isinstance(value, str) else canonical_json(value)
