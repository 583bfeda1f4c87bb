"""What an image is, by its own bytes: kind, width and height. What a file is called does not count."""

from __future__ import annotations

import struct
from dataclasses import dataclass

KINDS = ("png", "jpeg", "gif", "webp")
"""What OpenAI's models read (platform docs, "Images and vision")."""
# Frames of a JPEG that tell its size: SOF0 to SOF15 but for DHT, JPG and DAC (ITU T.81, table B.1).
_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length


@dataclass(frozen=True, slots=True)
class Facts:
    """Kind (`png`), and width and height in pixels."""

    kind: str
    width: int
    height: int


def facts_of(content: bytes) -> Facts:
    """Return what an image is; ValueError, with what the bytes are not, for anything else."""
    kind = _kind(content)
    if kind is None:
        raise ValueError("no PNG, JPEG, GIF or WebP image")
    try:
        width, height = _READERS[kind](content)
    except (struct.error, IndexError):
        raise ValueError(f"a damaged {kind.upper()} image: its size cannot be read") from None
    if not width or not height:
        raise ValueError(f"a damaged {kind.upper()} image: it has no size")
    return Facts(kind, width, height)


def _kind(content: bytes) -> str | None:
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if content.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if content.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp"
    return None


def _png(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _gif(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", content, 6)
    return width, height


def _jpeg(content: bytes) -> tuple[int, int]:
    place = 2
    while True:
        if content[place] != 0xFF:  # noqa: PLR2004 - every marker begins so
            raise IndexError
        while content[place] == 0xFF:  # noqa: PLR2004
            place += 1
        marker = content[place]
        place += 1
        if marker in _BARE:
            continue
        if marker in _SIZES:
            height, width = struct.unpack_from(">HH", content, place + 3)
            return width, height
        (length,) = struct.unpack_from(">H", content, place)
        place += length


def _webp(content: bytes) -> tuple[int, int]:
    """By the container's first chunk (RFC 9649): lossy, lossless or extended."""
    chunk = content[12:16]
    if chunk == b"VP8X":
        return (
            1 + int.from_bytes(_bytes(content, 24, 3), "little"),
            1 + int.from_bytes(_bytes(content, 27, 3), "little"),
        )
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise IndexError


def _bytes(content: bytes, start: int, length: int) -> bytes:
    found = content[start : start + length]
    if len(found) < length:
        raise IndexError
    return found


_READERS = {"png": _png, "jpeg": _jpeg, "gif": _gif, "webp": _webp}
