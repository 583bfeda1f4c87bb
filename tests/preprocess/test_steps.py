"""Each step against what computes the same elsewhere, and what it promises of any text."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import toktok
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.preprocess.base import Pipeline
from evalkit.preprocess.budget import GAP
from evalkit.preprocess.steps import STEPS, build
from evalkit.preprocess.stopwords import LISTS

# The machine may be busy, and drawing the first text builds tables.
UNHURRIED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
PROSE = (
    "The council met on Monday. It voted 7 to 2 for the new bridge! Mr. Lee, who paid for the study, was not "
    "there.\n\nWork begins in March. “We are glad,” said the mayor. Will it cost more? Nobody knows.\n\n"
    "议会星期一开会。会上以七比二通过了新桥方案！市长说：“我们很高兴。”工程三月开始。会不会更贵？没有人知道。"
)


def step(*steps: Any) -> Pipeline:
    return build(list(steps), "preprocess")


def tokens(text: str, encoding: str = "o200k_base") -> int:
    return int(toktok.batch_count([text], encoding)[0])


def texts() -> st.SearchStrategy[str]:
    words = st.sampled_from(
        [
            "The",
            "cat",
            "sat.",
            "Mr.",
            "Lee!",
            "天气",
            "很好。",
            "ﬁne",
            "é",
            "é",
            "ＡＢ",
            "\n",
            "\n\n",
            "\t",
            "3.5",
            "👍🏽",
            "U.S.",
            "not",
            "“quoted?”",
        ]
    )
    return st.one_of(st.lists(words, max_size=30).map(" ".join), st.text(max_size=60))


@UNHURRIED
@given(texts())
def test_unicode_is_pythons_normal_form(text: str) -> None:
    for form in ("NFC", "NFKC", "NFD", "NFKD"):
        assert step({"unicode": {"form": form}})(text) == unicodedata.normalize(form, text)


@pytest.mark.parametrize(
    "one",
    [
        *("strip", "whitespace", "unicode", "lower"),
        *({"whitespace": {"lines": True}}, {"unicode": {"form": "NFKC"}}, {"lower": {"fold": True}}),
        *({"truncate": {"tokens": 9, "keep": keep, "borders": borders}}
          for keep in ("head", "tail", "both") for borders in ("token", "sentence")),
    ],
    ids=str,
)  # fmt: skip
def test_a_second_time_changes_nothing(one: Any) -> None:
    made = step(one)

    @UNHURRIED
    @given(texts())
    def check(text: str) -> None:
        once = made(text)
        assert isinstance(once, str)
        assert made(once) == once

    check()


@UNHURRIED
@given(texts())
def test_stop_words_are_gone_after_the_first_time(text: str) -> None:
    made = step("words", "stop_words")
    once = made(text)
    assert made(" ".join(once)) == once
    assert not {word.casefold() for word in once} & LISTS["english"]


def test_white_space() -> None:
    assert step("whitespace")(" a \r\n\tb\u3000c ") == "a b c"
    assert step({"whitespace": {"lines": True}})(" a \t b\r\n\r\n \n\n c ") == "a b\n\nc"


def test_lower_and_folded() -> None:
    assert step("lower")("Straße İ") == "straße i̇"
    assert step({"lower": {"fold": True}})("Straße") == "strasse"


SENTENCES = [
    "Mr. Smith met Dr. J. K. Brown on Jan. 5 in Washington.",
    'He said "Hi there!"',
    "The U.S. Army paid 3.5 million.",
    "In the U.S.",
    "He lost (see p. 7, fig. 2, etc.).",
    "What?!",
    "Nothing…",
    "1. First point.",
    "今天天气很好！",
    "“我们走吧。”",
    "他说：圆周率是3.14吗？",
    "是的。",
]


def test_sentences_by_hand() -> None:
    assert step("sentences")(" ".join(SENTENCES[:8]) + "\n" + "".join(SENTENCES[8:])) == SENTENCES


def test_a_blank_line_ends_a_sentence_and_a_line_break_none() -> None:
    assert step("sentences")("A title\n\nOne sentence\nover two lines. Two") == [
        "A title",
        "One sentence over two lines.",
        "Two",
    ]


def test_marks_inside_a_sentence_end_none() -> None:
    text = 'He uses e.g. Yahoo! and asked "Why?" twice, at 5 p.m. sharp, for No. 5.'
    assert step("sentences")(text) == [text]


@UNHURRIED
@given(texts())
def test_sentences_hold_the_whole_text(text: str) -> None:
    assert "".join("".join(step("sentences")(text)).split()) == "".join(text.split())


def test_first_and_last_sentences_as_they_stand() -> None:
    assert step({"sentences": {"first": 2}})(PROSE) == PROSE[: PROSE.index(" Mr.")]
    assert step({"sentences": {"last": 2}})(PROSE) == "会不会更贵？没有人知道。"
    assert step({"sentences": {"first": 99}})(PROSE) == PROSE
    assert step({"sentences": {"first": 1}})(" ") == ""


def test_words() -> None:
    text = "Don't stop, naïve 東京 café-bar: 3.5 नमस्ते"
    assert step("words")(text) == ["Don't", "stop", "naïve", "東", "京", "café", "bar", "3", "5", "नमस्ते"]
    assert step({"words": {"punctuation": True}})("a, b!") == ["a", ",", "b", "!"]
    assert step({"words": {"by": "space"}})(text) == text.split()
    assert step({"words": {"by": "regex", "pattern": r"\d"}})(text) == ["3", "5"]


def test_stop_words_of_lists_words_and_a_file(tmp_path: Path) -> None:
    assert step("words", "stop_words")("The cat isn't on the mat, and they're not.") == [
        "cat",
        "isn't",
        "mat",
        "not",
    ]
    assert step("stop_words").text("It is a Cat") == "Cat"
    file = tmp_path / "stop.txt"
    file.write_text("# mine\ncat # an animal\n\n", "utf-8")
    assert step({"stop_words": {"lists": [], "file": str(file), "words": ["MAT"]}})("the Cat, the mat") == [
        "the",
        "the",
    ]


def test_lists_hold_no_negation() -> None:
    assert not {"not", "no", "nor", "don't", "不", "没", "没有", "别"} & set().union(*LISTS.values())


def test_segment_is_jiebas_own(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    jieba = pytest.importorskip("jieba")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    text = "我来到北京清华大学。小明硕士毕业于中国科学院计算所，后在日本京都大学深造 GPT-4 很好"
    made = {mode: step({"segment": {"mode": mode}})(text) for mode in ("accurate", "full", "search")}
    known = step({"segment": {"new_words": False}})("他来到了网易杭研大厦")
    assert list(tmp_path.iterdir()) == []  # jieba itself leaves its dictionary there
    assert capfd.readouterr() == ("", "")

    def spaceless(words: list[str]) -> list[str]:
        return [one for one in words if one.strip()]

    assert made["accurate"] == spaceless(jieba.lcut(text))
    assert made["full"] == spaceless(jieba.lcut(text, cut_all=True))
    assert made["search"] == spaceless(jieba.lcut_for_search(text))
    assert known == jieba.lcut("他来到了网易杭研大厦", HMM=False)
    assert made["accurate"][:4] == ["我", "来到", "北京", "清华大学"]  # as its README shows


def test_segment_with_words_of_ones_own(tmp_path: Path) -> None:
    pytest.importorskip("jieba")
    words = tmp_path / "words.txt"
    words.write_text("云计算平台 5\n", "utf-8")
    made = step({"segment": {"dictionary": str(words)}})
    assert "云计算平台" in made("我们的云计算平台很好")
    assert "云计算平台" not in step("segment")("我们的云计算平台很好")
    assert made.signature != step("segment").signature


@UNHURRIED
@given(
    texts(),
    st.integers(1, 20),
    st.sampled_from(["head", "tail", "both"]),
    st.sampled_from(["token", "sentence"]),
)
def test_truncate_keeps_to_the_budget(text: str, budget: int, keep: str, borders: str) -> None:
    budget += 10 if keep == "both" else 0
    made = step({"truncate": {"tokens": budget, "keep": keep, "borders": borders}})(text)
    if tokens(text.encode("utf-8", "replace").decode()) <= budget:
        assert made == text
        return
    assert tokens(str(made).encode("utf-8", "replace").decode()) <= budget
    if keep == "head":
        assert text.startswith(str(made))
    elif keep == "tail":
        assert text.endswith(str(made))


@pytest.mark.parametrize("budget", [1, 5, 17, 40, 60])
@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_the_head_is_where_toktok_cuts(budget: int, encoding: str) -> None:
    made = step({"truncate": {"tokens": budget, "encoding": encoding}})(PROSE)
    assert made == toktok.truncate(PROSE, budget, encoding)[0]


def test_truncation_at_sentences() -> None:
    head = step({"truncate": {"tokens": 20, "borders": "sentence"}})(PROSE)
    assert head == "The council met on Monday. It voted 7 to 2 for the new bridge!"
    tail = step({"truncate": {"tokens": 12, "keep": "tail", "borders": "sentence"}})(PROSE)
    assert tail == "会不会更贵？没有人知道。"
    both = step({"truncate": {"tokens": 30, "keep": "both", "borders": "sentence"}})(PROSE)
    assert both == f"The council met on Monday.{GAP}会不会更贵？没有人知道。"


@UNHURRIED
@given(texts(), st.integers(4, 30), st.integers(0, 6), st.sampled_from(["paragraph", "sentence", "token"]))
def test_chunks_fit_and_hold_the_whole_text(text: str, size: int, overlap: int, borders: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    overlap = min(overlap, size // 2)
    made = step({"chunks": {"tokens": size, "overlap": overlap, "borders": borders}})(text)
    place = 0
    for one in made:
        assert tokens(one) <= max(size, tokens(one[0]))
        start = text.find(one)
        assert start >= 0
    if not overlap:
        assert "".join("".join(made).split()) == "".join(text.split())
    for one in made:  # in order, and nothing but white space is left out
        start = text.find(one, max(0, place - len(one)))
        while start >= 0 and text[place:start].strip() == "" and start + len(one) <= place:
            start = text.find(one, start + 1)
        assert start >= 0
        assert start <= place or not text[place:start].strip()
        place = start + len(one)
    assert not text[place:].strip()


def test_chunks_are_whole_paragraphs_where_they_fit() -> None:
    paragraphs = PROSE.split("\n\n")
    assert step({"chunks": {"tokens": 45}})(PROSE) == paragraphs
    assert step({"chunks": {"tokens": 200}})(PROSE) == [PROSE]
    assert step({"chunks": {"tokens": 25}})(PROSE)[1] == "Mr. Lee, who paid for the study, was not there."


def test_chunks_overlap_by_whole_sentences() -> None:
    """Sentences of four tokens each, and a space is part of the next word's token."""
    text = "One is first. Two is next. Three is third. Four is last."
    assert [tokens(one) for one in text.split(" ")[:3]] == [1, 1, 2]
    made = step({"chunks": {"tokens": 8, "overlap": 4, "borders": "sentence"}})(text)
    assert made == [
        "One is first. Two is next.",
        "Two is next. Three is third.",
        "Three is third. Four is last.",
    ]


def test_steps_apply_to_each_text_of_a_list() -> None:
    assert step("sentences", "lower")("One. TWO.") == ["one.", "two."]
    assert step("sentences", "lower").text("One. TWO.") == "one.\ntwo."
    assert step("words").text("One, two") == "One two"


@pytest.mark.parametrize(
    ("steps", "signature"),
    [
        (["strip", "whitespace", "lower"], "strip+whitespace+lower"),
        ([{"unicode": {"form": "NFKC"}}, {"truncate": {"tokens": 512}}], "unicode:NFKC+truncate:512"),
        ([{"truncate": {"tokens": 9, "keep": "tail", "borders": "sentence"}}], "truncate:9,tail,sentence"),
        ([{"truncate": {"tokens": 9, "encoding": "cl100k_base"}}], "truncate:9,cl100k_base"),
        ([{"chunks": {"tokens": 300, "overlap": 50}}], "chunks:300,overlap50"),
        ([{"sentences": {"first": 3}}, {"lower": {"fold": True}}], "sentences:first3+lower:fold"),
        (["words", {"stop_words": {"lists": "english"}}], "words:unicode+stop_words:english"),
        ([{"whitespace": {"lines": True}}], "whitespace:lines"),
    ],
)
def test_signatures(steps: list[Any], signature: str) -> None:
    assert step(*steps).signature == signature


def test_what_a_hash_stands_for_is_in_the_signature() -> None:
    made = [
        step({"words": {"by": "regex", "pattern": pattern}}, {"stop_words": {"words": [word]}}).signature
        for pattern, word in ((r"\w", "x"), (r"\S", "x"), (r"\w", "y"))
    ]
    assert len(set(made)) == 3
    assert not any("|" in one for one in made)


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (["stripp"], 'preprocess[0]: no step "stripp" (did you mean "strip"?)'),
        ("strip", "preprocess: a list of steps"),
        ([], "preprocess: a list of steps"),
        ([{"truncate": {}}], "preprocess[0].truncate.tokens is missing: Truncate needs it"),
        ([{"truncate": {"tokens": 0}}], "step truncate: tokens is a whole number, at least 1; got 0"),
        ([{"truncate": {"tokens": 9, "keep": "end"}}], "keep is one of head, tail, both, not 'end'"),
        ([{"truncate": {"tokens": 3, "keep": "both"}}], "keep=both needs at least"),
        ([{"chunks": {"tokens": 9, "overlap": 5}}], "overlap=5 is more than half of tokens=9"),
        ([{"sentences": {"first": 1, "last": 1}}], "step sentences: first or last, not both"),
        (["sentences", "words"], "words takes a text, and sentences before it gives a list"),
        ([{"unicode": {"form": "nfc"}}], "form is one of NFC, NFKC, NFD, NFKD, not 'nfc'"),
        ([{"words": {"by": "regex"}}], "by=regex needs a pattern"),
        ([{"words": {"by": "regex", "pattern": "("}}], "bad pattern '('"),
        ([{"stop_words": {"lists": []}}], "no words; name lists, words or a file"),
        ([{"stop_words": {"file": "/nowhere/x"}}], "/nowhere/x: cannot be read"),
        ([{"_target_": "os.system"}], "configs may run code only from evalkit"),
        ([{"_target_": "evalkit.postprocess.text.Strip"}], "Strip is no subclass of evalkit.preprocess"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_one_line(steps: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(steps, "preprocess")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_jieba_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from evalkit.preprocess import segment

    segment._tokenizer_with.cache_clear()
    monkeypatch.setitem(sys.modules, "jieba", None)
    with pytest.raises(ConfigError, match="segment needs jieba, which is not installed; pip install jieba"):
        step("segment")


def test_without_the_vocabulary_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from evalkit.preprocess import budget

    monkeypatch.setattr(budget, "counter", lambda _: None)
    with pytest.raises(ConfigError, match="the vocabulary o200k_base is not on this machine"):
        step({"truncate": {"tokens": 5}})


def test_every_step_is_named_as_its_class_says() -> None:
    assert {name: one.name for name, one in STEPS.items()} == {name: name for name in STEPS}
