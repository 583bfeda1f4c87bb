"""Takes keys out of texts: what a server sends back, before it is kept, and what is printed about errors."""

from __future__ import annotations

import logging
import os
import re

HIDDEN = "[API key]"
SHORTEST = 12  # below it stand placeholders such as EMPTY and ollama, which are also words of answers
SHORTEST_KEY = 16  # of an environment variable whose name alone says that it is secret
VARIABLE = re.compile(r"(key|token|secret|password|passwd)$", re.IGNORECASE)
LOOKS_LIKE_KEY = re.compile(r"\bsk-[\w/+=.-]{16,}", re.ASCII)
# Each with what goes before it, which stays.
IN_ADDRESSES = (
    re.compile(r"(://)[^/\s@]+(?=@)"),
    re.compile(r"(base_url=['\"]?)[^/\s@]+(?=@)"),
    re.compile(r"([?&][\w-]*(?:key|token|secret|sig|pass|auth|code)[\w-]*=)[^&\s'\"]+", re.IGNORECASE),
)

_known: set[str] = set()  # every key that this process has read, for `hide`


class Redaction:
    """Replaces each of its secrets, however JSON or an address spells it, and nothing when it has none."""

    def __init__(self, *secrets: str) -> None:
        # Longest first: one may be part of another.
        found = sorted(filter(_is_secret, set(secrets)), key=len, reverse=True)
        pattern = "|".join("".join(map(_spelled, secret)) for secret in found)
        self._text = re.compile(pattern) if found else None
        self._body = re.compile(pattern.encode()) if found else None

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        return text if self._text is None else self._text.sub(HIDDEN, text)

    def body(self, body: bytes) -> bytes:
        """Return a response's body without the secrets."""
        return body if self._body is None else self._body.sub(HIDDEN.encode(), body)


class _WithoutKeys(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = hide(record.getMessage()), ()
        return True


_WITHOUT_KEYS = _WithoutKeys()


def hide_in_logs(logger: str) -> None:
    """Hide keys in what a package logs through this logger, whoever has turned its logging on."""
    logging.getLogger(logger).addFilter(_WITHOUT_KEYS)


def remember(*keys: str) -> None:
    """Let `hide` know of keys that no variable's name tells of."""
    _known.update(filter(_is_secret, keys))


def hide(text: str) -> str:
    """Return what is to be printed without keys: those of the environment, and whatever looks like one.

    For errors and tracebacks, which may quote a setting, an address or a server that nobody has checked yet.
    """
    text = Redaction(*_known, *of_environment().values()).text(text)
    text = LOOKS_LIKE_KEY.sub(HIDDEN, text)
    for pattern in IN_ADDRESSES:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def of_environment() -> dict[str, str]:
    """Return the environment variables that by their names hold keys; paths are none."""
    return {
        name: value
        for name, value in ((name, value.strip()) for name, value in os.environ.items())
        if VARIABLE.search(name) and len(value) >= SHORTEST_KEY and not value.startswith(("/", "~"))
    }


def _spelled(sign: str) -> str:
    """Return a pattern for one character: as it is, or as JSON, an address or a web page may escape it."""
    if sign.isalnum() or sign in "-_.":
        return re.escape(sign)
    code = f"{ord(sign):02x}"
    return rf"(?:{re.escape(sign)}|\\{re.escape(sign)}|(?i:\\u00{code}|%{code}|&#x{code};)|&#{ord(sign)};)"


def _is_secret(text: str) -> bool:
    return len(text) >= SHORTEST or text.startswith("sk-")
