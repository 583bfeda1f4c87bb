"""JSON: the stored values, as the other commands' --json prints them."""

from __future__ import annotations

from evalkit.report.renderers.base import Publication
from evalkit.report.write import json_text


def render(publication: Publication) -> str:
    """Return indented JSON."""
    return json_text(publication.data)
