"""Takes keys out of what a server sends back: some quote them in an error, and all of it is kept or shown."""

from __future__ import annotations

HIDDEN = "[API key]"
SHORTEST = 12  # below it stand placeholders such as EMPTY and ollama, which are also words of answers


class Redaction:
    """Replaces each of its secrets, and nothing when it has none."""

    def __init__(self, *secrets: str) -> None:
        # Longest first: one may be part of another.
        self._secrets = sorted(filter(_is_secret, secrets), key=len, reverse=True)

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return text

    def body(self, body: bytes) -> bytes:
        """Return a response's body without the secrets."""
        for secret in self._secrets:
            body = body.replace(secret.encode(), HIDDEN.encode())
        return body


def _is_secret(text: str) -> bool:
    return len(text) >= SHORTEST or text.startswith("sk-")
