"""What replies are held to: how checks read words, numbers and lengths."""

from __future__ import annotations

from typing import Any

import pytest

from evalkit.errors import MetricError
from evalkit.metrics.expectation import (
    CHECKS,
    check_expectation,
    expectations,
    failed_checks,
    holds,
    last_number,
    word_count,
)
from evalkit.records import Sample


@pytest.mark.parametrize(
    ("reply", "text", "found"),
    [
        ("It is NORA.", "nora", True),
        ("We had a party", "art", False),
        ("Room 302, please", "302", True),
        ("Room 1302", "302", False),
        ("It costs 7.50", "7", False),
        ("It costs 1,007", "7", False),
        ("in 7 days", "7", True),
        ("don\u2019t do it", "don't", True),
        ("the blue\n  folder", "blue folder", True),
        ("会议室是302，联系人是周老师。", "周老师", True),
        ("Ａｂｃ", "abc", True),
        ("BL-20417", "BL-2041", False),
    ],
)
def test_a_phrase_is_found_as_words_whatever_their_case(reply: str, text: str, *, found: bool) -> None:
    assert holds(reply, text) is found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("950 + 80 = 1,030", 1030.0),
        ("between 3-4", 4.0),
        ("it fell to -5", -5.0),
        ("about 2.5 km.", 2.5),
        ("一共有９个", 9.0),
        ("none", None),
    ],
)
def test_the_last_number_counts(text: str, number: float | None) -> None:
    assert last_number(text) == number


@pytest.mark.parametrize(
    ("text", "count"),
    [("don't", 1), ("a well-known 3.5 thing", 4), ("绿茶很好。", 4), ("", 0), ("One, two — three!", 3)],
)
def test_words_are_counted_as_people_do(text: str, count: int) -> None:
    assert word_count(text) == count


@pytest.mark.parametrize(
    ("reply", "checks", "why"),
    [
        ("Pepper and Moss", {"contains_all": ["Moss", ["Salt", "Pepper"]]}, []),
        ("Pepper", {"contains_all": ["M", ["Salt", "Sugar"]]}, ["lacks 'M'", "lacks 'Salt' or 'Sugar'"]),
        ("a or b", {"contains_any": ["c", "b"], "contains_none": "a"}, ["has 'a'"]),
        ("“Ghent.”", {"equals_any": "ghent"}, []),
        ("In Ghent", {"equals_any": ["Ghent"]}, ["is not 'Ghent'"]),
        ("42", {"number": 42, "max_words": 1}, []),
        ("no", {"number": 42}, ["its last number is none, not 42"]),
        ("Yes, two", {"regex": "^yes", "not_regex": ["\\d"]}, []),
        ("one two", {"max_words": 1, "min_words": 3}, [
            "has 2 words, at most 1 were allowed", "has 2 words, at least 3 were asked for",
        ]),
        ("anything", {"reference": "a text", "references": ["b"]}, []),
    ],
)  # fmt: skip
def test_checks_say_what_is_wrong(reply: str, checks: dict[str, Any], why: list[str]) -> None:
    assert failed_checks(reply, checks) == why


@pytest.mark.parametrize(
    ("checks", "words"),
    [
        ({"contain_any": ["a"]}, r'unknown check "contain_any" \(did you mean "contains_any"\?\)'),
        ({"contains_any": []}, "check contains_any: must be a text or a list of texts"),
        ({"contains_any": [""]}, "check contains_any: an empty text is in every reply"),
        ({"regex": "("}, "check regex"),
        ({"number": "12"}, "check number: must be a number"),
        ({"max_words": 1.5}, "check max_words: must be a whole number"),
    ],
)
def test_what_is_no_check_is_told_before_anything_is_asked(checks: dict[str, Any], words: str) -> None:
    with pytest.raises(MetricError, match=words):
        check_expectation(checks, "here")


def test_every_check_can_fail_and_pass() -> None:
    good = {
        "contains_any": "word", "contains_all": "word", "contains_none": "other", "equals_any": "a word 7",
        "regex": "word", "not_regex": "other", "number": 7, "max_words": 3, "min_words": 3,
    }  # fmt: skip
    bad = {
        "contains_any": "other", "contains_all": "other", "contains_none": "word", "equals_any": "word",
        "regex": "other", "not_regex": "word", "number": 8, "max_words": 2, "min_words": 4,
    }  # fmt: skip
    assert set(good) == set(bad) == set(CHECKS)
    assert failed_checks("A word 7", good) == []
    assert len(failed_checks("A word 7", bad)) == len(CHECKS)


def sample(target: Any, turns: list[str] | None = None, **columns: Any) -> Sample:
    return Sample("s", {"turns": turns} if turns else {"text": "?"}, target, columns)


def test_a_list_as_long_as_the_turns_has_one_for_each_and_anything_else_is_of_the_last() -> None:
    two = ["a", "b"]
    assert expectations(sample([None, "x"], two), None, "m") == [None, "x"]
    assert expectations(sample("x", two), None, "m") == [None, "x"]
    assert expectations(sample({"number": 1}, two), None, "m") == [None, {"number": 1}]
    assert expectations(sample(None, two), None, "m") == [None, None]
    assert expectations(sample(["x", "y"]), None, "m") == [["x", "y"]]
    assert expectations(sample([{"number": 1}]), None, "m") == [{"number": 1}]
    assert expectations(sample("t", two, notes=[None, "z"]), "notes", "m") == [None, "z"]
    with pytest.raises(MetricError, match='m: sample "s" has 2 turns, and its target is a list of 3'):
        expectations(sample(["x", "y", "z"], two), None, "m")


def test_metrics_of_the_last_reply_see_its_references_alone() -> None:
    two = ["a", "b"]
    assert sample(["x", "y"], two).references == ("y",)
    assert sample([None, {"reference": "r", "number": 1}], two).references == ("r",)
    assert sample(["x", None], two).references == ()
    assert sample("x", two).references == ("x",)
    assert sample({"intent": "a"}).references == ('{"intent": "a"}',)
    assert sample(["x", "y"]).references == ("x", "y")
