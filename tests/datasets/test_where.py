from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets.base import Row
from evalkit.datasets.where import Where
from evalkit.errors import DatasetError

ROW = {
    "label": "neutral",
    "text": "Good film",
    "n": 3,
    "score": "4.5",
    "empty": None,
    "tags": ["a", "b"],
    "meta": {"lang": "de", "year": 1999, "inner": {"x": True}},
    "meta.lang": "literal",
    "reading time": 7,
    "yes": True,
}


def keeps(text: str, row: dict[str, Any] | None = None) -> bool:
    return Where(text)(Row(row or ROW, "line 3"), "d.jsonl")


def refusal(text: str) -> str:
    with pytest.raises(DatasetError) as caught:
        keeps(text)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "text",
    [
        'label == "neutral"',
        'score in [4.5, "4.5"] and n != "none" and score != null and label != 3',
        "label != 'positive' and len(text) < 400",
        'not label == "x" or n > 100',
        "1 < n <= 3",
        "n in [1, 2, 3]",
        'label not in ("x", "y")',
        '"a" in tags and "film" in text',
        'contains(tags, "b") and contains(text, "ood")',
        'lower(text) == "good film" and text.upper() == "GOOD FILM"',
        'text.startswith("Good") and endswith(text, "film")',
        "number(score) >= 4.5",
        "empty is None and empty == null and label is not None",
        "yes == true and yes",
        "meta.year == 1999 and meta.inner.x",
        'meta.lang == "literal"',  # a column so named wins, as in dataset.input
        'meta["lang"] == "de" and row["reading time"] == 7 and "note" not in row',
        'tags[0] == "a" and tags[-1] == "b" and text[0] == "G"',
        "words(text) == 2 and len(tags) == 2 and len(strip('  a ')) == 1",
        "n * 2 + 1 == 7 and n % 2 == 1 and n // 2 == 1 and n / 2 == 1.5 and -n < 0",
        '(n > 5 if label == "x" else n < 5)',
        "n == 3\n",
    ],
)
def test_the_language(text: str) -> None:
    """Every condition holds for the row, and its negation does not."""
    assert keeps(text) is True
    assert keeps(f"not ({text.strip()})") is False


def test_and_and_or_stop_early_so_that_null_can_be_tested_first() -> None:
    assert keeps("empty is not None and len(empty) > 3") is False
    assert keeps("empty is None or len(empty) > 3") is True


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "().__class__",
        "text.__class__",
        "text.format(n)",
        "[x for x in tags]",
        "lambda: 1",
        "open('x')",
        "f'{n}'",
        "n ** 999",
        "1 << 99",
        "n := 3",
        "tags[n]",
        "tags[0:1]",
        "{1: 2}",
        "len(*tags)",
        "len(text, key=n)",
        "(lambda: n)()",
        "b'x' == text",
        "1j == n",
        "~n == 3",
        "... == n",
        "await n",
    ],
)
def test_everything_else_of_python_is_refused(text: str) -> None:
    """Most before a row is read; an attribute that no object has when it is looked up."""
    assert refusal(text).startswith(("dataset.where, character ", "d.jsonl, line 3: nothing at "))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label = 3", "dataset.where, character 7: bad syntax ("),
        ("label == ", "dataset.where, character 9: bad syntax ("),
        ("n > 1 and and", "dataset.where, character 11: bad syntax ("),
        ("n > 1 and (n ** 2)", "dataset.where, character 12: n ** 2: only + - * / // % are"),
        (
            "lenn(text) > 3",
            'dataset.where, character 1: lenn(text): no function "lenn" (did you mean "len"?)',
        ),
        ("len() > 3", "dataset.where, character 1: len(): len takes 1 value"),
        ("startswith(text)", "dataset.where, character 1: startswith(text): startswith takes 2 values"),
    ],
)
def test_a_mistake_in_the_filter_shows_where_it_is(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "lable == 3",
            'd.jsonl, line 3: no column "lable" for dataset.where (did you mean "label"?); the columns are ',
        ),
        (
            "meta.lag == 3",
            'd.jsonl, line 3: nothing at ".lag" for dataset.where (did you mean "lang"?); it has ',
        ),
        ("label.x == 3", 'd.jsonl, line 3: nothing at ".x" for dataset.where; it is a text'),
        (
            "empty < 3",
            "d.jsonl, line 3: dataset.where=empty < 3 cannot be judged (null cannot be compared with a ",
        ),
        (
            "score > 3",
            "d.jsonl, line 3: dataset.where=score > 3 cannot be judged (a text cannot be compared with ",
        ),
        # A text that spells a number is no number: such a filter would keep all rows, or none.
        ("score != 4.5", "d.jsonl, line 3: dataset.where=score != 4.5 cannot be judged (a text is never "),
        (
            "score in [3, 4.5]",
            "d.jsonl, line 3: dataset.where=score in [3, 4.5] cannot be judged (a text is ",
        ),
        ('n == "3"', 'd.jsonl, line 3: dataset.where=n == "3" cannot be judged (a number is never equal to '),
        (
            'yes == "true"',
            'd.jsonl, line 3: dataset.where=yes == "true" cannot be judged (a boolean is never',
        ),
        ("len(empty) > 3", "d.jsonl, line 3: dataset.where=len(empty) > 3 cannot be judged (len: "),
        (
            "lower(n) == 3",
            "d.jsonl, line 3: dataset.where=lower(n) == 3 cannot be judged (lower: a text is needed",
        ),
        ("number(text) > 3", "d.jsonl, line 3: dataset.where=number(text) > 3 cannot be judged (number: "),
        ("n / 0 > 1", "d.jsonl, line 3: dataset.where=n / 0 > 1 cannot be judged (division by zero)"),
        (
            "tags[9] == 1",
            "d.jsonl, line 3: dataset.where=tags[9] == 1 cannot be judged (list index out of range)",
        ),
        ('text * 9 == ""', "d.jsonl, line 3: dataset.where=text * 9 == "),
    ],
)
def test_a_row_that_cannot_be_judged_is_named(text: str, message: str) -> None:
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(
    "text",
    [
        "9" * 5000 + " > n",
        " + ".join(["n"] * 3000),
        "(" * 300 + "n" + ")" * 300,
        "x" * 20_000,
        " or ".join(["n > 9"] * 1000),
        "'" + "a" * 9000 + "' == text",
    ],
)
def test_hostile_filters_end(text: str) -> None:
    assert "\n" not in verdict(text)


@given(st.text(max_size=40))
def test_whatever_is_written_gives_a_verdict_or_one_line(text: str) -> None:
    assert "\n" not in verdict(text)


def verdict(text: str) -> str:
    try:
        return str(keeps(text))
    except DatasetError as error:
        return str(error)


@given(st.integers(-9, 9), st.integers(-9, 9), st.sampled_from(["<", "<=", "==", "!=", ">", ">="]))
def test_comparisons_agree_with_python(a: int, b: int, sign: str) -> None:
    expected = {"<": a < b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b, ">=": a >= b}[sign]
    assert keeps(f"a {sign} b and (a {sign} ({b}))", {"a": a, "b": b}) is expected
