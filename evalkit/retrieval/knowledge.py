"""A knowledge base: documents of a file that a dataset loader reads, or of a folder of text files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit.datasets.base import MISSING, FieldMap, Row, Source, column, load, required
from evalkit.datasets.compression import bare
from evalkit.datasets.formats import source_for
from evalkit.datasets.paths import Several, expand
from evalkit.errors import DatasetError
from evalkit.records import text_of
from evalkit.retrieval.base import Passage

TEXT_FILES = (".md", ".markdown", ".rst", ".txt")
NAMED = 3


@dataclass(frozen=True)
class Columns:
    """Where a document's text, title and id stand; a title is put above the text."""

    text: str = "text"
    title: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class Knowledge:
    """Documents, the fingerprint of their rows, and what the user should hear about them."""

    name: str
    documents: tuple[Passage, ...]
    fingerprint: str
    notes: tuple[str, ...] = ()


def read(path: Any, columns: Columns, encoding: str = "utf-8", name: str | None = None) -> Knowledge:
    """Read a knowledge base, called `name` in reports; DatasetError names file, line and remedy.

    `path` is a file of any format that a dataset has, a pattern, a folder of text files (each a document), a
    single text file in Markdown, or a list of these. Without an id column (`id` where there is one) a
    document is named by the hash of its row; in a folder, by its path.
    """
    try:
        sources = [_source(one, encoding) for one in expand(path)]
        several = f"{sources[0].name} and {len(sources) - 1} more"
        source = sources[0] if len(sources) == 1 else Several(several, sources)
        if all(isinstance(one, TextFiles) for one in sources):
            columns = Columns()
        found = load(source, FieldMap(id=columns.id))
    except DatasetError as error:
        raise DatasetError(_in_our_words(str(error))) from None
    documents, empty = [], []
    for sample in found.samples:
        row = Row({**sample.input, columns.id or "id": sample.id}, f'row "{sample.id}"')
        text = _text(row, source.name, columns)
        if text.strip():
            documents.append(Passage(sample.id, text))
        else:
            empty.append(sample.id)
    if not documents:
        raise DatasetError(
            f"{source.name}: none of its {len(empty)} rows has a text; there is nothing to retrieve"
        )
    notes = (
        [f"{source.name}: {len(empty)} rows without a text were left out ({named(empty)})"] if empty else []
    )
    return Knowledge(name or source.name, tuple(documents), found.fingerprint, tuple(notes))


def passages_of(value: Any, titles: Any, ids: Any, columns: Columns, where: str) -> list[Passage]:
    """Return the passages that a sample brings itself, named by their ids, else by their places from 0.

    `value` is a list of texts, of lists of sentences, or of objects with the columns, or a single text;
    `titles` and `ids` are lists beside it, or None.
    """
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        raise DatasetError(f"{where}: no list of passages but {_kind(value)}")
    for name, beside in (("title", titles), ("id", ids)):
        if beside is not None and (not isinstance(beside, (list, tuple)) or len(beside) != len(value)):
            raise DatasetError(f"{where}: retrieval.{name} is no list as long as the {len(value)} passages")
    found = []
    for place, one in enumerate(value):
        here = f"{where}, passage {place}"
        if isinstance(one, Mapping):
            text = _text(Row(one, f"passage {place}"), where, columns)
            known = column(one, columns.id or "id")
            name = str(place) if known is MISSING else text_of(known)
        else:
            text = _joined(one, here)
            text = text if titles is None else f"{text_of(titles[place])}\n{text}"
            name = str(place) if ids is None else text_of(ids[place])
        if text.strip():
            found.append(Passage(name, text))
    return found


def named(ids: Sequence[str]) -> str:
    """Return the first few ids, and how many more there are."""
    more = f", … {len(ids) - NAMED} more" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more


class TextFiles:
    """A folder's text files (.md, .markdown, .rst, .txt; its folders' too), or one such: each a document."""

    def __init__(self, path: str, encoding: str = "utf-8") -> None:
        self.name = path
        self._path, self._encoding = Path(path).expanduser(), encoding

    def rows(self) -> Iterator[Row]:
        """Yield one row a file, in the order of their paths; hidden files and folders are passed over."""
        if self._path.is_file():
            files = [self._path]
        else:
            files = sorted(one for one in self._path.rglob("*") if self._counts(one))
        if not files:
            raise DatasetError(f"{self.name}: a folder without files {', '.join(TEXT_FILES)}; name another")
        for file in files:
            name = file.name if file == self._path else file.relative_to(self._path).as_posix()
            try:
                text = file.read_text(self._encoding)
            except (OSError, UnicodeDecodeError, LookupError) as error:
                raise DatasetError(
                    f"{file}: cannot be read ({error}); is its encoding another (retrieval.encoding)?"
                ) from None
            yield Row({"id": name, "text": text.removeprefix("\ufeff")}, "its text", str(file))

    def _counts(self, file: Path) -> bool:
        inside = file.relative_to(self._path).parts
        return (
            file.suffix.lower() in TEXT_FILES and not any(one[0] == "." for one in inside) and file.is_file()
        )


def _source(path: str, encoding: str) -> Source:
    if Path(path).expanduser().is_dir():
        return TextFiles(path, encoding)
    if bare(path) == path and Path(path).suffix.lower() in TEXT_FILES[:-1]:
        return TextFiles(path, encoding)
    return source_for(path, encoding)


def _text(row: Row, source: str, columns: Columns) -> str:
    """Return a row's text below its title; empty where the text is."""
    text = _joined(required(row, source, columns.text, "retrieval.text"), row.place(source))
    if columns.title is None or not text.strip():
        return text
    title = required(row, source, columns.title, "retrieval.title")
    return f"{text_of(title)}\n{text}" if title else text


def _joined(value: Any, where: str) -> str:
    """Return a text; sentences that come as a list are put together."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(one, str) for one in value):
        return " ".join(one.strip() for one in value)
    raise DatasetError(f"{where}: no text but {_kind(value)}; set retrieval.text=<column>")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def _in_our_words(message: str) -> str:
    """Say which of this room's settings a loader's message is about."""
    for name in ("path", "id", "encoding"):
        message = message.replace(f"dataset.{name}", f"retrieval.{name}")
    return message.replace("give a file with at least one sample", "there is nothing to retrieve")
