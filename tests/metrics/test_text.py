from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evalkit.errors import MetricError
from evalkit.metrics.text import (
    check_choice,
    reference_streams,
    references_of,
    script_shares,
    scripted_words,
    squad_normalize,
    words,
    writing_of,
)
from evalkit.records import Sample


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don't stop_it!", ["don", "t", "stop", "it"]),
        ("GPT4模型2019年", ["gpt4", "模", "型", "2019", "年"]),
        ("今日は", ["今", "日", "は"]),
        ("カﾞギ", ["ガ", "ギ"]),  # half-width voicing mark
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),  # vowel signs stay with their consonant
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("naïve nai\u0308ve", ["naïve", "naïve"]),  # composed or not
        ("ＡＢＣ １２", ["abc", "12"]),  # full width
        ("می\u200cخواهم", ["میخواهم"]),  # a joiner splits no word
        ("ab\u200bcd", ["ab", "cd"]),  # a zero-width space does
        ("👍🏽 ❤️ 1️⃣", ["1"]),
        ("a\u00a0b\r\nc\u3000d", ["a", "b", "c", "d"]),
        ("x\ud83dy", ["x", "y"]),
        ("", []),
    ],
)
def test_words_of_many_scripts(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.text(alphabet=st.characters(exclude_categories=[]), max_size=40))
def test_words_are_never_empty_and_hold_no_space(text: str) -> None:
    assert all(word and not any(char.isspace() for char in word) for word in words(text))


def test_script_is_that_of_the_first_letter() -> None:
    assert scripted_words("1a мир 한국 中 ក") == [
        ("1a", "latin"),
        ("мир", "other"),
        ("한국", "hangul"),
        ("中", "han"),
        ("ក", "khmer"),
    ]


@settings(deadline=None, max_examples=300, derandomize=True)
@given(st.text(alphabet=st.characters(max_codepoint=127), max_size=40))
def test_ascii_text_takes_a_short_way_to_the_same_words(text: str) -> None:
    elsewhere = text + "\u3000"  # a space that is not ASCII
    assert scripted_words(text) == scripted_words(elsewhere)
    assert script_shares([text]) == script_shares([elsewhere])


def test_shares_weigh_texts_alike_and_leave_out_those_without_letters() -> None:
    """One of two Chinese-and-Latin words of the first text, all of the second: (1/2 + 1) / 2."""
    shares = script_shares(["中 word", "word " * 50, "42 👍"])
    assert dict(shares) == {"han": 0.25, "latin": 0.75}
    assert not script_shares(["", "?"])


@given(st.text(st.characters(max_codepoint=127)))
def test_an_ascii_texts_words_are_latin_or_numbers(text: str) -> None:
    """What `script_shares` knows without looking at each letter."""
    scripts = {script for _, script in scripted_words(text)} - {"number"}
    assert dict(script_shares([text])) == dict.fromkeys(scripts, 1.0)
    assert scripts <= {"latin"}


@pytest.mark.parametrize(
    ("texts", "writing"),
    [
        (["格雷厄姆·多伦斯（Graham Dorrans）表示乐观"], "chinese"),
        (["東京タワーに行きました"], "japanese"),
        (["서울에 갔습니다"], "korean"),
        (["ຂ້ອຍຮັກເຈົ້າ"], "unspaced"),
        (["မြန်မာဘာသာ"], "unspaced"),
        (["Das Wort 漢字 steht hier allein"], "spaced"),
        ([""], "spaced"),
    ],
)
def test_writing_of_texts(texts: list[str], writing: str) -> None:
    assert writing_of(texts) == writing


def test_squad_normalisation() -> None:
    assert squad_normalize("  The U.S.\tNavy's an-swer, a\nb ") == "us navys answer b"


def test_a_sample_without_target_is_named() -> None:
    with pytest.raises(MetricError, match='rouge: sample "q-17" has no target'):
        references_of(Sample("q-17", {}, None), "rouge")


def test_an_empty_list_of_targets_is_a_question_without_an_answer() -> None:
    assert references_of(Sample("q-17", {}, []), "exact_match") == ("",)


def test_streams_fill_up_with_none() -> None:
    assert reference_streams([("a",), ("b", "c")]) == [["a", "b"], [None, "c"]]


def test_a_wrong_choice_of_any_type_is_an_error_with_the_choices() -> None:
    check_choice("bleu", "tokenize", "zh", ("13a", "zh"))
    with pytest.raises(MetricError, match='bleu: unknown tokenize "None"; use one of 13a, zh'):
        check_choice("bleu", "tokenize", None, ("13a", "zh"))  # type: ignore[arg-type]  # a YAML null
