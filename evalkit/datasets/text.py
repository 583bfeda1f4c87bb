"""Text files of any format: opened, decompressed, decoded, and every way in which that fails in one line."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar, TextIO

from evalkit.datasets import compression
from evalkit.datasets.base import Row
from evalkit.errors import DatasetError

STANDARD_INPUT = "-"


class TextFile:
    """A local file, compressed or not, or standard input (`-`); subclasses know its format."""

    format: ClassVar[str]

    def __init__(self, path: str | None, *, encoding: str = "utf-8") -> None:
        if not path:
            raise DatasetError(f"dataset={self.format} needs a file: set dataset.path=FILE")
        self.path = Path(path)
        self.name = "standard input" if path == STANDARD_INPUT else path
        self.encoding = encoding
        self._piped = path == STANDARD_INPUT

    def rows(self) -> Iterator[Row]:
        """Yield the file's rows."""
        raise NotImplementedError

    @contextmanager
    def open(self, newline: str | None = None) -> Iterator[TextIO]:
        """Open the file as text; turn what the system says into our own message."""
        file = self._opened(newline)
        try:
            yield file
        except UnicodeError as error:
            raise DatasetError(self._wrong_encoding(error)) from None
        except OSError as error:
            raise DatasetError(f"{self.name}: cannot be read ({error.strerror}); copy it anew") from None
        finally:
            if self._piped:
                file.detach()  # standard input is not ours to close
            else:
                file.close()

    def _opened(self, newline: str | None) -> io.TextIOWrapper:
        try:
            codec = codecs.lookup(self.encoding).name
            io.TextIOWrapper(io.BytesIO(), codec)  # LookupError for a codec that is none of text
            self.path = self.path.expanduser()
            raw = _standard_input() if self._piped else compression.opened(self.path)
            # The signature makes a byte-order mark vanish; it is written by spreadsheet programs.
            return io.TextIOWrapper(raw, "utf-8-sig" if codec == "utf-8" else codec, newline=newline)
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

    def _lines(self, file: TextIO) -> Iterator[str]:
        """Yield lines; a NUL is no text but the mark of UTF-16 read as something else."""
        number = 0
        try:
            for line in file:
                number += 1
                if "\0" in line:
                    break
                yield line
            else:
                return
        except UnicodeError:
            raise
        except Exception as error:
            broken = compression.damage(self.path, error)
            if broken is None:
                raise
            where = f"after line {number}" if number else "at its beginning"
            raise DatasetError(f"{self.name}, {where}: {broken}; copy or compress it anew") from None
        raise DatasetError(
            f"{self.name}, line {number}, column {line.index(chr(0)) + 1}: a NUL character; "
            "set dataset.encoding=utf-16-le (or utf-16) if that is what it is, else remove it"
        )

    def _wrong_encoding(self, error: UnicodeError) -> str:
        remedy = "save the file as UTF-8 or set dataset.encoding (gb18030, latin-1, utf-16-le, …)"
        codec = "utf-8" if codecs.lookup(self.encoding).name == "utf-8-sig" else self.encoding
        # The decoder's own position counts from its last buffer, so the whole file is decoded again; what is
        # no file (a pipe) cannot be read twice.
        if not self._piped and self.path.is_file():
            with closing(compression.opened(self.path)) as raw:
                found = _undecodable(raw, codec)
            if found is not None:
                line, byte = found
                return f"{self.name}, line {line}: byte 0x{byte:02x} is not {self.encoding}; {remedy}"
        return f"{self.name}: not {self.encoding} ({error}); {remedy}"


def _standard_input() -> IO[bytes]:
    if sys.stdin is None or sys.stdin.isatty():
        raise DatasetError("dataset.path=-: standard input is a terminal; pipe the data into the command")
    raw: Any = sys.stdin.buffer
    if hasattr(raw, "peek") and not raw.peek(1):
        raise DatasetError(
            "dataset.path=-: standard input is empty; it can be read only once (one run, no sweep): "
            "save the data to a file and set dataset.path=FILE"
        )
    return raw  # type: ignore[no-any-return]


def _undecodable(raw: IO[bytes], codec: str) -> tuple[int, int] | None:
    """Return line and value of the first byte that cannot be decoded; None when the codec names none."""
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    chunk = b"begun"
    while chunk:
        chunk = raw.read(compression.CHUNK)
        before: Any = decoder.getstate()
        try:
            line += decoder.decode(chunk, final=not chunk).count("\n")
        except UnicodeDecodeError as error:
            decoder.setstate(before)
            good = decoder.decode(chunk[: max(0, error.start - len(before[0]))])
            return line + good.count("\n"), error.object[error.start]
        except UnicodeError:
            return None
    return None
