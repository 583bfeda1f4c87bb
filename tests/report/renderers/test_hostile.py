"""Whatever a model, a data file or a config wrote, each format shows it and nothing else happens."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser

import pytest
from lxml import etree
from markdown_it import MarkdownIt
from report.renderers.published import hostile

from evalkit.report.markdown import harmless
from evalkit.report.renderers.formats import FORMATS

HOSTILE = [
    "<script>alert(1)</script>",
    "</script><svg onload=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "]]><failure/>",
    "<!-- --> <!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]> &e;",
    '" onmouseover="alert(1)',
    "' autofocus='",
    "&amp; &lt; &#0;",
    "\x00\x08\x0b\x1f\x7f\x9b",
    "\ud800 alone \udfff",
    "\ufffe\uffff",
    "\x1b[31mred\x1b[0m \u202eevil\u2066",
    "a\r\n::error::forged\n::add-mask::x",
    "::stop-commands::token",
    "##[error]forged",
    "100% %0A::error::x %25",
    "a,b:c;d",
    'say "no", twice',
    "=1+1",
    '=HYPERLINK("http://127.0.0.1","x")',
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1+1",
    "tab\tand\nline",
    "\\input{/etc/passwd}",
    "\\write18{id} \\\\ & # % $ _ ^ ~ { }",
    "\\end{tabular}",
    "[x] *y* -- '' `` \"q\"",
    "| a | b |\n| --- | --- |",
    "```\n# heading",
    "<https://127.0.0.1/x> javascript:alert(1)",
    "  ",
    "",
    "数据 می\u200cخواهم 👩\u200d👩",
    "x" * 5000,
]
TAGS = {"table", "caption", "thead", "tbody", "tr", "th", "td", "strong", "small", "p"}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_spells_it_in_utf8_without_control_characters(name: str, text: str) -> None:
    made = FORMATS[name].render(hostile(text))
    made.encode("utf-8")
    if name != "json":  # JSON escapes them
        assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", made)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
@pytest.mark.parametrize("name", ["junit", "badge", "svg", "svg-cost"])
def test_xml_is_well_formed_and_has_the_elements_of_a_plain_text(name: str, text: str) -> None:
    found = etree.fromstring(FORMATS[name].render(hostile(text)).encode("utf-8"))
    plain = etree.fromstring(FORMATS[name].render(hostile("plain")).encode("utf-8"))
    assert {one.tag for one in found.iter()} == {one.tag for one in plain.iter()}
    names = {key for one in found.iter() for key in one.attrib}
    assert names == {key for one in plain.iter() for key in one.attrib}
    assert not [one for one in names if one.startswith("on") or "href" in one]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_html_has_no_element_and_no_attribute_of_the_texts(text: str) -> None:
    page = _Tags()
    page.feed(FORMATS["html"].render(hostile(text)))
    assert page.tags <= TAGS
    assert page.attributes <= {"class", "scope"}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
@pytest.mark.parametrize("name", ["markdown", "comment"])
def test_markdown_of_a_gate_has_no_element_link_or_image_of_the_texts(name: str, text: str) -> None:
    rendered = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    page = _Tags()
    page.feed(rendered.render(FORMATS[name].render(hostile(text))))
    blank = {"hr"} if not text.strip() else set()  # an empty text in bold is a line, and no harm
    assert page.tags <= TAGS | {"h1", "h2", "h3", "em", "ul", "li", "pre", "code"} | blank
    assert not page.attributes


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_each_line_for_github_is_one_command_of_ours(text: str) -> None:
    lines = FORMATS["github"].render(hostile(text)).split("\n")
    assert lines.pop() == ""
    told = [re.match(r"::(error|warning|notice) ?([^:]*)::", line) for line in lines]
    assert all(told)
    assert [one[1] for one in told if one] == ["error", "notice"][: 1 + bool(text)]
    for one in told:
        assert one is not None
        names = [part.partition("=")[0] for part in one[2].split(",")]
        assert names in (["file", "line", "title"], ["title"])


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
@pytest.mark.parametrize("name", ["csv", "tsv"])
def test_spreadsheets_get_as_many_fields_as_columns_and_no_formula(name: str, text: str) -> None:
    made = FORMATS[name].render(hostile(text))
    assert "\r" not in made.replace("\r\n", "")
    if name == "csv":
        rows = list(csv.reader(io.StringIO(made, newline=""), strict=True))
    else:
        rows = [line.split("\t") for line in made.removesuffix("\n").split("\n")]
    assert len(rows) == 3
    assert len({len(row) for row in rows}) == 1
    for field in (field for row in rows for field in row):
        assert not re.match(r"[=@\t\r]|[+-](?!\d*\.?\d*$)", field)


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_latex_has_no_command_but_ours_and_all_braces_close(text: str) -> None:
    made = FORMATS["latex"].render(hostile(text))
    ours = set(re.findall(r"\\([a-zA-Z]+)", FORMATS["latex"].render(hostile("plain"))))
    letters = {"textbackslash", "textasciicircum", "textasciitilde", "textless", "textgreater", "textbar"}
    letters |= {"textasciigrave", "char"}
    assert set(re.findall(r"\\([a-zA-Z]+)", made)) <= ours | letters
    assert made.count("\\begin{tabular}") == made.count("\\end{tabular}") == 1
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", re.sub(r"\\\\", "", made)):
        depth += 1 if brace == "{" else -1
        assert depth >= 0
    assert depth == 0
    rows = [line for line in made.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 3
    assert {len(re.findall(r"(?<!\\)&", row)) for row in rows} == {4}


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:20]))
def test_json_reads_back_as_it_was(text: str) -> None:
    assert json.loads(FORMATS["json"].render(hostile(text))) == {text: text}


def test_bidirectional_controls_are_made_visible() -> None:
    assert harmless("\u202e") in FORMATS["html"].render(hostile("\u202e"))
