from __future__ import annotations

import contextlib
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.errors import ConfigError
from evalkit.postprocess import STEPS, Pipeline, Step, Unparsed
from evalkit.postprocess.json_field import JsonField
from evalkit.postprocess.label import Label
from evalkit.postprocess.text import FirstLine, Regex, Strip

SENTIMENT = Label(
    labels=["positive", "negative", "neutral"],
    aliases={"positive": ["pos", "正面", "积极"], "negative": ["负面", "消极"], "neutral": ["中性"]},
)


def unparsed(step: Step | Pipeline, text: str) -> str:
    with pytest.raises(Unparsed) as caught:
        step(text)
    return str(caught.value)


def test_strip_removes_space_around() -> None:
    assert Strip()(" \r\n\u3000a b\t\n") == "a b"
    assert Strip()(" \n") == ""


@pytest.mark.parametrize(("text", "line"), [("a\nb", "a"), ("\n \r\n  a b \r\nc", "a b"), ("a", "a")])
def test_first_line_is_the_first_that_is_not_blank(text: str, line: str) -> None:
    assert FirstLine()(text) == line


@pytest.mark.parametrize("text", ["", " \n\t\n"])
def test_first_line_of_nothing_is_unparsed(text: str) -> None:
    assert unparsed(FirstLine(), text) == "no line of text"


@pytest.mark.parametrize(
    ("options", "text", "found"),
    [
        ({"pattern": r"\d+"}, "7 of 9", "7"),
        ({"pattern": r"\d+", "match": "last"}, "7 of 9", "9"),
        ({"pattern": r"answer: (\w+)"}, "The answer: B", "B"),
        ({"pattern": r"answer: (\w+)", "group": 0}, "The answer: B", "answer: B"),
        ({"pattern": r"(\w)=(\w)", "group": 2, "match": "last"}, "a=b c=d", "d"),
        ({"pattern": "YES", "ignore_case": True}, "oh yes", "yes"),
        ({"pattern": r"(?s)<a>(.*?)</a>"}, "<a>one\ntwo</a>", "one\ntwo"),
    ],
)
def test_regex_keeps_what_the_pattern_captures(options: dict[str, Any], text: str, found: str) -> None:
    assert Regex(**options)(text) == found


@pytest.mark.parametrize(("pattern", "text"), [(r"\d", "none"), ("(a)|b", "b"), ("x", "")])
@pytest.mark.parametrize("match", ["first", "last"])
def test_regex_without_a_capture_is_unparsed(pattern: str, text: str, match: str) -> None:
    assert unparsed(Regex(pattern=pattern, match=match), text) == f"nothing matches {pattern!r}"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "("}, "bad pattern '('"),
        ({"pattern": "a{99999999999}"}, "repetition number is too large"),
        ({"pattern": "a", "group": 1}, "no group 1 in 'a', which has 0"),
        ({"pattern": "a", "group": -1}, "no group -1"),
        ({"pattern": "a", "match": "second"}, 'match is "first" or "last", not \'second\''),
    ],
)
def test_a_bad_pattern_is_a_config_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Regex(**options)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": "x"}', "x"),
        ('Sure! Here it is:\n```json\n{"b": 1, "a": "x"}\n```\nAnything else?', "x"),
        ('{"a": "with } and { and \\" inside"}', 'with } and { and " inside'),
        ('{"a": true}', "true"),
        ('{"a": 7}', "7"),
        ('{"a": ["é", {"b": 1}]}', '["é", {"b": 1}]'),
        ('{"a": ""}', ""),
        ('Use {braces} and {} first: {"a": "x"}', "x"),
        ('{"thought": "hm"} {"a": "x"} {"a": "y"}', "x"),
        ('[{"a": "x"}]', "x"),
        ('{"broken": "cut {"a": "x"}', "x"),
    ],
)
def test_json_field_is_found_amid_prose_and_fences(text: str, found: str) -> None:
    assert JsonField(field="a")(text) == found


def test_json_field_reaches_into_objects() -> None:
    assert JsonField(field="result.label")('{"label": "no", "result": {"label": "yes"}}') == "yes"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON object"),
        ("positive", "no JSON object"),
        ('"a"', "no JSON object"),
        ("{'a': 'x'}", "no JSON object"),
        ('{"a": "cut', "no JSON object"),
        ('{"a": ' + "1" * 5000 + "}", "no JSON object"),
        ('{"a":' * 5000, "no JSON object"),
        ('{"b": {"a": 1}}', 'the JSON answer has no field "a"'),
        ('{"a": null}', 'the field "a" is null'),
    ],
    ids=lambda value: value[:20],
)
def test_json_field_says_why_there_is_none(text: str, reason: str) -> None:
    assert unparsed(JsonField(field="a"), text) == reason


prose = st.text(st.characters(blacklist_characters='{}"', blacklist_categories=["Cs"]), max_size=30)


@given(
    before=prose, after=prose, value=st.text(), key=st.text(max_size=5).filter(lambda key: key != "answer")
)
def test_json_field_finds_any_text_in_any_prose(before: str, after: str, value: str, key: str) -> None:
    text = f"{before}{json.dumps({key: [value, {}], 'answer': value}, indent=1)}{after}"
    assert JsonField(field="answer")(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "positive",
        "Positive.",
        " **Positive**\n",
        "`POSITIVE`!",
        "“positive”",
        "Ｐｏｓｉｔｉｖｅ。",
        "pos",
        "The sentiment is positive, clearly.",
        "Label: Positive (very positive)",
        '{"sentiment": "positive"}',
        "Positive 😊",
        "正面",
        "情感是正面的。",
        "非常正面",
        "答案是positive。",
        "积极、正面",
    ],
)
def test_one_label_named_in_any_dress_is_that_label(text: str) -> None:
    assert SENTIMENT(text) == "positive"


@pytest.mark.parametrize(
    "text",
    ["positive or negative?", "正面还是负面", "It is not only positive but also negative.", "pos/neg/负面"],
)
def test_several_labels_are_unparsed(text: str) -> None:
    assert unparsed(SENTIMENT, text) == "names several labels: negative, positive"


@pytest.mark.parametrize("text", ["", "?!", "positively", "impositive", "prepos", "great", "positive_1"])
def test_no_label_is_unparsed(text: str) -> None:
    assert unparsed(SENTIMENT, text) == "names none of the labels positive, negative, neutral"


@pytest.mark.parametrize(
    "text",
    [
        "not positive",
        "The text is not really positive.",
        "It isn't a **positive** text",
        "It isn’t positive",
        "non-positive",
        "neither positive nor negative",
        "cannot be positive",
        "不是正面",
        "这并不是“正面”的",
        "不太积极",
        "没有正面",
    ],
)
def test_a_denied_label_is_not_named(text: str) -> None:
    """ "Not positive" is no prediction of positive; whether it means negative or neutral, it does not say."""
    assert unparsed(SENTIMENT, text).startswith("names none")


@pytest.mark.parametrize(
    "text",
    [
        "It is not positive, it is negative.",
        "不是正面，而是负面",
        "Not positive. Negative!",
        "negative, not neutral",
    ],
)
def test_what_is_said_instead_of_a_denied_label_counts(text: str) -> None:
    assert SENTIMENT(text) == "negative"


def test_a_label_that_is_itself_a_denial_is_matched_whole() -> None:
    step = Label(
        labels=["relevant", "not relevant"], aliases={"not relevant": ["不相关"], "relevant": ["相关"]}
    )
    assert step("This is not relevant.") == "not relevant"
    assert step("This is relevant.") == "relevant"
    assert step("我认为不相关。") == "not relevant"
    assert step("我认为相关。") == "relevant"


@pytest.mark.parametrize(("text", "label"), [("C++", "c++"), ("The answer is C#.", "c#"), ("**C**", "c")])
def test_labels_may_differ_in_punctuation_alone(text: str, label: str) -> None:
    assert Label(labels=["c", "c++", "c#"])(text) == label


@pytest.mark.parametrize(
    ("labels", "text", "label"),
    [
        (["да", "нет"], "Ответ: нет.", "нет"),
        (["긍정", "부정"], "긍정입니다", "긍정"),
        (["บวก", "ลบ"], "คำตอบคือบวกครับ", "บวก"),
        (["أ", "ب"], "الجواب: ب", "ب"),
    ],
)
def test_labels_of_other_scripts(labels: list[str], text: str, label: str) -> None:
    assert Label(labels=labels)(text) == label


@pytest.mark.parametrize(
    "text", ["card arrival", "The intent is Card Arrival.", '{"intent": "card_arrival"}']
)
def test_a_space_may_stand_for_an_underscore(text: str) -> None:
    step = Label(labels=["card_arrival", "virtual_card_arrival", "reverted?"])
    assert step(text) == "card_arrival"
    assert step("virtual card arrival") == "virtual_card_arrival"
    assert step("it was reverted") == "reverted?"


@pytest.mark.parametrize(("labels", "text"), [(["да", "нет"], "интернет"), (["négatif"], "négatifs")])
def test_a_word_inside_another_is_no_label_in_any_script_with_spaces(labels: list[str], text: str) -> None:
    assert unparsed(Label(labels=labels), text).startswith("names none")


@given(
    st.text()
    | st.lists(st.sampled_from(["positive", "not", "正面", "不", "negative", ",", ".", "{}", "\n"])).map(
        " ".join
    )
)
def test_label_never_returns_anything_but_a_label(text: str) -> None:
    with contextlib.suppress(Unparsed):
        assert SENTIMENT(text) in {"positive", "negative", "neutral"}


@given(
    st.sampled_from(["positive", "正面", "负面"]),
    st.text(st.sampled_from(" .,!?*_`\"'()[]。！「」"), max_size=8),
)
def test_punctuation_around_a_spelling_changes_nothing(spelling: str, around: str) -> None:
    label = "negative" if spelling == "负面" else "positive"
    assert SENTIMENT(f"{around}{spelling}{around}") == label


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": []}, "at least one label"),
        ({"labels": "positive"}, "must be a list"),
        ({"labels": [True, False]}, "True is no text that a model could write; put quotes around"),
        ({"labels": [1, 2]}, "1 is no text"),
        ({"labels": ["a", " "]}, "' ' is no text"),
        ({"labels": ["a", "A"]}, '"A" stands for both a and A'),
        ({"labels": ["a", "b"], "aliases": {"a": ["x"], "b": ["X"]}}, '"X" stands for both a and b'),
        ({"labels": ["a"], "aliases": {"c": ["x"]}}, "aliases for ['c'], which are no labels (a)"),
    ],
)
def test_labels_that_cannot_work_are_a_config_error(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Label(**options)
    assert message in str(caught.value)


def test_a_single_alias_need_be_no_list() -> None:
    step = Label(labels=["yes"], aliases={"yes": "oui"})
    assert step("Oui!") == "yes"
    assert unparsed(step, "o").startswith("names none")


DEGENERATE = ["!" * 200_000, "{" * 200_000, '{"' * 100_000, '{"a":' * 50_000, "not " * 50_000]


@pytest.mark.parametrize("text", DEGENERATE, ids=["!", "{", '{"', "nested", "not"])
@pytest.mark.parametrize("step", [SENTIMENT, JsonField(field="a")], ids=["label", "json_field"])
def test_a_degenerate_answer_takes_no_time(step: Step, text: str) -> None:
    """Quadratic work would be minutes; the limit is generous because other work shares the machine."""
    start = time.process_time()
    unparsed(step, text)
    assert time.process_time() - start < 2.0


def test_steps_run_in_order() -> None:
    pipeline = Pipeline([Regex(pattern=r"(?s)Answer:(.*)"), FirstLine(), Label(labels=["yes", "no"])])
    assert pipeline("I think no. Answer:\n\n YES!\nno") == "yes"


def test_an_empty_pipeline_keeps_the_text() -> None:
    assert Pipeline([])(" as is\n") == " as is\n"


def test_the_step_that_fails_is_named() -> None:
    pipeline = Pipeline([JsonField(field="label"), Label(labels=["yes", "no"])])
    assert unparsed(pipeline, "yes") == "json_field: no JSON object"
    assert unparsed(pipeline, '{"label": "maybe"}') == "label: names none of the labels yes, no"


def test_a_pipeline_describes_itself_as_configured() -> None:
    described = ["strip", {"label": {"labels": ["a"]}}]
    assert Pipeline([Strip(), Label(labels=["a"])], described).describe == described


def test_every_step_is_found_by_its_name() -> None:
    assert {"strip", "first_line", "regex", "json_field", "code", "label"} <= set(STEPS)
    assert all(step.name == name for name, step in STEPS.items())
