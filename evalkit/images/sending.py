"""The last step before an image goes over the wire: its bytes in place of its reference."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any


def sent(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a request's body with a data URL for every image told by reference; the body itself without any.

    Only where an image's address stands: a text that looks like a reference stays a text. DatasetError where
    an image is not there any more.
    """
    found = dict(body)
    for name in ("messages", "input"):
        messages = body.get(name)
        if isinstance(messages, list):
            found[name] = [_message(one) for one in messages]
    return found


def _message(message: Any) -> Any:
    content = message.get("content") if isinstance(message, Mapping) else None
    if not isinstance(content, list):
        return message
    return {**message, "content": [_part(one) for one in content]}


def _part(part: Any) -> Any:
    if not isinstance(part, Mapping) or part.get("type") not in {"image_url", "input_image"}:
        return part
    image = part.get("image_url")
    if isinstance(image, Mapping):  # chat nests it, Responses do not
        return {**part, "image_url": {**image, "url": _address(image.get("url"))}}
    return {**part, "image_url": _address(image)}


def _address(url: Any) -> Any:
    from evalkit.images.reference import parse
    from evalkit.images.store import load

    reference = parse(url)
    if reference is None:
        return url
    return f"data:image/{reference.kind};base64,{b64encode(load(reference)).decode('ascii')}"
