"""Compressed text files by their ending: read as a stream, with damage told apart from bad content."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK = 1 << 17
LARGEST_WINDOW = 1 << 31  # `zstd --long=31`: the library reads windows up to 128 MB otherwise


class _Zstd(io.RawIOBase):
    """A zstandard file, frame after frame; zstandard's own reader ends silently where a file was cut off."""

    def __init__(self, file: BinaryIO) -> None:
        import zstandard

        self._file = file
        self._fresh = zstandard.ZstdDecompressor(max_window_size=LARGEST_WINDOW).decompressobj
        self._frame = self._fresh()
        self._begun = False
        self._text = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        while not self._text and self._advance():
            pass
        part = self._text[: len(view)]
        self._text = self._text[len(part) :]
        view[: len(part)] = part
        return len(part)

    def close(self) -> None:
        self._file.close()
        super().close()

    def _advance(self) -> bool:
        """Take in one more chunk; False at the end of the file."""
        data = self._file.read(CHUNK)
        if not data:
            if self._begun:
                raise EOFError
            return False
        parts = []
        while data:
            self._begun = True
            parts.append(self._frame.decompress(data))
            data = b""
            if self._frame.eof:
                data = self._frame.unused_data
                self._frame, self._begun = self._fresh(), False
        self._text = b"".join(parts)
        return True


def _zstd(path: Path) -> IO[bytes]:
    return io.BufferedReader(_Zstd(path.open("rb")), CHUNK)


# Each returns a file of bytes that closes the one below it.
OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".zst": _zstd,
    ".bz2": bz2.BZ2File,
    ".xz": lzma.LZMAFile,
}


def bare(path: str) -> str:
    """Return a path without the ending of a compression: `data.jsonl.gz` -> `data.jsonl`."""
    suffix = PurePath(path).suffix
    return path.removesuffix(suffix) if suffix.lower() in OPENERS else path


def opened(path: Path) -> IO[bytes]:
    """Open a file for reading bytes, decompressed when its ending says so; raises OSError."""
    opener = OPENERS.get(path.suffix.lower())
    file: IO[bytes] = path.open("rb") if opener is None else opener(path)
    return file


def damage(path: Path, error: Exception) -> str | None:
    """Say what is wrong with the archive when that is what an error means; None when it means another."""
    if path.suffix.lower() not in OPENERS:
        return None
    kind = path.suffix.lower()[1:]
    if isinstance(error, EOFError):
        return f"the {kind} archive ends too early (cut off?)"
    # gzip and bz2 raise a bare OSError; what the system refuses has an errno.
    if isinstance(error, zlib.error | lzma.LZMAError) or (isinstance(error, OSError) and error.errno is None):
        return f"no sound {kind} archive ({error})"
    if type(error).__module__.startswith("zstandard"):
        return f"no sound {kind} archive ({error})"
    return None
