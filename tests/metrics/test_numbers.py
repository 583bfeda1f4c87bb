from __future__ import annotations

import time
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.metrics.numbers import announced_in, boxed_in, final_number, numbers_in, plain, spelled

if TYPE_CHECKING:
    from metrics.conftest import Rows


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,234.5", ["1234.5"]),
        ("1,00,000 rupees", ["100000"]),
        ("3,4,5", ["3", "4", "5"]),
        ("it is .5 or -.5", ["0.5", "-0.5"]),
        ("$1,000, -$5 and $-6", ["1000", "-5", "-6"]),
        ("€ 7", ["7"]),
        ("10-3, 5 - 2 and x=-4", ["10", "3", "5", "2", "-4"]),
        ("minus 3, but 10 minus 3", ["-3", "10", "3"]),
        ("零下6度，负2", ["-6", "-2"]),
        ("CO2, GPT4 and B52s", []),
        ("18km, 共18个", ["18", "18"]),
        ("3/4 and 2 1/2", ["0.75", "2.5"]),
        ("1/3", ["1/3"]),
        ("½", ["0.5"]),
        (r"\frac{3}{4}, -\dfrac12, 1\frac{1}{2}", ["0.75", "-0.5", "1.5"]),
        (r"\frac{-3}{4}", ["-0.75"]),
        ("1.5e6, 2E-2", ["1500000", "0.02"]),
        (r"2 \times 10^{3}, 3×10^2", ["2000", "300"]),
        ("3 million, 2.5 thousand", ["3000000", "2500"]),
        ("3.5万元, 1亿2000万人, 2千克, 3千", ["35000", "120000000", "2", "3000"]),
        ("３．５％", ["3.5"]),
        ("12\u202f000, 12'000, 12\u00a0000", ["12000"] * 3),
        (r"10{,}000, 12\,000", ["10000", "12000"]),
        ("\u22125", ["-5"]),
        ("1/0 and 1e999", []),
        ("**18**", ["18"]),
    ],
)
def test_numbers_are_read_as_they_are_written(text: str, values: list[str]) -> None:
    assert [spelled(one.value) for one in numbers_in(plain(text))] == values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("She has 3 + 4 = 7.\n#### 7\nDone in 2 steps.", "7"),
        ("5 apples. #### $1,200", "1200"),
        (r"So $x = 5$, hence \boxed{x = 12} for 3 people.", "12"),
        (r"\boxed{3} is wrong, \boxed{\frac{1}{2}} is right", "0.5"),
        (r"cut off: \boxed{4", "4"),
        ("The answer is 18 dollars for 3 days.", "18"),
        ("The answer is 5 + 3 = 8 apples.", "8"),
        ("Final answer: Anna pays 12 euros. I checked it 2 times.", "2"),  # no number stands directly there
        ("**Answer:** 42\n\nNote 1: easy.", "42"),
        ("The answer to the question would be approximately 3.5", "3.5"),
        ("A: 6", "6"),
        ("所以答案是 12 个，一共用了3步。", "12"),
        ("答：小明还有57个。", "57"),
        ("First 3, then 4, so 7", "7"),
        ("The answer is:\n\n\\[ 9 \\]", "9"),
        ("I do not know", None),
        ("", None),
    ],
)
def test_the_final_number_is_the_one_that_is_announced_else_the_last(text: str, value: str | None) -> None:
    found = final_number(text)
    assert (None if found is None else spelled(found)) == value


def test_a_decimal_comma_is_read_when_asked_for() -> None:
    assert final_number("Es sind 1.234,5 Meter.", decimal="comma") == Fraction("1234.5")
    assert final_number("50 %", percent="fraction") == Fraction(1, 2)
    assert final_number("50 %") == 50


def test_what_is_announced_is_found_as_it_stands() -> None:
    assert announced_in(r"so \boxed{(1, \pi)}.") == r"(1, \pi)"
    assert announced_in("The answer is x+1") == "x+1"
    assert announced_in("no answer here") is None
    assert boxed_in(r"\boxed{\frac{1}{2}} and \boxed{\text{a {b}}}") == r"\text{a {b}}"


@given(st.fractions(-(10**250), 10**250, max_denominator=10**6))
def test_a_spelled_number_is_read_back_exactly(value: Fraction) -> None:
    found = numbers_in(plain(spelled(value)))
    assert [one.value for one in found] == [value]


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_decimals_and_thousands_do_not_change_a_number(value: int, places: int) -> None:
    number = Fraction(value, 10**places)
    written = f"{float(number):,.{places}f}" if abs(value) < 10**9 else f"{value:,}"
    found = numbers_in(plain(written))
    assert [one.value for one in found] == [Fraction(written.replace(",", ""))]


@given(st.text(max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    final_number(text)
    announced_in(plain(text))


@pytest.mark.parametrize(
    "text", ["1" * 200_000, "1," * 50_000, r"\boxed{" * 30_000, "-" * 100_000, "answer " * 30_000]
)
def test_a_degenerate_answer_takes_no_time(text: str) -> None:
    start = time.process_time()
    final_number(text)
    assert time.process_time() - start < 2.0


@pytest.mark.shared
@pytest.mark.parametrize(
    "system", ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"]
)
def test_recorded_gsm8k_answers_are_judged_as_recorded(system: str, shared_rows: Rows) -> None:
    """The file's own `is_correct` of all 500 answers of each system; none differs."""
    targets = {row["id"]: final_number(row["answer"]) for row in shared_rows("qa_math_gsm8k")}
    rows = shared_rows("recorded_gsm8k_outputs")
    ours = [final_number(row["outputs"][system]) == targets[row["id"]] for row in rows]
    differing = [row["id"] for row, mine in zip(rows, ours, strict=True) if mine != row["is_correct"][system]]
    assert differing == []
    assert len(rows) == 500


@pytest.mark.shared
def test_a_worked_solution_gives_the_files_own_final_answer(shared_rows: Rows) -> None:
    for row in shared_rows("qa_math_gsm8k"):
        assert final_number(row["answer"]) == final_number(row["final_answer"])
