"""A request's JSON as it goes over the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from evalkit.images.sending import sent

LARGE = 2**20  # aiohttp's own limit for bytes handed over at once
PIECE = 2**16


def encode(body: Mapping[str, Any]) -> bytes:
    """Return the body as JSON."""
    try:
        return orjson.dumps(body)
    except TypeError:  # a lone surrogate or an integer above 64 bits: JSON can spell them, orjson cannot
        return json.dumps(body, ensure_ascii=True, separators=(",", ":")).encode("ascii")


class Pieces:
    """A large body piece by piece, so that other requests move on meanwhile; a redirect may read it again."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), PIECE):
            yield self._content[start : start + PIECE]


def request_parts(body: Mapping[str, Any]) -> tuple[bytes | Pieces, dict[str, str]]:
    """Return a body's content, images and all, and the headers that describe it."""
    content = encode(sent(body))
    headers = {"Content-Type": "application/json"}
    if len(content) <= LARGE:
        return content, headers
    return Pieces(content), {**headers, "Content-Length": str(len(content))}
