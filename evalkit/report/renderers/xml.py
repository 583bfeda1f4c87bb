"""Texts in XML: escaped, and without the characters that XML has no spelling for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from evalkit.report.markdown import harmless

# Two code points that are no characters; harmless() makes control characters and lone surrogates visible.
_FORBIDDEN = re.compile("[\ufffe\uffff]")
REPLACEMENT = "\ufffd"


def text(value: str) -> str:
    """Return the content of an element."""
    return escape(_spellable(value))


def attributes(values: Mapping[str, object]) -> str:
    """Return attributes with a space before each; a text in them is one line and never empty."""
    return "".join(
        f" {name}={quoteattr(_spellable(' '.join(str(value).split())) or '-')}"
        for name, value in values.items()
    )


def _spellable(value: str) -> str:
    return _FORBIDDEN.sub(REPLACEMENT, harmless(value))
