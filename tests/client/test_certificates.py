"""Certificates that are read when a connection needs them."""

from __future__ import annotations

import ssl

import httpx2

from evalkit.client.certificates import TrustedLater


def test_a_connection_trusts_whom_the_client_trusts() -> None:
    usual, later = httpx2.create_ssl_context(), TrustedLater()
    used = later.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="api.openai.com").context
    assert later.cert_store_stats()["x509"] == 0
    assert used.cert_store_stats() == usual.cert_store_stats()
    assert (used.verify_mode, used.check_hostname) == (ssl.CERT_REQUIRED, True)
