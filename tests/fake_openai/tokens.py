"""The one token count and the one log-probability of the fake model: simple, exact, repeatable."""

import re
from functools import lru_cache
from typing import Any
from zlib import crc32

from fake_openai.payloads import Body

_TOKEN = re.compile(r"\s*\S+|\s+$")


def split(text: str) -> list[str]:
    """Tokens that join back to the text: each word with the white space before it."""
    return _TOKEN.findall(text)


def count(text: str) -> int:
    """Tokens of a text for `usage`: its whitespace-separated words."""
    return len(text.split())


@lru_cache(maxsize=4096)
def logprob(token: str) -> float:
    """A log-probability in [-2, 0) that depends on the token alone."""
    return -(crc32(token.encode()) % 1000 + 1) / 500


def alternatives(token: str, value: float, k: int) -> list[tuple[str, float]]:
    """The k most likely tokens here: the sampled one first, then invented ones, each one nat less likely."""
    return [(token if rank == 0 else f"{token}~{rank}", value - rank) for rank in range(k)]


def content_text(content: Any) -> str:
    """The text of a message's `content`: a string, null, or a list of parts (other parts count nothing)."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if isinstance(part, str))
    return ""


def messages_of(body: Body) -> list[Any]:
    """The conversation, wherever the endpoint keeps it: `messages`, `input` or `prompt`."""
    for name in ("messages", "input", "prompt"):
        value = body.get(name)
        if isinstance(value, str):
            return [{"role": "user", "content": value}]
        if isinstance(value, list):
            return [
                {"role": "user", "content": entry} if isinstance(entry, str) else entry for entry in value
            ]
    return []


def prompt_tokens(body: Body) -> int:
    """Input tokens of a request to any endpoint; a prompt given as token ids counts the ids."""
    total = count(content_text(body.get("instructions")))
    for message in messages_of(body):
        if isinstance(message, dict):
            total += count(content_text(message.get("content")))
        elif isinstance(message, list):
            total += len(message)
        else:
            total += 1
    return total


def output_limit(body: Body) -> int | None:
    for name in ("max_completion_tokens", "max_tokens", "max_output_tokens"):
        value = body.get(name)
        if isinstance(value, int):
            return value
    return None
