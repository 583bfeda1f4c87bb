"""Which servers' certificates are trusted: the official client's choice, read when the first one is seen."""

from __future__ import annotations

import ssl
from typing import Any, Self

import httpx2


class TrustedLater(ssl.SSLContext):
    """Stands for the client's own certificates without having read them: that takes 20 ms.

    It is for plain HTTP, where only a redirect or a proxy leads to a server that has one.
    """

    def __new__(cls) -> Self:
        """Return one that trusts nobody itself."""
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Begin a connection that trusts whom the client trusts."""
        return httpx2.create_ssl_context().wrap_bio(*args, **kwargs)
