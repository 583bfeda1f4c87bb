"""Local text files read with the standard library: `007` stays `007`, `NA` stays `NA`, dates stay text."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from evalkit.datasets.base import MISSING, Row, column
from evalkit.datasets.text import TextFile
from evalkit.errors import DatasetError, did_you_mean

# Long documents in one CSV field are data, not an attack: the csv module stops at 128 KiB otherwise.
FIELD_LIMIT = 2**30
NAMES = {",": "comma", ";": "semicolon", "\t": "tab"}
OTHER_SEPARATORS = {";": ";", "\t": "tab", "|": "|", ",": ","}


class _JsonText(TextFile):
    """What both JSON formats share: a parser whose complaints name line and column."""

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


class JsonLines(_JsonText):
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
        return "every line must be one JSON object (another format: dataset=csv, json, …)"


class JsonFile(_JsonText):
    """A JSON array of objects, or an object that holds one under `records` (dotted path)."""

    format = "json"

    def __init__(self, path: str | None, *, encoding: str = "utf-8", records: str | None = None) -> None:
        super().__init__(path, encoding=encoding)
        self.records = records

    def rows(self) -> Iterator[Row]:
        """Yield the array's objects."""
        with self.open() as file:
            text = "".join(self._lines(file))
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
    separator: ClassVar[str] = ","

    def __init__(
        self,
        path: str | None,
        *,
        encoding: str = "utf-8",
        delimiter: str | None = None,
        quotechar: str = '"',
    ) -> None:
        super().__init__(path, encoding=encoding)
        self._guess = delimiter is None
        self.delimiter = self._character("delimiter", self.separator if delimiter is None else delimiter)
        self.quotechar = self._character("quotechar", quotechar)
        if self.delimiter == self.quotechar:
            raise DatasetError(f"{self.name}: dataset.options.delimiter and quotechar must differ")

    def rows(self) -> Iterator[Row]:
        """Yield one row a record."""
        csv.field_size_limit(FIELD_LIMIT)
        with self.open(newline="") as file:
            reader = csv.reader(
                self._lines(file), delimiter=self.delimiter, quotechar=self.quotechar, strict=True
            )
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
        if self._guess and len(header) == 1:
            self._check_alone(header[0], line)
        return header

    def _check_alone(self, name: str, line: int) -> None:
        """Spreadsheets in much of Europe separate by semicolons: then all columns would be one."""
        for other, spelling in OTHER_SEPARATORS.items():
            if other in name and other != self.delimiter:
                raise DatasetError(
                    f'{self.name}, line {line}: the header is the one column "{name}"; set '
                    f"\"dataset.options.delimiter='{spelling}'\" if that separates its columns"
                )

    def _character(self, option: str, value: Any) -> str:
        value = {"\\t": "\t", "tab": "\t"}.get(value, value)
        if not isinstance(value, str) or len(value) != 1 or value in "\r\n\0":
            raise DatasetError(
                f"{self.name}: dataset.options.{option} must be one character (or tab), got {value!r}"
            )
        return value

    def _row(self, header: list[str], values: list[str], line: int) -> dict[str, str]:
        if len(values) != len(header):
            remedy = "fill the row up"
            if len(values) > len(header):
                remedy = f"quote fields that hold a {NAMES.get(self.delimiter, self.delimiter)}"
            raise DatasetError(
                f"{self.name}, line {line}: {len(values)} fields, the header names {len(header)}: {remedy}"
            )
        return dict(zip(header, values, strict=True))


class Tsv(Csv):
    """Tab-separated values with a header line."""

    format = "tsv"
    separator = "\t"


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
