"""Local text files read with the standard library: `007` stays `007`, `NA` stays `NA`, dates stay text."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, TextIO

from evalkit.datasets.base import MISSING, Row, column
from evalkit.errors import DatasetError, did_you_mean

# Long documents in one CSV field are data, not an attack: the csv module stops at 128 KiB otherwise.
FIELD_LIMIT = 2**30


class TextFile:
    """A local file; subclasses know its format."""

    format: ClassVar[str]

    def __init__(self, path: str | None, *, encoding: str = "utf-8") -> None:
        if not path:
            raise DatasetError(f"dataset={self.format} needs a file: set dataset.path=FILE")
        self.path = Path(path)
        self.name = path
        self.encoding = encoding

    def rows(self) -> Iterator[Row]:
        """Yield the file's rows."""
        raise NotImplementedError

    @contextmanager
    def open(self, newline: str | None = None) -> Iterator[TextIO]:
        """Open the file as text; turn what the system says into our own message."""
        with self._opened(newline) as file:
            try:
                yield file
            except UnicodeError as error:
                raise DatasetError(self._wrong_encoding(error)) from None
            except OSError as error:
                raise DatasetError(f"{self.name}: cannot be read ({error.strerror}); copy it anew") from None

    def _opened(self, newline: str | None) -> TextIO:
        try:
            self.path = self.path.expanduser()
            codec = codecs.lookup(self.encoding).name
            # The signature makes a byte-order mark vanish; it is written by spreadsheet programs.
            return self.path.open(encoding="utf-8-sig" if codec == "utf-8" else codec, newline=newline)
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
        except (OSError, RuntimeError, ValueError) as error:  # not a folder, no such home, NUL in a name
            reason = getattr(error, "strerror", None) or error
            raise DatasetError(
                f"{self.name}: cannot be opened ({reason}); set dataset.path to an existing file"
            ) from None

    def _wrong_encoding(self, error: UnicodeError) -> str:
        remedy = "save the file as UTF-8 or set dataset.encoding (gb18030, latin-1, utf-16-le, …)"
        codec = "utf-8" if codecs.lookup(self.encoding).name == "utf-8-sig" else self.encoding
        # The decoder's own position counts from its last buffer, so the whole file is decoded again; what is
        # no file (a pipe) cannot be read twice.
        raw = self.path.read_bytes() if self.path.is_file() else b""
        try:
            raw.decode(codec)
        except UnicodeDecodeError as again:
            line = raw[: again.start].decode(codec).count("\n") + 1
            return f"{self.name}, line {line}: byte 0x{raw[again.start]:02x} is not {self.encoding}; {remedy}"
        except UnicodeError:
            pass
        return f"{self.name}: not {self.encoding} ({error}); {remedy}"

    def _lines(self, file: TextIO) -> Iterator[str]:
        """Yield lines; a NUL is no text but the mark of UTF-16 read as something else."""
        for number, line in enumerate(file, start=1):
            if "\0" in line:
                raise DatasetError(
                    f"{self.name}, line {number}, column {line.index(chr(0)) + 1}: a NUL character; "
                    "set dataset.encoding=utf-16-le (or utf-16) if that is what it is, else remove it"
                )
            yield line

    def _json(self, text: str, first_line: int = 1) -> Any:
        try:
            return json.loads(text)
        except json.JSONDecodeError as error:
            line = first_line + error.lineno - 1
            problem = f"{self.name}, line {line}, column {error.colno}: bad JSON ({error.msg})"
            raise DatasetError(f"{problem}; {self._json_remedy(text, error)}") from None
        except RecursionError:
            raise DatasetError(
                f"{self.name}, from line {first_line}: nested too deeply; flatten the object"
            ) from None
        except ValueError:  # Python reads no integers of more than 4300 digits
            raise DatasetError(
                f"{self.name}, from line {first_line}: a number of thousands of digits; write it as text"
            ) from None

    def _json_remedy(self, text: str, error: json.JSONDecodeError) -> str:
        raise NotImplementedError


class JsonLines(TextFile):
    """One JSON object a line; blank lines are passed over."""

    format = "jsonl"

    def rows(self) -> Iterator[Row]:
        """Yield one row a line."""
        with self.open(newline="\n") as file:
            for number, line in enumerate(self._lines(file), start=1):
                if line.strip():
                    yield Row(self._object(line, number), f"line {number}")

    def _object(self, line: str, number: int) -> Mapping[str, Any]:
        value = self._json(line, number)
        if not isinstance(value, dict):
            remedy = 'write {"column": value, …} on each line'
            if isinstance(value, list):
                remedy = "use dataset=json for an array"
            raise DatasetError(
                f"{self.name}, line {number}: a JSON {_json_type(value)}, not an object; {remedy}"
            )
        return value

    def _json_remedy(self, text: str, error: json.JSONDecodeError) -> str:  # noqa: ARG002 - same for all
        if text.lstrip()[0] == "[" or text.strip() == "{":
            return "it looks like JSON over several lines: use dataset=json"
        return "every line must be one JSON object"


class JsonFile(TextFile):
    """A JSON array of objects, or an object that holds one under `records` (dotted path)."""

    format = "json"

    def __init__(self, path: str | None, *, encoding: str = "utf-8", records: str | None = None) -> None:
        super().__init__(path, encoding=encoding)
        self.records = records

    def rows(self) -> Iterator[Row]:
        """Yield the array's objects."""
        with self.open() as file:
            text = file.read()
        if not text.strip():
            return
        for number, one in enumerate(self._array(self._json(text)), start=1):
            if not isinstance(one, dict):
                raise DatasetError(
                    f"{self.name}, element {number}: a JSON {_json_type(one)}, not an object; "
                    "every element must be an object"
                )
            yield Row(one, f"element {number}")

    def _array(self, value: Any) -> list[Any]:
        if self.records is not None:
            value = self._at(value, self.records)
        if isinstance(value, list):
            return value
        members = value.items() if isinstance(value, dict) else ()
        path = next((key for key, one in members if isinstance(one, list)), "<path to the array>")
        raise DatasetError(
            f"{self.name}: a JSON {_json_type(value)}, not an array of objects; set dataset.records={path}"
        )

    def _at(self, value: Any, path: str) -> Any:
        names = list(value) if isinstance(value, dict) else []
        found = column(value, path) if names else MISSING
        if found is MISSING:
            remedy = f"the file's object has {', '.join(names)}" if names else "leave dataset.records out"
            raise DatasetError(
                f'{self.name}: nothing at dataset.records="{path}"{did_you_mean(path, names)}; {remedy}'
            )
        return found

    def _json_remedy(self, text: str, error: json.JSONDecodeError) -> str:  # noqa: ARG002 - one tells enough
        if error.msg == "Extra data":
            return "it looks like one object a line: use dataset=jsonl"
        return "the file must be one JSON array of objects"


class Csv(TextFile):
    """Comma-separated values with a header line; every value stays the text that stands in the file."""

    format = "csv"
    delimiter: ClassVar[str] = ","

    def rows(self) -> Iterator[Row]:
        """Yield one row a record."""
        csv.field_size_limit(FIELD_LIMIT)
        with self.open(newline="") as file:
            reader = csv.reader(self._lines(file), delimiter=self.delimiter, strict=True)
            header: list[str] = []
            start = 1
            try:
                for values in reader:
                    if values and not header:
                        header = self._checked(values, start)
                    elif values:  # a blank line yields no values
                        yield Row(self._row(header, values, start), f"line {start}")
                    start = reader.line_num + 1
            except csv.Error as error:
                where = f"line {start}" if start >= reader.line_num else f"lines {start}-{reader.line_num}"
                raise DatasetError(
                    f"{self.name}, {where}: bad {self.format} ({error}); "
                    'quote fields that hold quotes or line breaks and double inner quotes ("")'
                ) from None

    def _checked(self, header: list[str], line: int) -> list[str]:
        doubles = [name for place, name in enumerate(header) if name in header[:place]]
        if doubles:
            raise DatasetError(
                f'{self.name}, line {line}: column "{doubles[0]}" appears twice; give columns unique names'
            )
        return header

    def _row(self, header: list[str], values: list[str], line: int) -> dict[str, str]:
        if len(values) != len(header):
            remedy = "fill the row up"
            if len(values) > len(header):
                remedy = f"quote fields that hold a {'tab' if self.delimiter == chr(9) else 'comma'}"
            raise DatasetError(
                f"{self.name}, line {line}: {len(values)} fields, the header names {len(header)}: {remedy}"
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
            for number, line in enumerate(self._lines(file), start=1):
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
