"""Local text files read with the standard library: `007` stays `007`, `NA` stays `NA`, dates stay text."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TextIO

from evalkit.datasets.base import Row
from evalkit.errors import DatasetError

# Long documents in one CSV field are data, not an attack: the csv module stops at 128 KiB otherwise.
FIELD_LIMIT = 2**30


class TextFile:
    """A local file; subclasses know its format."""

    format: ClassVar[str]

    def __init__(self, path: str | None, *, encoding: str = "utf-8") -> None:
        if not path:
            raise DatasetError(f"dataset={self.format} needs a file: set dataset.path=FILE")
        self.path = Path(path).expanduser()
        self.name = str(path)
        self.encoding = encoding

    def rows(self) -> Iterator[Row]:
        """Yield the file's rows."""
        raise NotImplementedError

    @contextmanager
    def open(self, newline: str | None = None) -> Iterator[TextIO]:
        """Open the file as text; turn what the system says into our own message."""
        # The signature makes a byte-order mark vanish; it is written by spreadsheet programs.
        encoding = (
            "utf-8-sig" if self.encoding.lower().replace("_", "-") in {"utf-8", "utf8"} else self.encoding
        )
        try:
            with self.path.open(encoding=encoding, newline=newline) as file:
                yield file
        except FileNotFoundError:
            raise DatasetError(
                f"{self.name}: no such file (looked in {Path.cwd()}); set dataset.path to an existing file"
            ) from None
        except IsADirectoryError:
            raise DatasetError(f"{self.name}: is a folder; set dataset.path to a file inside it") from None
        except PermissionError:
            raise DatasetError(f"{self.name}: not readable by this user; change its permissions") from None
        except LookupError:
            raise DatasetError(
                f'{self.name}: unknown encoding "{self.encoding}"; set dataset.encoding=utf-8 or another name'
            ) from None
        except UnicodeDecodeError as error:
            raise DatasetError(self._wrong_encoding(error)) from None

    def _wrong_encoding(self, error: UnicodeDecodeError) -> str:
        line, byte = self._undecodable_line(error)
        return (
            f"{self.name}, line {line}: byte 0x{byte:02x} is not {self.encoding}; "
            "save the file as UTF-8 or set dataset.encoding (gb18030, latin-1, utf-16, …)"
        )

    def _undecodable_line(self, error: UnicodeDecodeError) -> tuple[int, int]:
        """Find the line again: the decoder's own position counts from its last buffer, not from the file."""
        with self.path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                try:
                    raw.decode(self.encoding)
                except UnicodeDecodeError as again:
                    return number, raw[again.start]
        return 1, error.object[error.start]


class JsonLines(TextFile):
    """One JSON object a line; blank lines are passed over."""

    format = "jsonl"

    def rows(self) -> Iterator[Row]:
        """Yield one row a line."""
        with self.open(newline="\n") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield Row(self._object(line, number), f"line {number}")

    def _object(self, line: str, number: int) -> Mapping[str, Any]:
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise DatasetError(
                f"{self.name}, line {number}, column {error.colno}: bad JSON ({error.msg}); "
                "every line must be one JSON object"
            ) from None
        except RecursionError:
            raise DatasetError(f"{self.name}, line {number}: nested too deeply; flatten the object") from None
        if not isinstance(value, dict):
            raise DatasetError(
                f"{self.name}, line {number}: a JSON {_json_type(value)}, not an object; "
                'write {"column": value, …} on each line'
            )
        return value


class JsonFile(TextFile):
    """A JSON array of objects, or an object that holds one under `records` (dotted path)."""

    format = "json"

    def __init__(self, path: str | None, *, encoding: str = "utf-8", records: str | None = None) -> None:
        super().__init__(path, encoding=encoding)
        self.records = records

    def rows(self) -> Iterator[Row]:
        """Yield the array's objects."""
        with self.open() as file:
            try:
                value = json.load(file)
            except json.JSONDecodeError as error:
                hint = (
                    "; it looks like one object a line: use dataset=jsonl"
                    if error.msg == "Extra data"
                    else ""
                )
                raise DatasetError(
                    f"{self.name}, line {error.lineno}, column {error.colno}: bad JSON ({error.msg}){hint}"
                ) from None
            except RecursionError:
                raise DatasetError(f"{self.name}: nested too deeply; flatten the objects") from None
        for number, one in enumerate(self._array(value), start=1):
            if not isinstance(one, dict):
                raise DatasetError(
                    f"{self.name}, element {number}: a JSON {_json_type(one)}, not an object; "
                    "every element must be an object"
                )
            yield Row(one, f"element {number}")

    def _array(self, value: Any) -> list[Any]:
        for part in (self.records or "").split("."):
            if part and isinstance(value, dict):
                value = value.get(part)
        if isinstance(value, list):
            return value
        keys = [key for key, one in value.items() if isinstance(one, list)] if isinstance(value, dict) else []
        hint = f"dataset.records={keys[0]}" if keys else "dataset.records=<path to the array>"
        raise DatasetError(f"{self.name}: a JSON {_json_type(value)}, not an array of objects; set {hint}")


class Csv(TextFile):
    """Comma-separated values with a header line; every value stays the text that stands in the file."""

    format = "csv"
    delimiter: ClassVar[str] = ","

    def rows(self) -> Iterator[Row]:
        """Yield one row a record."""
        csv.field_size_limit(FIELD_LIMIT)
        with self.open(newline="") as file:
            reader = csv.reader(file, delimiter=self.delimiter, strict=True)
            try:
                header = next(reader, None)
                if header is None:
                    return
                self._check_header(header)
                start = reader.line_num + 1
                for values in reader:
                    if values:  # a blank line yields no values
                        yield Row(self._row(header, values, start), f"line {start}")
                    start = reader.line_num + 1
            except csv.Error as error:
                raise DatasetError(
                    f"{self.name}, line {reader.line_num}: bad {self.format} ({error}); "
                    'quote fields that hold quotes or line breaks and double inner quotes ("")'
                ) from None

    def _check_header(self, header: list[str]) -> None:
        doubles = sorted({name for name in header if header.count(name) > 1})
        if doubles:
            raise DatasetError(
                f'{self.name}, line 1: column "{doubles[0]}" appears twice; give columns unique names'
            )

    def _row(self, header: list[str], values: list[str], line: int) -> dict[str, str]:
        if len(values) != len(header):
            raise DatasetError(
                f"{self.name}, line {line}: {len(values)} fields, but the header names {len(header)}; "
                f"quote fields that hold a {'tab' if self.delimiter == chr(9) else 'comma'}"
            )
        return dict(zip(header, values, strict=True))


class Tsv(Csv):
    """Tab-separated values with a header line."""

    format = "tsv"
    delimiter = "\t"


class TextLines(TextFile):
    """One sample a line, in the column `text`; blank lines are passed over."""

    format = "txt"

    def rows(self) -> Iterator[Row]:
        """Yield one row a line."""
        with self.open(newline="\n") as file:
            for number, line in enumerate(file, start=1):
                text = line.rstrip("\r\n")
                if text.strip():
                    yield Row({"text": text}, f"line {number}")


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")


SUFFIXES: dict[str, type[TextFile]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".json": JsonFile,
    ".csv": Csv,
    ".tsv": Tsv,
    ".txt": TextLines,
}


def source_for(path: str, encoding: str = "utf-8") -> TextFile:
    """Return the loader that a file's ending asks for."""
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise DatasetError(
            f"{path}: no loader for the ending {suffix or '(none)'}; use {', '.join(SUFFIXES)}"
        )
    return SUFFIXES[suffix](path, encoding=encoding)
