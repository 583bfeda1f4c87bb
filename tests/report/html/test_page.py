"""What stands in the page, as text: what comes first, what it carries, and that it is the same every time."""

from __future__ import annotations

import re
import tracemalloc
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pages import against, carried, failure, line, page_of, stored, table
from reports import aggregate, report

from evalkit.errors import ReportError
from evalkit.prompts import Prompt
from evalkit.records import Sample, content_hash
from evalkit.report.html.base import Before
from evalkit.report.html.page import parts

GOLDEN = Path(__file__).parent / "golden.html"


class Words(HTMLParser):
    """The words that a reader sees, in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden += tag in {"script", "style", "title"}

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in {"script", "style", "title"}

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.found.append(" ".join(data.split()))


def words(page: str) -> str:
    return " | ".join(Words(page).found)


def sliced() -> Any:
    parts_of = {"value": 0.25, "low": 0.1, "high": 0.4, "interval": "bootstrap"}
    value = {"value": "en", "n": 3, "n_failed": 1, "n_unparsed": 0, "metrics": {"exact_match": parts_of}}
    nothing = {"value": "zh", "n": 0, "n_failed": 1, "n_unparsed": 0, "metrics": {}}
    return {"language": {"left_out": {"values": 0, "samples": 0}, "values": [value, nothing]}}


def labelled() -> Any:
    row = {"precision": 0.5, "recall": 1.0, "f1": 0.667, "support": 2, "other": 0, "unparsed": 1}
    labels = {"yes": {**row, "predicted": {"yes": 7, "no": 1}}, "no": {**row, "predicted": {"no": 3}}}
    return {"f1": {"labels": labels, "outside": None}}


def everything(folder: Path) -> Any:
    """A small run with something in every part of the page."""
    made = report(
        "20260102-030405-abcdef",
        aggregate("exact_match", 0.5, signature="norm:squad|case:lc"),
        slices=sliced(),
        classes=labelled(),
    )
    lines = [
        line("q1"),
        line("q2", "It is Rome.", right=False),
        line("q3", unparsed="no label found", prediction=None, right=False),
        line("q4", failure=failure()),
    ]
    return stored(folder, lines, made)


def test_failures_are_the_first_thing_said_after_the_title(tmp_path: Path) -> None:
    found = words(page_of(everything(tmp_path)))
    first = found.index("1 of 4 requests failed (1 timeout)")
    assert found.index("gpt-4o") < first < found.index("1 output could not be parsed") < found.index("50.0")


def test_verdict_and_table_come_before_the_samples_and_need_no_script(tmp_path: Path) -> None:
    made = stored(tmp_path, [line("q1")])
    found = words(page_of(made, against({})))
    order = ["REGRESSED", "fell by 10.0 points", "[25.0, 75.0]", "[-18.0, -2.0]", "Scores", "Samples"]
    assert [found.index(one) for one in order] == sorted(found.index(one) for one in order)


def test_page_carries_what_was_asked_and_answered(tmp_path: Path) -> None:
    source = report().prompt
    assert source is not None
    asked = {"text": "Lovely!"}
    messages = [dict(one) for one in Prompt("plain", **source["source"]).render(Sample("q1", asked))]
    made = stored(
        tmp_path,
        [
            line("q1", "It is Rome.", right=False, input=asked, prompt_sha256=content_hash(messages)),
            line("q2", input=asked, prompt_sha256="0" * 64),
        ],
    )
    one, edited = carried(page_of(made), "bodies")
    assert one["request"] == [["system", "Be kind."], ["user", "Lovely!"]]
    assert edited["request"] == []  # never show a request that is not the one that was sent
    assert one["input"] == [["text", "Lovely!"]]
    assert one["output"] == "It is Rome."
    assert ["tokens", "9 prompt, 2 completion"] in one["facts"]
    assert ["request key", "k" * 64] in one["facts"]


def test_index_says_what_became_of_each_sample(tmp_path: Path) -> None:
    index = carried(page_of(everything(tmp_path)), "index")
    assert [(row[0], row[2], row[4]) for row in index] == [
        ("q1", "right", [100.0]),
        ("q2", "wrong", [0.0]),
        ("q3", "unparsed", [0.0]),
        ("q4", "failed", None),
    ]


def test_changes_since_the_baseline_are_told_apart(tmp_path: Path) -> None:
    made = stored(
        tmp_path,
        [
            line("same"),
            line("changed", "Paris!"),
            line("broken", "Rome", right=False),
            line("fixed"),
            line("new"),
            line("failed", failure=failure()),
            line("textless"),
        ],
    )
    before = {
        "same": Before("Paris", statistics={"exact_match": [1, 1]}),
        "changed": Before("Paris", statistics={"exact_match": [1, 1]}),
        "broken": Before("Paris", statistics={"exact_match": [1, 1]}),
        "fixed": Before("Rome", statistics={"exact_match": [0, 1]}),
        "failed": Before(None, failure=failure()),
        "textless": Before(None, statistics={"exact_match": [1, 1]}),
    }
    beside = against(before, broken=frozenset({"broken"}), fixed=frozenset({"fixed"}))
    index = carried(page_of(made, beside), "index")
    assert [row[3] for row in index] == ["same", "changed", "broken", "fixed", "new", "same", ""]
    assert [row[5] for row in index] == [[100.0], [100.0], [100.0], [0.0], None, None, [100.0]]


def test_numbers_that_scripts_round_are_carried_as_text(tmp_path: Path) -> None:
    made = stored(tmp_path, [line("q1", input={"n": 2**63 + 1, "x": 1.0})])
    assert carried(page_of(made), "bodies")[0]["input"] == [["n", "9223372036854775809"], ["x", "1.0"]]


def test_steering_characters_are_visible_escapes_everywhere(tmp_path: Path) -> None:
    text = "\x1b[31m \u202e \ud800"
    made = stored(tmp_path, [line(text, text, input={text: text}, target=text)])
    page = page_of(made, against({}, remarks=[text], label=text))
    page.encode("utf-8")
    assert not set("\x1b\u202e\ud800") & set(page)
    assert "\\u001b[31m \\u202e \\ud800" in page
    carrying = repr(carried(page, "index") + carried(page, "bodies"))
    assert "\\\\u001b[31m \\\\u202e \\\\ud800" in carrying
    assert "\\x1b" not in carrying


def test_policy_names_the_one_script_and_the_one_style_by_their_hashes(tmp_path: Path) -> None:
    page = page_of(stored(tmp_path, [line("q1")]))
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    scripts, styles = (
        re.findall(r"<script>(.*?)</script>", page, re.DOTALL),
        re.findall(r"<style>(.*?)</style>", page, re.DOTALL),
    )
    for found, directive in ((scripts, "script-src"), (styles, "style-src")):
        assert len(found) == 1
        assert (
            f"{directive} &#39;sha256-{b64encode(sha256(found[0].encode()).digest()).decode()}&#39;;"
            in policy
        )
    assert policy.startswith("default-src &#39;none&#39;;")
    assert "unsafe" not in policy


def test_page_names_no_address(tmp_path: Path) -> None:
    page = page_of(everything(tmp_path), against({}))
    assert not re.search(
        r"(?:src|href)=\"(?!#)|url\(|@import|https?://", re.sub(r"http://127\.0\.0\.1/v1", "", page)
    )


def test_same_report_gives_the_same_bytes(tmp_path: Path) -> None:
    made = everything(tmp_path)
    assert page_of(made, against({})) == page_of(made, against({}))


def test_samples_are_read_while_the_page_is_written(tmp_path: Path) -> None:
    def peak(folder: Path, n: int) -> int:
        made = stored(folder, (line(f"q{number}", "word " * 200) for number in range(n)))
        tracemalloc.start()
        for _ in parts(made):
            pass
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(tmp_path / "warm", 10)  # templates are compiled once
    assert peak(tmp_path / "many", 2400) < 1.5 * peak(tmp_path / "few", 600)


def test_lost_samples_are_an_error_and_leave_no_page(tmp_path: Path) -> None:
    made = stored(tmp_path, [line("q1")])
    assert made.folder is not None
    (made.folder / "samples.jsonl").unlink()
    with pytest.raises(ReportError, match="lost its samples"):
        page_of(made)


def test_page_of_a_small_run_is_as_it_was(tmp_path: Path) -> None:
    """Style and script are left out, compressed blocks are unpacked: libraries may compress otherwise."""
    before = {"q2": Before("It is Paris.", statistics={"exact_match": [1, 1]})}
    slices = table(("language=en", "-10.0"))
    page = page_of(everything(tmp_path), against(before, broken=frozenset({"q2"}), slices=slices))
    new = "\n".join(_lasting(page))
    (tmp_path / "golden.html").write_text(new, "utf-8")
    assert new == GOLDEN.read_text("utf-8"), f"look at {tmp_path / 'golden.html'}; if it is right, copy it"


def _lasting(page: str) -> Iterator[str]:
    bare = re.sub(r"(<style>|<script>).*?(</style>|</script>)", r"\1\2", page, flags=re.DOTALL)
    yield re.sub(r"sha256-[^&]*", "sha256-", re.sub(r'(class="(?:index|bodies)">)[^<]*', r"\1", bare))
    for part in ("index", "bodies"):
        yield from map(repr, carried(page, part))
