"""Whatever a model, a data file or a config wrote, report.md shows it and nothing else happens.

Rendered with markdown-it (CommonMark and GitHub's tables), as a reader of the file would.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from markdown_it import MarkdownIt
from reports import aggregate, report

from evalkit.report.base import Report
from evalkit.report.markdown import code, escape, fenced, harmless
from evalkit.report.publication import publication_of
from evalkit.report.renderers import markdown

HOSTILE = [
    "a | b",
    "a `code` ``two`` b",
    "```\n# escaped\n```",
    "~~~\n# escaped\n~~~",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</code></pre><b>bold</b>",
    "[link](javascript:alert(1))",
    "![image](http://127.0.0.1/track.png)",
    "<http://127.0.0.1/auto>",
    "[ref]: http://127.0.0.1/x",
    "line\n\n# heading\n\n- item",
    "line\r\n> quote",
    "---\n\n***",
    "**bold** __bold__ *it* _it_ ~~del~~",
    "&lt;b&gt; &amp; &#60;b&#62;",
    "\\`escaped\\`",
    "trailing backslash \\",
    "\u2028# line separator\u2029",
    "$x$ $$y$$",
    "`",
    "``",
    " `leading",
    "1. one\n2. two",
    "| --- | --- |",
    "<!-- comment",
    "<details>",
    "- item",
    "+ item",
    "-",
    "2) item",
    "_a_b_ a_b __init__.py",
    "===",
    "see https://127.0.0.1/x and www.example.org",
]
TAGS = {
    "h1", "h2", "p", "strong", "em", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code", "pre",
}  # fmt: skip


def render(one: Report) -> str:
    return markdown.render(publication_of(one))


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs if name != "class"]

    def handle_data(self, data: str) -> None:
        self.text += data


def page_of(markdown: str) -> _Page:
    page = _Page()
    page.feed(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))
    page.close()
    return page


def everywhere(text: str) -> Any:
    """A report with this text wherever somebody else's text can stand."""
    source = {
        "system": text,
        "messages": [{"role": "user", "content": text}],
        "template": text,
        "variables": {"a": text},
        "answer_schema": None,
    }
    return report(
        text,
        aggregate(text, signature=text),
        task={"name": text},
        dataset={"name": text, "fingerprint": text, "n": 1},
        prompt={"name": text, "sha256": text, "source": source},
        postprocess=[text, {"regex": {"pattern": text}}],
        model={
            "asked": text,
            "identity": text,
            "served": {text: 1, f"{text}2": 1},
            "params": {"stop": [text]},
        },
        counts={"requests": 2, "failed": 1, "cached": 0, "unparsed": 1, "cut_off": 1},
        failures={text: 1},
        cost={"usd": 1.0, "paid_usd": 1.0, "prices": {"recorded": text}},
        provenance={"git": {"sha": text, "dirty": True}, "versions": {"evalkit": text}},
    )


def squeezed(text: str) -> str:
    return "".join(text.replace("\u200b", "").split())


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    page = page_of(render(everywhere(text)))
    plain = page_of(render(everywhere("plain")))
    assert page.tags == plain.tags
    assert set(page.tags) <= TAGS
    assert not page.attributes
    assert squeezed(page.text).count(squeezed(harmless(text))) >= 10


@pytest.mark.parametrize("text", HOSTILE)
def test_cells_and_code_spans_hold_what_was_put_in(text: str) -> None:
    flat = " ".join(harmless(text).split())
    assert page_of(escape(text)).text.strip("\n").replace("\u200b", "") == flat
    assert page_of(f"x {code(text)} x").text.strip("\n") == f"x {flat} x"
    assert page_of(fenced(text)).text.strip("\n") == harmless(text).strip("\n")


@pytest.mark.parametrize(
    "text", ["@octocat", "hi @octocat, @team/x", "#12", "see #12 and GH-12", "a@b.example"]
)
def test_nobody_is_mentioned_and_nothing_referenced(text: str) -> None:
    shown = page_of(escape(text)).text
    assert not re.search(r"@\w|#\d", shown)
    assert shown.strip().replace("\u200b", "") == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\u001b[31mred\\u001b[0m"),
        ("a\u202eb\u2066c", "a\\u202eb\\u2066c"),
        ("a\u200bb\ufeff", "a\\u200bb\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\ud800 alone", "\\ud800 alone"),
        ("a\x00b\x7f\x9b", "a\\u0000b\\u007f\\u009b"),
        ("می\u200cخواهم 👩\u200d👩", "می\u200cخواهم 👩\u200d👩"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_what_steers_a_terminal_or_the_reading_direction_is_made_visible(text: str, shown: str) -> None:
    assert harmless(text) == shown
    render(everywhere(text)).encode("utf-8")


def test_report_keeps_metrics_of_single_classes() -> None:
    text = render(report("r", aggregate("f1_macro"), aggregate("f1[positive]")))
    assert "f1[positive]" in page_of(text).text


def test_failures_come_first() -> None:
    failed = report(
        "r",
        counts={"requests": 9, "failed": 2, "cached": 0, "unparsed": 0, "cut_off": 0},
        failures={"timeout": 2},
    )
    paragraphs = [line for line in render(failed).splitlines() if line]
    assert paragraphs[1].startswith("**2 of 9 requests failed (2 timeout)")


def test_table_has_no_ragged_row() -> None:
    lines = render(report("r", aggregate("a|b"), aggregate("c"))).splitlines()
    rows = [line for line in lines if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
