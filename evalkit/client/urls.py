"""Base URLs: checked, taken apart for the client, and named without what is secret in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit, urlunsplit

from evalkit.errors import ModelError

SECRET_NAME = re.compile("key|token|secret|sig|pass|auth|code", re.IGNORECASE)
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """An API's address. `url` is bare: credentials and query, often secrets, stand apart.

    `identity` names the server in cache keys and reports: two spellings of one address are one server.
    """

    url: str
    host: str
    query: Mapping[str, str] = field(repr=False)
    credentials: tuple[str, str] | None = field(repr=False)

    @property
    def identity(self) -> str:
        """The URL without credentials, query, default port or trailing slash."""
        return self.url

    @property
    def secrets(self) -> list[str]:
        """What must not be shown: the password (a user without one is a key too), and keys in the query."""
        hidden = [value for name, value in self.query.items() if SECRET_NAME.search(name)]
        return hidden if self.credentials is None else [*hidden, self.credentials[1] or self.credentials[0]]

    @property
    def official(self) -> bool:
        """Whether it is OpenAI's own API."""
        return self.host == "openai.com" or self.host.endswith(".openai.com")

    @property
    def wants_key(self) -> bool:
        """Whether it is known to answer nobody without a key."""
        return self.official or self.host == "openrouter.ai"

    @property
    def on_this_machine(self) -> bool:
        """Whether it is plain HTTP to this machine, which no proxy leads to."""
        try:
            return self.url.startswith("http:") and ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def parse(text: str) -> BaseUrl:
    """Return an address taken apart; ModelError, without the secrets in it, when it is none."""
    try:
        parts = urlsplit(text.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:  # a bad port or IPv6 address; the error's own text may hold part of a password
        raise _no_address(text) from None
    if parts.scheme not in DEFAULT_PORTS or not host:
        raise _no_address(text)
    user = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
    return BaseUrl(_bare(parts, host, port), host, dict(parse_qsl(parts.query)), user)


def _bare(parts: SplitResult, host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    if port is not None and port != DEFAULT_PORTS[parts.scheme]:
        name = f"{name}:{port}"
    return urlunsplit((parts.scheme, name, parts.path.rstrip("/"), "", ""))


def _no_address(text: str) -> ModelError:
    shown = text.rpartition("@")[2].partition("?")[0]
    return ModelError(
        f"model.base_url={shown!r} is no http(s) address; write it like http://127.0.0.1:8000/v1"
    )
