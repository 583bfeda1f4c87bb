"""How an image is told in samples, requests, the cache and reports: by name, kind, size and hash.

    charts/bars.png (image/png, 160x120, 812 bytes, sha256:5f…)

In a request the name is left out: a file that moves is asked about without asking again. So a request's key
holds the image's hash, and no report or cache holds its bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from evalkit.images.kinds import KINDS

_FORM = re.compile(
    rf"(?P<name>.*?) ?\(image/(?P<kind>{'|'.join(KINDS)}), (?P<width>\d+)x(?P<height>\d+), "
    r"(?P<size>\d+) bytes, sha256:(?P<sha256>[0-9a-f]{64})\)",
    re.DOTALL | re.ASCII,
)
_DATA = re.compile(r"data:[\w.+-]*/?[\w.+-]*[;,]", re.ASCII)
_SHOWN = 32  # characters of a data URL that is shown


@dataclass(frozen=True, slots=True)
class Reference:
    """An image by its content; `name` is where it came from, a path or nothing. `size` in bytes."""

    kind: str
    width: int
    height: int
    size: int
    sha256: str
    name: str = ""

    def __str__(self) -> str:
        told = f"(image/{self.kind}, {self.width}x{self.height}, {self.size} bytes, sha256:{self.sha256})"
        return f"{self.name} {told}" if self.name else told

    @property
    def nameless(self) -> Reference:
        """The same without its name, as requests hold it."""
        return replace(self, name="")


def parse(value: Any) -> Reference | None:
    """Return the reference that a text is; None for anything else."""
    found = _FORM.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    return Reference(
        found["kind"],
        int(found["width"]),
        int(found["height"]),
        int(found["size"]),
        found["sha256"],
        found["name"],
    )


def shown(content: Any) -> Any:
    """Return a message's content as people read it: of parts their texts, and images in brackets."""
    if not isinstance(content, list):
        return content
    return "\n".join(_shown_part(one) for one in content)


def _shown_part(part: Any) -> str:
    if not isinstance(part, dict):
        return str(part)
    text: Any = part.get("text")
    if isinstance(text, str):
        return text
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    if not isinstance(url, str):
        return str(part)
    if _DATA.match(url) and len(url) > _SHOWN:
        return f"[image {url[:_SHOWN]}… {len(url)} characters]"
    return f"[image {url}]"
