"""The page in Chromium, opened from its file: what a reader can do with it, and what nobody can make it do.

Every test ends with a check (in `watched`) that nothing was asked for but the page, and nothing went to the
console.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from contrast import contrast
from pages import against, failure, line, stored, table, write_page
from playwright.sync_api import Page, expect
from reports import aggregate, report

from evalkit.prompts import Prompt
from evalkit.records import Sample, content_hash
from evalkit.report.html.base import Before, Difference
from evalkit.report.markdown import harmless

if TYPE_CHECKING:
    from browsing import Watched

HOSTILE = [
    "<script>pwned()</script>",
    "</script><script>pwned()</script>",
    "</SCRIPT ><SCRIPT>pwned()</SCRIPT>",
    "<!--<script>pwned()//-->",
    "<!-- <script> -->",
    "--><script>pwned()</script>",
    "]]><script>pwned()</script>",
    "</style><script>pwned()</script>",
    "</title><script>pwned()</script>",
    "</textarea><script>pwned()</script>",
    "</pre></div></body></html><script>pwned()</script>",
    "<img src=x onerror=pwned()>",
    "<img src=http://127.0.0.1:9/pixel.png>",
    "<svg onload=pwned()>",
    "<svg><script>pwned()</script></svg>",
    "<svg><a xlink:href=javascript:pwned()><text y=9>x</text></a></svg>",
    "<math><mtext><script>pwned()</script></mtext></math>",
    "<body onload=pwned()>",
    "<iframe src=javascript:pwned()></iframe>",
    "<iframe srcdoc='<script>parent.pwned()</script>'></iframe>",
    "<object data=data:text/html,<script>pwned()</script>></object>",
    "<embed src=data:text/html,x>",
    "<link rel=stylesheet href=http://127.0.0.1:9/x.css>",
    "<meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
    "<base href=http://127.0.0.1:9/>",
    "<form action=http://127.0.0.1:9/><button autofocus onfocus=pwned()>x</button></form>",
    "<details open ontoggle=pwned()>x</details>",
    "<style>@import 'http://127.0.0.1:9/x.css';</style>",
    "<p style=background:url(http://127.0.0.1:9/x)>x</p>",
    "<video><source onerror=pwned()></video>",
    "<template><script>pwned()</script></template>",
    '"><script>pwned()</script>',
    "'><img src=x onerror=pwned()>",
    '" onmouseover="pwned()" autofocus onfocus="pwned()" x="',
    "javascript:pwned()",
    "[x](javascript:pwned())",
    "{{ ''.__class__ }}{% for x in y %}${pwned()}",
    "&lt;script&gt;pwned()&lt;/script&gt; &#60;script&#62;",
    "\x1b]8;;javascript:pwned()\x07x\x1b]8;;\x07\x1b[2J\x9b31m\x00",
    "a\u202egpj.exe\u2066b\u2069\u200f\u200b\ufeff\u2028\ud800\U000e0041",
    "\\u003cscript\\u003epwned()\\u003c/script\\u003e",
    "__proto__",
]


FOREIGN = (
    "img, iframe, object, embed, link, base, video, math, textarea, template, form form, [onload], [onerror]"
)
"""Elements that the page has not."""


def everywhere(folder: Path, text: str) -> Path:
    """A page with this text wherever somebody else's text can stand."""
    source: dict[str, Any] = {
        "system": text.replace("{", "("),  # a template would be run, not shown
        "messages": [],
        "template": "{{ " + "text" + " }}",
        "variables": {"a": text},
        "answer_schema": None,
    }
    asked = {"text": text, text: text} if text.isidentifier() else {"text": text}
    request: list[Any] = []
    if "\ud800" not in text:
        request = [dict(one) for one in Prompt("x", **source).render(Sample(text, asked))]
    share = {"value": 0.5, "low": 0.1, "high": 0.9, "interval": "bootstrap"}
    part = {"value": text, "n": 3, "n_failed": 0, "n_unparsed": 0, "metrics": {text: share}}
    row = {"precision": 0.5, "recall": 0.5, "f1": 0.5, "support": 2, "other": 0, "unparsed": 0}
    made = report(
        "20260102-030405-abcdef",
        aggregate(text, signature=text),
        task={"name": "sentiment"},
        dataset={"name": text, "fingerprint": text, "n": 1},
        prompt={"name": text, "sha256": text, "source": source},
        postprocess=[text, {"regex": {"pattern": text}}],
        model={
            "asked": text,
            "identity": text,
            "served": {text: 1, f"{text}2": 1},
            "params": {"stop": [text]},
        },
        slices={text: {"left_out": {"values": 0, "samples": 0}, "values": [part]}},
        classes={text: {"labels": {text: {**row, "predicted": {text: 1}}}, "outside": None}},
        provenance={"git": {"sha": text, "dirty": True}, "versions": {"evalkit": text}},
        config={text: text},
        suite=text,
    )
    lines = [
        line(
            text, f"{text} new", right=False, input=asked, target=text, metadata={text: text}, group=text,
            refusal=text, tool_calls=[text], finish_reason=text, prompt_sha256=content_hash(request),
            request_key=text,
        ),
        line(f"{text}2", failure=failure(text, text), input={text: [text]}),
        line(f"{text}3", text, unparsed=text, prediction=None, right=False),
    ]  # fmt: skip
    beside = against(
        {
            text: Before(f"{text} old", text, statistics={"exact_match": [1, 1]}),
            f"{text}2": Before(None, failure=failure(text, text)),
        },
        label=text,
        verdict=text,
        sentence=text,
        note=text,
        remarks=[text],
        prompt=[text, text, f"+{text}"],
        slices=table((text, text)),
        broken=frozenset({text}),
    )
    return write_page(folder, stored(folder, lines, made), beside)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_shown_and_does_nothing(text: str, tmp_path: Path, watched: Watched) -> None:
    tab = watched.open(everywhere(tmp_path, text))
    tab.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    tab.locator("#list").focus()
    seen = []
    for row in range(3):
        tab.keyboard.press("j" if row else "Home")
        tab.wait_for_function("(n) => location.hash === '#sample-' + n", arg=row + 1)
        tab.evaluate("document.querySelectorAll('#detail details').forEach((one) => { one.open = true; })")
        seen.append(tab.locator("#detail").text_content() or "")
    # The page's own two data kinds and one script; no element that texts could have made.
    scripts = tab.evaluate("[...document.scripts].map((one) => one.type)")
    assert scripts == ["application/json", "text/plain", "text/plain", ""]
    assert tab.locator(FOREIGN).count() == 0
    assert tab.locator("a").count() == 1  # the one that skips to the samples
    assert tab.evaluate("document.title") == f"sentiment: {harmless(text)}"
    for found in (*seen, tab.locator("main").text_content() or ""):
        assert squeezed(harmless(text)) in squeezed(found)


def squeezed(text: str) -> str:
    return "".join(text.split())


@pytest.fixture
def tab(tmp_path: Path, watched: Watched) -> Page:
    """A page of eight samples, some of them wrong, unparsed or failed."""
    lines = [
        line("q1"),
        line("q2", "It is Rome.", right=False),
        line("q3", "I cannot say", unparsed="no label", prediction=None, right=False),
        line("q4", failure=failure()),
        line("q5", input={"question": "Which river flows through Paris?"}, latency=9.5),
        *(line(f"q{n}") for n in (6, 7, 8)),
    ]
    return watched.open(write_page(tmp_path, stored(tmp_path, lines)))


def ids(tab: Page) -> list[str]:
    return tab.locator(".row .id").all_text_contents()


def test_filters_show_one_kind_of_sample(tab: Page) -> None:
    expect(tab.locator(".row")).to_have_count(8)
    tab.get_by_role("button", name="Wrong 1").click()
    expect(tab.locator(".row")).to_have_count(1)
    assert ids(tab) == ["q2"]
    tab.get_by_role("button", name="Failed 1").click()
    expect(tab.locator(".row .id")).to_have_text(["q4"])
    expect(tab.locator("#count")).to_have_text("1 of 8 samples")
    tab.get_by_role("button", name="All 8").click()
    expect(tab.locator(".row")).to_have_count(8)


def test_search_reads_inputs_and_answers_that_the_list_does_not_show(tab: Page) -> None:
    tab.get_by_role("searchbox").fill("which RIVER")
    expect(tab.locator(".row .id")).to_have_text(["q5"])
    tab.get_by_role("searchbox").fill("rome")
    expect(tab.locator(".row .id")).to_have_text(["q2"])
    tab.get_by_role("searchbox").fill("nowhere to be found")
    expect(tab.locator("#list")).to_contain_text("No sample matches")
    tab.get_by_role("searchbox").fill("")
    expect(tab.locator(".row")).to_have_count(8)


def test_order_puts_the_lowest_score_or_the_slowest_first_and_failures_last(tab: Page) -> None:
    tab.get_by_label("Sort").select_option("exact_match, lowest first")
    expect(tab.locator(".row .id").first).to_have_text("q2")
    assert ids(tab)[-1] == "q4"
    tab.get_by_label("Sort").select_option("slowest first")
    expect(tab.locator(".row .id").first).to_have_text("q5")


def test_page_is_used_by_keyboard_alone(tab: Page) -> None:
    tab.keyboard.press("/")
    expect(tab.get_by_role("searchbox")).to_be_focused()
    tab.keyboard.press("Escape")
    expect(tab.get_by_role("listbox")).to_be_focused()
    tab.keyboard.press("ArrowDown")
    expect(tab.locator("#detail .title")).to_have_text("q2")
    tab.keyboard.press("j")
    expect(tab.locator("#detail")).to_contain_text("no label")
    tab.keyboard.press("End")
    expect(tab.locator("#detail .title")).to_have_text("q8")
    expect(tab.locator("#list").get_by_role("option", selected=True)).to_contain_text("q8")
    active = tab.get_by_role("listbox").get_attribute("aria-activedescendant")
    assert tab.locator(f"#{active}").get_attribute("aria-posinset") == "8"


def test_address_of_a_sample_opens_it(tmp_path: Path, watched: Watched) -> None:
    path = write_page(tmp_path, stored(tmp_path, [line(f"q{n}") for n in range(9)]))
    expect(watched.open(path, "#sample-7").locator("#detail .title")).to_have_text("q6")


def test_trials_stand_apart(tmp_path: Path, watched: Watched) -> None:
    lines = [line("q1", trial=trial) for trial in (0, 1)]
    tab = watched.open(write_page(tmp_path, stored(tmp_path, lines)))
    expect(tab.locator(".row .id")).to_have_text(["q1 · trial 0", "q1 · trial 1"])


def talk(folder: Path, turns: list[str], replies: list[str], beside: Any = None) -> Path:
    """A page of one conversation."""
    made = report(
        "20260102-030405-abcdef",
        aggregate("exact_match", 0.5, signature="norm:squad|case:lc"),
        config={"prompt": {"turns": "turns"}},
    )
    *earlier, last = replies
    asked = line("q1", last, input={"turns": turns}, turns=[{"output": one} for one in earlier])
    return write_page(folder, stored(folder, [asked], made), beside)


def test_a_conversation_is_shown_turn_by_turn(tmp_path: Path, watched: Watched) -> None:
    tab = watched.open(talk(tmp_path, ["Who?", "Sure?"], ["Ada", "Yes, Ada"]), "#sample-1")
    headings = ["user, turn 1", "reply, turn 1", "user, turn 2", "reply, turn 2"]
    assert [one for one in tab.locator("#detail h3").all_inner_texts() if "turn " in one] == headings
    assert "turns" not in tab.locator("#detail h3").all_inner_texts()
    texts = tab.locator("#detail .text").all_inner_texts()
    assert [one for one in texts if one in {"Who?", "Ada", "Sure?", "Yes, Ada"}] == [
        *("Who?", "Ada", "Sure?", "Yes, Ada")
    ]
    assert "output" not in tab.locator("#detail h3").all_inner_texts()


def test_every_reply_that_changed_is_marked(tmp_path: Path, watched: Watched) -> None:
    old = "turn 1: Ada\nturn 2: No"
    beside = against({"q1": Before(old, "No", statistics={"exact_match": [0, 1]})})
    tab = watched.open(talk(tmp_path, ["Who?", "Sure?"], ["Bo", "No"], beside), "#sample-1")
    assert tab.locator("#detail del").all_inner_texts() == ["Ada"]
    assert tab.locator("#detail ins").all_inner_texts() == ["Bo"]


def test_hostile_turns_are_shown_and_do_nothing(tmp_path: Path, watched: Watched) -> None:
    tab = watched.open(talk(tmp_path, HOSTILE, HOSTILE), "#sample-1")
    assert tab.locator("#detail h3", has_text="reply, turn").count() == len(HOSTILE)
    assert tab.locator(FOREIGN).count() == 0


DIFFERENCES = [
    ("The cat sat.", "The dog sat.", ["cat"], ["dog"]),
    ("one two three", "one three", ["two "], []),
    ("", "all new", [], ["all new"]),
    ("a b c d", "x b y d", ["a", "c"], ["x", "y"]),
    ("It costs 0.25 now", "It costs 0.3 now", ["0.25"], ["0.3"]),
    ("我喜欢这部电影", "我讨厌这部电影", ["喜欢"], ["讨厌"]),
    ("red old fox", "blue new fox", ["red old"], ["blue new"]),
]


@pytest.mark.parametrize(("old", "new", "removed", "added"), DIFFERENCES)
def test_changed_words_are_marked(
    old: str, new: str, removed: list[str], added: list[str], tmp_path: Path, watched: Watched
) -> None:
    beside = against({"q1": Before(old, statistics={"exact_match": [1, 1]})}, broken=frozenset({"q1"}))
    tab = watched.open(write_page(tmp_path, stored(tmp_path, [line("q1", new, right=False)]), beside))
    expect(tab.locator("#detail .title")).to_have_text("q1")
    assert tab.locator("#detail del").all_text_contents() == removed
    assert tab.locator("#detail ins").all_text_contents() == added
    expect(tab.locator("#detail table")).to_contain_text("-100.0")


def test_long_texts_with_nothing_in_common_are_shown_whole(tmp_path: Path, watched: Watched) -> None:
    old, new = (" ".join(f"{word}{n}" for n in range(4000)) for word in ("old", "new"))
    beside = against({"q1": Before(old)})
    tab = watched.open(write_page(tmp_path, stored(tmp_path, [line("q1", new)]), beside))
    expect(tab.locator("#detail .title")).to_have_text("q1")
    assert squeezed("".join(tab.locator("#detail del").all_text_contents())) == squeezed(old)
    assert squeezed("".join(tab.locator("#detail ins").all_text_contents())) == squeezed(new)


def test_request_and_response_open_on_demand(tmp_path: Path, watched: Watched) -> None:
    source = report().prompt
    assert source is not None
    asked = {"text": "Lovely!"}
    messages = [dict(one) for one in Prompt("plain", **source["source"]).render(Sample("q1", asked))]
    made = stored(tmp_path, [line("q1", input=asked, prompt_sha256=content_hash(messages))])
    tab = watched.open(write_page(tmp_path, made))
    expect(tab.get_by_text("Be kind.").last).to_be_hidden()
    tab.get_by_text("Request (2 messages)").click()
    expect(tab.locator("#detail").get_by_text("Be kind.")).to_be_visible()
    tab.get_by_text("Response details").click()
    expect(tab.locator("#detail")).to_contain_text("9 prompt, 2 completion")


def test_of_many_samples_only_those_in_sight_are_drawn(tmp_path: Path, watched: Watched) -> None:
    lines = (line(f"q{n}", f"answer {n}", right=n % 7 > 0) for n in range(3000))
    tab = watched.open(write_page(tmp_path, stored(tmp_path, lines)))
    expect(tab.locator("#count")).to_have_text("3,000 samples")
    assert tab.locator(".row").count() < 60
    tab.get_by_role("listbox").focus()
    tab.keyboard.press("End")
    expect(tab.locator("#detail .title")).to_have_text("q2999")
    assert tab.locator(".row").count() < 60
    tab.get_by_role("searchbox").fill("answer 2345")
    expect(tab.locator(".row .id")).to_have_text(["q2345"])


def test_phone_shows_one_sample_at_a_time_and_nothing_is_wider_than_the_screen(
    tmp_path: Path, watched: Watched
) -> None:
    watched.tab.set_viewport_size({"width": 390, "height": 844})
    made = stored(tmp_path, [line("q1", "word" * 200), line("q2")])
    tab = watched.open(write_page(tmp_path, made, against({})))
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    expect(tab.locator("#detail")).to_be_hidden()
    tab.locator(".row").first.click()
    expect(tab.locator("#detail")).to_be_visible()
    assert tab.evaluate("document.getElementById('detail').scrollWidth") <= 390
    tab.get_by_role("button", name="Samples").click()
    expect(tab.locator("#detail")).to_be_hidden()


PAPER = 688
"""Pixels of A4 between margins of 14 mm, at 96 an inch."""


@pytest.mark.parametrize(("width", "media"), [(1280, "screen"), (1024, "screen"), (PAPER, "print")])
def test_comparison_fits_its_place_with_names_of_metrics_whole(
    width: int, media: Any, tmp_path: Path, watched: Watched
) -> None:
    """Long names go on in the next line; whoever copies one copies the name."""
    watched.tab.emulate_media(media=media)
    names = ["numeric_match", "time_to_first_token_p50", "harmful_request_refusal_rate"]
    cells = {"baseline": "57.4", "candidate": "35.8", "difference": "-21.6", "interval": "[-26.4, -16.9]"}
    cells |= {"p": "< 0.001", "adjusted p": "< 0.001", "n": "12345"}
    rows = [Difference(name, cells, "INCONCLUSIVE", True, True, -21.6, -26.4, -16.9, 1.0) for name in names]  # noqa: FBT003
    watched.tab.set_viewport_size({"width": width, "height": 900})
    made = stored(tmp_path, [line("q1")])
    tab = watched.open(write_page(tmp_path, made, against({}, differences=rows)))
    scroller = tab.get_by_role("region", name="Against the baseline").locator("xpath=self::div")
    assert scroller.evaluate("(one) => one.scrollWidth - one.clientWidth") == 0
    assert scroller.locator("tbody th").all_text_contents() == names


def test_paper_gets_the_samples_as_a_table_instead_of_the_list(tmp_path: Path, watched: Watched) -> None:
    lines = [line(f"q{n}") for n in range(120)]
    tab = watched.open(write_page(tmp_path, stored(tmp_path, lines)))
    tab.emulate_media(media="print")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    expect(tab.locator("#browser")).to_be_hidden()
    expect(tab.locator("#printout tr")).to_have_count(100)
    expect(tab.locator("#printout")).to_contain_text("The first 100 of 120 samples")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(scheme: Any, tmp_path: Path, watched: Watched) -> None:
    """WCAG 2.2, 1.4.3: at least 4.5 to 1, for each colour of text on each ground that it is used on."""
    watched.tab.emulate_media(color_scheme=scheme)
    tab = watched.open(write_page(tmp_path, stored(tmp_path, [line("q1")])))
    colours = tab.evaluate(
        """() => Object.fromEntries(['page', 'surface', 'raised', 'ink', 'quiet', 'accent', 'accent-soft',
          'good', 'good-soft', 'bad', 'bad-soft', 'warn', 'warn-soft'].map((name) => [
            name, getComputedStyle(document.documentElement).getPropertyValue('--' + name)]))"""
    )
    pairs = [
        (text, ground) for text in ("ink", "quiet", "accent") for ground in ("page", "surface", "raised")
    ]
    pairs += [(text, f"{tone}-soft") for tone in ("good", "bad", "warn") for text in (tone, "ink", "quiet")]
    pairs += [(tone, "page") for tone in ("good", "bad", "warn")]
    pairs += [("quiet", "accent-soft"), ("ink", "accent-soft"), ("page", "ink")]
    found = {pair: contrast(*(colours[name] for name in pair)) for pair in pairs}
    assert {pair: ratio for pair, ratio in found.items() if ratio < 4.5} == {}
