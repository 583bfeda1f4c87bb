"""Every format's bytes for one made-up publication; GOLDEN=write pytest … writes them anew, to look at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from report.renderers.published import publication

from evalkit.report.renderers.formats import FORMATS
from evalkit.report.renderers.names import OF_COMPARISON, OF_GATE, OF_RUN, OF_TABLE

GOLDEN = Path(__file__).parent / "golden"
ENDINGS = {
    "markdown": "md",
    "comment": "comment.md",
    "github": "txt",
    "junit": "xml",
    "latex": "tex",
    "csv": "csv",
    "tsv": "tsv",
    "json": "json",
    "badge": "badge.svg",
    "svg": "scores.svg",
    "svg-cost": "cost.svg",
    "html": "html",
}


@pytest.mark.parametrize("name", FORMATS)
def test_format_is_as_it_was_looked_at(name: str) -> None:
    path = GOLDEN / f"publication.{ENDINGS[name]}"
    made = FORMATS[name].render(publication()).encode("utf-8")
    if os.environ.get("GOLDEN") == "write":
        path.write_bytes(made)
    assert path.read_bytes() == made


@pytest.mark.parametrize("name", FORMATS)
def test_same_publication_gives_the_same_bytes(name: str) -> None:
    assert FORMATS[name].render(publication()) == FORMATS[name].render(publication())


def test_commands_offer_formats_that_exist_and_all_are_offered() -> None:
    assert {*OF_RUN, *OF_TABLE, *OF_COMPARISON, *OF_GATE} == set(FORMATS)
