"""Images of a dataset -> addresses that a request can hold."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

from evalkit.errors import PromptError

KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}
"""Image types by how files of them begin."""


def image_url(value: Any, where: str) -> str:
    """Return the address of an image: a URL as it stands, a file as a data URL; PromptError for no image."""
    if not isinstance(value, str):
        raise PromptError(f"{where}: an image is a path or a URL; got {type(value).__name__}")
    if value.startswith(("http://", "https://", "data:")):
        return value
    try:
        content = Path(value).read_bytes()
    except OSError as error:
        raise PromptError(f"{where}: the image cannot be read ({error})") from None
    kind = next((kind for start, kind in KINDS.items() if content.startswith(start)), None)
    if kind is None:
        raise PromptError(f"{where}: {value} is no PNG, JPEG, GIF or WebP image")
    return f"data:image/{kind};base64,{b64encode(content).decode()}"
