"""What the endpoints share in reading a body: whole JSON or no answer, counted tokens, texts, choices."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from evalkit.errors import RequestError
from evalkit.records import Usage

SHOWN = 200  # characters of a bad body in a message
TO_FIRST = "time_to_first_token"
"""The field that a streamed answer's body gets from us beside the server's own: seconds."""


def bad_response(what: str, body: bytes) -> RequestError:
    """Return the error for a body that is no answer: worth asking again, never scored."""
    start = body[:SHOWN].decode("utf-8", "replace").strip()
    return RequestError("bad_response", f"{what}: {start!r}" if start else what, retryable=True)


def filtered() -> RequestError:
    """Return the error for an answer that a content filter took away: final."""
    return RequestError("content_filter", "the server's content filter withheld the answer")


def object_in(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is; RequestError for anything else, an error object included."""
    data = any_object_in(body)
    if data.get("error"):
        raise bad_response("an error object came with status 200", body)
    return data


def any_object_in(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is, whatever it says."""
    if not body.strip():
        raise bad_response("the body is empty", body)
    try:
        data = json_in(body)
    except (ValueError, RecursionError):
        what = "the body is a web page" if body.lstrip()[:1] == b"<" else "the body is not whole JSON"
        raise bad_response(what, body) from None
    if not isinstance(data, dict):
        raise bad_response("the body is not a JSON object", body)
    return data


def json_in(text: bytes) -> Any:
    """Return the value that a text spells; ValueError or RecursionError where it spells none."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if rb"\ud" not in text.lower():
            raise
        # An answer cut off inside an emoji may end in half of a surrogate pair: JSON can spell it.
        return json.loads(text.decode("utf-8"), parse_constant=_no_number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def choice_in(data: Mapping[str, Any], body: bytes, place: int) -> Mapping[str, Any]:
    """Return one of several choices, which need not come in order: each says its index."""
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise bad_response("the body has no choice", body)
    if len(choices) == 1 and place == 0:
        found: Mapping[str, Any] = choices[0]
    else:
        found = _at(choices, place, body)
    if found.get("finish_reason") == "content_filter":
        raise filtered()
    if found.get("finish_reason") == "error" or found.get("error"):
        # OpenRouter, when its upstream failed half-way.
        raise bad_response("the choice is an error", body)
    return found


def _at(choices: list[Any], place: int, body: bytes) -> Mapping[str, Any]:
    for at, choice in enumerate(choices):
        if isinstance(choice, dict) and choice.get("index", at) == place:
            return choice
    raise bad_response(f"the body has no choice {place}: {len(choices)} came, more were asked for", body)


def usage_in(value: Any, read: str = "prompt", written: str = "completion") -> Usage | None:
    """Return the counted tokens; what a server left out or spelled otherwise counts as 0.

    `read` and `written` are the endpoint's words for the prompt and the answer.
    """
    if not isinstance(value, dict):
        return None
    return Usage(
        prompt=_count(value, f"{read}_tokens"),
        completion=_count(value, f"{written}_tokens"),
        cached=_count(value.get(f"{read}_tokens_details"), "cached_tokens"),
        reasoning=_count(value.get(f"{written}_tokens_details"), "reasoning_tokens"),
    )


def _count(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def text_in(value: Any) -> str | None:
    """Return a text; None for what is none."""
    return value if isinstance(value, str) else None


def first_token_in(data: Mapping[str, Any]) -> float | None:
    """Return the seconds to the first token of an answer that was streamed; None where nobody knows."""
    value = data.get(TO_FIRST)
    return value if isinstance(value, float) and value >= 0 else None
