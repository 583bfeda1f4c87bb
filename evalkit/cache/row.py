"""One row of the cache: packed from a request and its answer, unpacked with care."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from evalkit.cache.base import Entry
from evalkit.records import Request, canonical_json

if TYPE_CHECKING:
    import zstandard

# Bytes of an unpacked value: a few hundred bytes of zstd can claim to hold gigabytes.
LARGEST = 256 * 2**20
NOTHING = bytes(32)  # the checksum of an answer that was damaged before there were checksums: never true


class Row(NamedTuple):
    """A row as it is stored, without its id."""

    key: bytes
    server: str
    model: str
    text: bytes
    request: bytes
    body: bytes
    sha256: bytes
    latency: float
    created: float


COLUMNS = ", ".join(Row._fields)
MARKS = ", ".join("?" * len(Row._fields))
INSERT = f"INSERT INTO entries ({COLUMNS}) VALUES ({MARKS})"  # noqa: S608 - our own names
REPLACE = f"{INSERT} ON CONFLICT (key) DO UPDATE SET " + ", ".join(
    f"{name}=excluded.{name}" for name in Row._fields[1:]
)


def row_of(request: Request, entry: Entry) -> Row:
    """Return the row of an answer that has just come."""
    asked = {
        "server": request.server,
        "endpoint": request.endpoint,
        "body": request.body,
        "trial": request.trial,
    }
    return Row(
        bytes.fromhex(request.key),
        *sorted_by(asked),
        pack(canonical_json(asked).encode("ascii")),
        pack(entry.body),
        hashlib.sha256(entry.body).digest(),
        entry.latency,
        time.time(),
    )


def from_version_1(row: Row) -> Row:
    """Return a row of version 1 with the columns that came later."""
    server, model, text = sorted_by(request_of(row.request))
    return row._replace(server=server, model=model, text=text, sha256=sha256_of(row.body))


def sha256_of(packed: Any) -> bytes:
    """Return the checksum of a packed body."""
    body = unpack(packed)
    return NOTHING if body is None else hashlib.sha256(body).digest()


def sorted_by(asked: Any) -> tuple[str, str, bytes]:
    """Return what rows are found by: server, model, and a hash of what was asked last."""
    asked = asked if isinstance(asked, dict) else {}
    body = asked.get("body")
    body = body if isinstance(body, dict) else {}
    return _plain(asked.get("server")), _plain(body.get("model")), text_hash(body)


def text_hash(body: Any) -> bytes:
    """Return 8 bytes that are equal for equal last messages (or prompts), whatever else is asked."""
    messages = body.get("messages", body.get("input"))
    last = messages[-1] if isinstance(messages, list) and messages else body.get("prompt", messages)
    try:
        return hashlib.sha256(canonical_json(last).encode("ascii")).digest()[:8]
    except RecursionError:  # no request of ours
        return bytes(8)


def _plain(value: Any) -> str:
    """SQLite's text is UTF-8: half a surrogate pair has to be spelled out."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def pack(content: bytes) -> bytes:
    """Compress."""
    import zstandard

    if not hasattr(_local, "compressor"):
        _local.compressor = zstandard.ZstdCompressor(level=3)
    packer: zstandard.ZstdCompressor = _local.compressor
    return packer.compress(content)


def unpack(packed: Any) -> bytes | None:
    """Return the content; None when it is damaged, or claims to be larger than any answer."""
    try:
        decompress, size_of, broken = _local.unpacking
    except AttributeError:
        decompress, size_of, broken = _local.unpacking = _unpacking()
    try:
        # -1: not said; we always say it.
        if not 0 <= size_of(packed) <= LARGEST:
            return None
        content: bytes = decompress(packed, max_output_size=LARGEST)
    except (broken, TypeError, MemoryError):
        return None
    return content


def _unpacking() -> tuple[Callable[..., bytes], Callable[[Any], int], type[Exception]]:
    """Return what unpacks, what tells the size before, and what both raise; a thread's own."""
    import zstandard

    return zstandard.ZstdDecompressor().decompress, zstandard.frame_content_size, zstandard.ZstdError


def unpacked_size(packed: Any) -> int | None:
    """Return the size that a packed value says it has; None when damaged."""
    import zstandard

    try:
        size = zstandard.frame_content_size(packed)
    except (zstandard.ZstdError, TypeError):
        return None
    # -1: not said; we always say it.
    return None if size < 0 else size


def body_of(packed: Any, sha256: Any) -> bytes | None:
    """Return the raw body; None when it is not what was stored."""
    body = unpack(packed)
    return body if body is not None and hashlib.sha256(body).digest() == sha256 else None


def request_of(packed: Any) -> dict[str, Any] | None:
    """Return the stored request as plain data; None when it is damaged."""
    content = unpack(packed)
    try:
        asked = json.loads(content or b"null", parse_constant=_no_json)
    except (ValueError, RecursionError):
        return None
    return asked if isinstance(asked, dict) else None


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def defect(row: Row) -> str | None:
    """Return what is wrong with a row; None when key, request and body are what was stored."""
    asked = unpack(row.request)
    if asked is None:
        return "the request cannot be unpacked"
    if hashlib.sha256(asked).digest() != row.key:
        return "the key is not that of the request"
    if body_of(row.body, row.sha256) is None:
        return "the answer is not what was stored"
    if not all(isinstance(one, float) for one in (row.latency, row.created)):
        return "latency or time are no numbers"
    parsed = request_of(row.request)
    if parsed is None or (row.server, row.model, row.text) != sorted_by(parsed):
        return "server, model or text are not those of the request"
    return None


_local = threading.local()  # zstandard's objects must not be used by two threads at once
